import { isDeepStrictEqual } from "node:util";
import type { StackPlan } from "./stackPlan";

/** One difference between two plans. */
export interface Difference {
  readonly section: keyof StackPlan;
  /** Path inside the section, such as `bpf.masquerade`. */
  readonly path: string;
  /** Undefined where the plan has no such value. */
  readonly left: unknown;
  readonly right: unknown;
}

/** The sections in the order in which they are derived. */
const SECTIONS: readonly (keyof StackPlan)[] = ["settings", "kindConfig", "values", "contract", "images"];

/** All differences between two plans, by section. */
export function diffPlans(left: StackPlan, right: StackPlan): Difference[] {
  return SECTIONS.flatMap((section) =>
    differences(left[section], right[section], "").map((difference) => ({ section, ...difference })),
  );
}

function differences(left: unknown, right: unknown, path: string): Omit<Difference, "section">[] {
  if (isDeepStrictEqual(left, right)) return [];
  if (!isTree(left) || !isTree(right) || Array.isArray(left) !== Array.isArray(right)) return [{ path, left, right }];
  const keys = [...new Set([...Object.keys(left), ...Object.keys(right)])];
  return keys.flatMap((key) => differences(left[key], right[key], path === "" ? key : `${path}.${key}`));
}

function isTree(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
