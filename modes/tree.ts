import { isDeepStrictEqual } from "node:util";

/** What stands at a path in a tree of objects and lists; undefined where nothing does. */
export function at(tree: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, step) =>
      typeof inner === "object" && inner !== null ? (inner as Record<PropertyKey, unknown>)[step] : undefined,
    tree,
  );
}

/** Whether two values mean the same: a scalar may be typed in one place, and text in another. */
export function same(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(a, b) || (typeof a !== "object" && typeof b !== "object" && String(a) === String(b));
}
