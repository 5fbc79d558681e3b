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
