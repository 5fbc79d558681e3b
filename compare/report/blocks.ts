import type { Ratio } from "../analyse/analysis";
import type { Chart } from "./charts";

/** A block of a report, rendered by each format. */
export type Block =
  /** `brief`: for formats without spreads and charts. */
  | { readonly kind: "text"; readonly text: string; readonly brief?: string }
  | { readonly kind: "heading"; readonly text: string }
  | { readonly kind: "list"; readonly items: readonly string[] }
  | { readonly kind: "command"; readonly text: string }
  | { readonly kind: "facts"; readonly facts: readonly Fact[] }
  | { readonly kind: "cards"; readonly cards: readonly Card[] }
  | { readonly kind: "table"; readonly table: Table }
  | { readonly kind: "charts"; readonly title?: string; readonly text: string; readonly charts: readonly Chart[] }
  /** A table and a chart of the same numbers. */
  | { readonly kind: "pair"; readonly table: Table; readonly chart: Chart | undefined }
  | { readonly kind: "folded"; readonly summary: string; readonly blocks: readonly Block[] };

/** A section of a report. */
export interface Section {
  /** Anchor for links. */
  readonly id: string;
  readonly title: string;
  readonly blocks: readonly Block[];
}

/** A name and its value. */
export type Fact = readonly [name: string, value: string];

/** Summary of a subject. */
export interface Card {
  readonly title: string;
  readonly text: string;
  readonly tag: string;
  readonly bad: boolean;
  readonly facts: readonly Fact[];
}

/** A table whose first column heads the rows; heads that are subjects show their look in charts. */
export interface Table {
  readonly caption: string;
  readonly heads: readonly string[];
  readonly rows: readonly TableRow[];
}

export interface TableRow {
  readonly head: string;
  /** Explanation of the head. */
  readonly note?: string;
  readonly cells: readonly Cell[];
  readonly bad?: boolean;
}

export interface Cell {
  readonly text: string;
  /** Emphasized. */
  readonly strong?: boolean;
  readonly unit?: string;
  /** Range of the middle half of the values. */
  readonly spread?: string;
  readonly ratio?: string;
  readonly outcome?: Ratio["outcome"];
  readonly noisy?: boolean;
  /** A warning in red. */
  readonly alarm?: string;
}

/** Cards as a table, one row per fact. */
export function cardTable(cards: readonly Card[]): Table {
  const names = [...new Set(cards.flatMap(({ facts }) => facts.map(([name]) => name)))];
  const cellOf = (card: Card, name: string) => card.facts.find(([each]) => each === name)?.[1] ?? "–";
  return {
    caption: "Subjects",
    heads: ["", ...cards.map(({ title }) => title)],
    rows: [
      { head: "verification", cells: cards.map(({ tag, bad }) => ({ text: tag, strong: bad })) },
      ...names.map((head) => ({ head, cells: cards.map((card) => ({ text: cellOf(card, head) })) })),
    ],
  };
}

/** Drop blocks that do not apply. */
export function blocksOf(...blocks: readonly (Block | undefined | false)[]): readonly Block[] {
  return blocks.filter((block) => block !== undefined && block !== false);
}
