import type { Ratio } from "../../datapath/compare/analysis";
import type { Chart } from "./charts";

/** What a report is made of; each format shows it in its way. */
export type Block =
  /** Briefly said where there is neither room for spreads nor for charts. */
  | { readonly kind: "text"; readonly text: string; readonly brief?: string }
  | { readonly kind: "heading"; readonly text: string }
  | { readonly kind: "list"; readonly items: readonly string[] }
  | { readonly kind: "command"; readonly text: string }
  | { readonly kind: "facts"; readonly facts: readonly Fact[] }
  | { readonly kind: "cards"; readonly cards: readonly Card[] }
  | { readonly kind: "table"; readonly table: Table }
  | { readonly kind: "charts"; readonly title?: string; readonly text: string; readonly charts: readonly Chart[] }
  /** A table, and a chart of the same numbers beside it. */
  | { readonly kind: "pair"; readonly table: Table; readonly chart: Chart | undefined }
  | { readonly kind: "folded"; readonly summary: string; readonly blocks: readonly Block[] };

/** A part of a report with a title of its own. */
export interface Section {
  /** For links to it. */
  readonly id: string;
  readonly title: string;
  readonly blocks: readonly Block[];
}

/** A name, and what is said of it. */
export type Fact = readonly [name: string, value: string];

/** A subject at a glance. */
export interface Card {
  readonly title: string;
  readonly text: string;
  readonly tag: string;
  readonly bad: boolean;
  readonly facts: readonly Fact[];
}

/** Its first column heads the rows; those heads that are subjects show what the subject looks like in charts. */
export interface Table {
  readonly caption: string;
  readonly heads: readonly string[];
  readonly rows: readonly TableRow[];
}
export interface TableRow {
  readonly head: string;
  /** What the head means. */
  readonly note?: string;
  readonly cells: readonly Cell[];
  readonly bad?: boolean;
}
export interface Cell {
  readonly text: string;
  /** It stands out from the other cells. */
  readonly strong?: boolean;
  readonly unit?: string;
  /** From where to where most values lie. */
  readonly spread?: string;
  readonly ratio?: string;
  readonly outcome?: Ratio["outcome"];
  readonly noisy?: boolean;
  /** A word in red behind all else. */
  readonly alarm?: string;
}

/** Cards beside each other, a row for each of their facts. */
export function cardTable(cards: readonly Card[]): Table {
  const names = [...new Set(cards.flatMap(({ facts }) => facts.map(([name]) => name)))];
  const cellOf = (card: Card, name: string) => card.facts.find(([each]) => each === name)?.[1] ?? "–";
  return {
    caption: "Each subject",
    heads: ["", ...cards.map(({ title }) => title)],
    rows: [
      { head: "verification", cells: cards.map(({ tag, bad }) => ({ text: tag, strong: bad })) },
      ...names.map((head) => ({ head, cells: cards.map((card) => ({ text: cellOf(card, head) })) })),
    ],
  };
}

/** Blocks of which some may not apply. */
export function blocksOf(...blocks: readonly (Block | undefined | false)[]): readonly Block[] {
  return blocks.filter((block) => block !== undefined && block !== false);
}
