import { isDeepStrictEqual } from "node:util";

/** The value at a path in a tree of objects and lists; undefined if there is none. */
export function at(tree: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, step) =>
      typeof inner === "object" && inner !== null ? (inner as Record<PropertyKey, unknown>)[step] : undefined,
    tree,
  );
}

/** Whether two values are equal; a scalar equals its text. */
export function same(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(a, b) || (typeof a !== "object" && typeof b !== "object" && String(a) === String(b));
}

/** Paths, such as `bpf.masquerade`, of all that is no object with keys. */
export function leavesOf(tree: { readonly [key: string]: unknown }, path = ""): string[] {
  return Object.entries(tree).flatMap(([step, value]) => {
    const key = path === "" ? step : `${path}.${step}`;
    const isBranch = typeof value === "object" && value !== null && !Array.isArray(value);
    return isBranch && Object.keys(value).length > 0 ? leavesOf(value as typeof tree, key) : [key];
  });
}
