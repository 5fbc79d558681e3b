import type { BaselineAnalysis, BaselineRow } from "../analyse/baseline";
import { blocksOf, type Section, type Table } from "./blocks";
import { measurementCell, ratioWithInterval } from "./format";

/** Regressions, the worst first. */
export function regressionsOf(baseline: BaselineAnalysis | undefined): readonly BaselineRow[] {
  return (baseline?.rows ?? [])
    .filter(({ isRegression }) => isRegression)
    .sort((left, right) => size(right) - size(left));
}

function size({ ratio: { ratio } }: BaselineRow): number {
  return Math.abs(Math.log(ratio));
}

/** Comparison with the baseline. */
export function baselineSection(baseline: BaselineAnalysis): Section {
  const { changed, rows, slowPaths, unmatched, agreement } = baseline;
  const regressions = regressionsOf(baseline);
  const isMoved = ({ isRegression, ratio }: BaselineRow) => !isRegression && ratio.outcome !== "no difference";
  const moved = rows.filter(isMoved);
  const same = rows.filter((row) => !row.isRegression && !isMoved(row));
  return {
    id: "baseline",
    title: "Changes since the baseline",
    blocks: blocksOf(
      { kind: "heading", text: "Environment" },
      changed.length > 0
        ? { kind: "list", items: changed }
        : { kind: "text", text: "Machine, kernel, versions and method are unchanged." },
      { kind: "heading", text: "Regressions" },
      regressions.length > 0
        ? { kind: "table", table: tableOf("Significantly worse, by more than the threshold", regressions) }
        : { kind: "text", text: "None." },
      slowPaths.length > 0 && { kind: "list", items: slowPaths },
      moved.length > 0 && { kind: "heading", text: "Other significant differences" },
      moved.length > 0 && {
        kind: "table",
        table: tableOf("Significantly better, or worse within the threshold", moved),
      },
      same.length > 0 && {
        kind: "folded",
        summary: `${same.length} without a significant difference`,
        blocks: [{ kind: "table", table: tableOf("No significant difference", same) }],
      },
      agreement.rows.length > 0 && { kind: "heading", text: "Ratios between subjects" },
      agreement.rows.length > 0 && {
        kind: "text",
        text: `${agreement.agreeing} of ${agreement.rows.length} ratios to ${agreement.reference} agree with the baseline: their intervals overlap.`,
      },
      agreement.disagreeing > 0 && {
        kind: "list",
        items: agreement.rows
          .filter(({ agrees }) => !agrees)
          .map(
            ({ subject, title, first, second }) =>
              `${subject}: ${title}: ${ratioWithInterval(first)} in the baseline, ${ratioWithInterval(second)} now`,
          ),
      },
      unmatched.length > 0 && { kind: "heading", text: "Measured in only one of the two" },
      unmatched.length > 0 && { kind: "list", items: unmatched },
    ),
  };
}

function tableOf(caption: string, rows: readonly BaselineRow[]): Table {
  return {
    caption,
    heads: ["", "baseline", "now"],
    rows: rows.map(({ subject, title, unit, before, now, ratio, isRegression }) => ({
      head: `${subject}: ${title}`,
      bad: isRegression,
      cells: [
        measurementCell(before, unit),
        { ...measurementCell(now, unit, ratio), ...(isRegression ? { alarm: "regression" } : {}) },
      ],
    })),
  };
}
