import type { ExpectedHop } from "../../modes/tracePaths";
import type { Hop } from "./result";

/** How a packet's hops differ from the expected ones. */
export interface Comparison {
  /** Positions of unexpected hops. */
  readonly unexpected: ReadonlySet<number>;
  /** Expected hops that were not seen. */
  readonly missing: readonly ExpectedHop[];
}

/** Compare hops with the expected ones. Bridges, bonds and the like below a device are neither expected nor unexpected. */
export function compare(hops: readonly Hop[], expected: readonly ExpectedHop[]): Comparison {
  const pairs = commonPairs(
    hops.map((hop) => keyOf(asExpected(hop))),
    expected.map(keyOf),
  );
  const [seen, found] = [new Set(pairs.map(([hop]) => hop)), new Set(pairs.map(([, match]) => match))];
  const unexpected = hops.flatMap(({ station }, index) => (seen.has(index) || station.role === "other" ? [] : [index]));
  return { unexpected: new Set(unexpected), missing: expected.filter((_, index) => !found.has(index)) };
}

/** A hop in the form of an expected one. */
export const asExpected = ({ station, direction }: Hop): ExpectedHop => ({ ...station, direction });

const keyOf = ({ node, pod, role, vethOf, direction }: ExpectedHop) =>
  JSON.stringify([node, pod ?? null, role, vethOf ?? null, direction]);

/** The longest common subsequence of two sequences, as pairs of positions. */
export function commonPairs(left: readonly string[], right: readonly string[]): readonly (readonly [number, number])[] {
  const lengths = left.map(() => right.map(() => 0));
  const lengthAt = (row: number, column: number) => lengths[row]?.[column] ?? 0;
  for (let row = left.length - 1; row >= 0; row--)
    for (let column = right.length - 1; column >= 0; column--)
      lengths[row]![column] =
        left[row] === right[column]
          ? lengthAt(row + 1, column + 1) + 1
          : Math.max(lengthAt(row + 1, column), lengthAt(row, column + 1));
  const pairs: (readonly [number, number])[] = [];
  for (let row = 0, column = 0; row < left.length && column < right.length;) {
    if (left[row] === right[column]) pairs.push([row++, column++]);
    else if (lengthAt(row + 1, column) >= lengthAt(row, column + 1)) row++;
    else column++;
  }
  return pairs;
}
