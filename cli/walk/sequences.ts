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

/** Sequences laid side by side: a row for each element, with its position in each sequence that has it. */
export function aligned(sequences: readonly (readonly string[])[]): readonly AlignedRow[] {
  const rows: AlignedRow[] = [];
  for (const [index, sequence] of sequences.entries()) {
    const pairs = commonPairs(
      rows.map(({ element }) => element),
      sequence,
    );
    let inserted = 0;
    let next = 0;
    for (const [row, position] of [...pairs, [rows.length, sequence.length] as const]) {
      for (; next < position; next++)
        rows.splice(row + inserted++, 0, { element: sequence[next]!, positions: new Map([[index, next]]) });
      const match = rows[row + inserted];
      if (next < sequence.length) match?.positions.set(index, next++);
    }
  }
  return rows;
}

/** An element, and where each sequence (by its index) has it. */
export interface AlignedRow {
  readonly element: string;
  readonly positions: Map<number, number>;
}
