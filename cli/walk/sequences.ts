import { commonPairs } from "../../datapath/trace/comparison";

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
