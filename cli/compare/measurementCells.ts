import type { Ratio, Row, Summary } from "../../datapath/compare/analysis";
import { numberText } from "../../datapath/compare/words";
import type { Cell } from "./blocks";
import { quartilesText, ratioWithInterval } from "./format";

/** One measurement of all subjects, a cell each. */
export function cellsOf({ summaries, ratios, unit, better }: Row, subjects: readonly string[]): readonly Cell[] {
  const ratioOf = (subject: string) => (better === "neither" ? undefined : ratios.get(subject));
  return subjects.map((subject) => measurementCell(summaries.get(subject), unit, ratioOf(subject)));
}

/** A subject's median with its spread, and how it compares with another's. */
export function measurementCell(summary: Summary | undefined, unit: string, ratio?: Ratio): Cell {
  if (summary === undefined) return { text: "not measured" };
  const spread = quartilesText(summary);
  return {
    text: numberText(summary.median),
    unit,
    ...(spread === undefined ? {} : { spread }),
    ...(ratio === undefined ? {} : { ratio: ratioWithInterval(ratio), outcome: ratio.outcome }),
    noisy: summary.isNoisy,
  };
}
