import { isDeepStrictEqual } from "node:util";
import type { SettingsSource } from "./parse";

/** One broken rule of one configuration key. */
export interface Problem {
  /** Configuration key as a path, such as `cluster.workers`. */
  readonly key: string;
  /** The rule, what was found, and the fix. */
  readonly rule: string;
}

/** Whether the value at a path is secret, holds a secret, or is part of one. */
export type IsSecretPath = (path: string) => boolean;

type Tree = { [key: string]: unknown };

/** Keys below it are Helm's and have no schema here. */
const HELM_VALUES = "cilium.values.";

/**
 * The configuration as one tree. A key with dots is a path, so `pulumi config set bpf.masquerade true` and a
 * nested `bpf: {masquerade: true}` mean the same.
 */
export function rawSettings({ project, config, isSecret }: SettingsSource): {
  value: Tree;
  problems: Problem[];
  isSecretPath: IsSecretPath;
} {
  const value: Tree = {};
  const problems: Problem[] = [];
  const secrets: string[] = [];
  const own = Object.keys(config).filter((key) => key.startsWith(`${project}:`));
  // whole objects first, so that a dotted key lands in its object whatever the file's order
  for (const fullKey of own.sort()) {
    const key = fullKey.slice(project.length + 1);
    if (isSecret?.(fullKey)) secrets.push(key);
    const problem = place(value, key, decode(key, config[fullKey]!));
    if (problem) problems.push({ key, rule: problem });
  }
  const isSecretPath = (path: string) =>
    secrets.some((secret) => `${path}.`.startsWith(`${secret}.`) || secret.startsWith(`${path}.`));
  return { value, problems, isSecretPath };
}

/**
 * Objects and lists arrive as JSON text, and everything else stays the text it is. Only Helm values of their own key
 * are read as `helm --set` does: a chart takes the text "false" for true.
 */
function decode(key: string, text: string): unknown {
  const isJson = /^\s*[[{]/.test(text) || (key.startsWith(HELM_VALUES) && /^(true|false|null|-?\d+)$/.test(text));
  if (!isJson) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Put `leaf` at a dotted path; says what is wrong when the path is set twice. */
function place(tree: Tree, path: string, leaf: unknown): string | undefined {
  const steps = path.split(".");
  // what every object inherits, such as __proto__, is no key of its own
  if (steps.some((step) => step in {})) return "is not a setting";
  let at = tree;
  for (const step of steps.slice(0, -1)) {
    const next = (at[step] ??= {});
    if (typeof next !== "object" || next === null) {
      return `"${step}" is set to a value and used as an object; remove one`;
    }
    at = next as Tree;
  }
  const last = steps[steps.length - 1]!;
  if (last in at && !same(at[last], leaf)) {
    return "is set twice with different values, once nested and once with dots; remove one";
  }
  at[last] = leaf;
  return undefined;
}

/** A scalar may be typed where it is nested, and text where it stands alone. */
function same(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(a, b) || (typeof a !== "object" && typeof b !== "object" && String(a) === String(b));
}
