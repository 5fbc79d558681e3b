import type { BaselineAnalysis, BaselineRow } from "../../datapath/compare/baseline";
import { blocksOf, type Section, type Table } from "./blocks";
import { ratioWithInterval } from "./format";
import { measurementCell } from "./measurementCells";

/** What became worse than it was, the worst first. */
export function regressionsOf(baseline: BaselineAnalysis | undefined): readonly BaselineRow[] {
  return (baseline?.rows ?? [])
    .filter(({ isRegression }) => isRegression)
    .sort((left, right) => size(right) - size(left));
}

function size({ ratio: { ratio } }: BaselineRow): number {
  return Math.abs(Math.log(ratio));
}

/** How it was before, and how it is now. */
export function baselineSection(baseline: BaselineAnalysis): Section {
  const { changed, rows, slowPaths, unmatched, agreement } = baseline;
  const regressions = regressionsOf(baseline);
  const isMoved = ({ isRegression, ratio }: BaselineRow) => !isRegression && ratio.outcome !== "no difference";
  const moved = rows.filter(isMoved);
  const same = rows.filter((row) => !row.isRegression && !isMoved(row));
  return {
    id: "baseline",
    title: "Since the baseline",
    blocks: blocksOf(
      { kind: "heading", text: "What is another than then" },
      changed.length > 0
        ? { kind: "list", items: changed }
        : { kind: "text", text: "Machine, kernel, versions and method are the same." },
      { kind: "heading", text: "Regressions" },
      regressions.length > 0
        ? { kind: "table", table: tableOf("Worse by more than the threshold, and not by chance", regressions) }
        : { kind: "text", text: "None." },
      slowPaths.length > 0 && { kind: "list", items: slowPaths },
      moved.length > 0 && { kind: "heading", text: "Other differences" },
      moved.length > 0 && {
        kind: "table",
        table: tableOf("Better, or worse within the threshold, and not by chance", moved),
      },
      same.length > 0 && {
        kind: "folded",
        summary: `${same.length} without a difference beyond chance`,
        blocks: [{ kind: "table", table: tableOf("No difference beyond chance", same) }],
      },
      agreement.rows.length > 0 && { kind: "heading", text: "Ratios between subjects, then and now" },
      agreement.rows.length > 0 && {
        kind: "text",
        text: `${agreement.agreeing} of ${agreement.rows.length} ratios to ${agreement.reference} came out again: what then and now claim has something in common.`,
      },
      agreement.disagreeing > 0 && {
        kind: "list",
        items: agreement.rows
          .filter(({ agrees }) => !agrees)
          .map(
            ({ subject, title, first, second }) =>
              `${subject}: ${title}: ${ratioWithInterval(first)} then, ${ratioWithInterval(second)} now`,
          ),
      },
      unmatched.length > 0 && { kind: "heading", text: "Measured only then or only now" },
      unmatched.length > 0 && { kind: "list", items: unmatched },
    ),
  };
}

function tableOf(caption: string, rows: readonly BaselineRow[]): Table {
  return {
    caption,
    heads: ["", "before", "now"],
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
