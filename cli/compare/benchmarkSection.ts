import type { Analysis } from "../../datapath/compare/analysis";
import { METRICS, PATHS, type Comparison, type MetricId } from "../../datapath/compare/results";
import { blocksOf, type Block, type Section } from "./blocks";
import { capitalised } from "./format";
import type { Look } from "./looks";
import { cellsOf } from "./measurementCells";
import { ratioCharts } from "./ratioCharts";
import { roundsChart } from "./roundsChart";

/** Each metric on each path: what was measured, and what it is of the reference. */
export function benchmarkSection(
  comparison: Comparison,
  { benchmarks, reference, slowPaths }: Analysis,
  looks: ReadonlyMap<string, Look>,
): Section | undefined {
  if (benchmarks.length === 0) return undefined;
  const subjects = comparison.subjects.map(({ name }) => name);
  const metrics = (Object.keys(METRICS) as MetricId[]).flatMap((metric) => {
    const rows = benchmarks.filter((row) => row.metric === metric);
    return rows.length === 0 ? [] : [{ metric, rows }];
  });
  const glance = ratioCharts(benchmarks, looks, reference);
  const tables = metrics.flatMap(({ metric, rows }): Block[] => {
    const { title, unit, better } = METRICS[metric];
    return [
      { kind: "heading", text: capitalised(title) },
      {
        kind: "pair",
        table: {
          caption: `${unit}, ${better} is better`,
          heads: ["", ...subjects],
          rows: rows.map((row) => ({ head: row.path, note: PATHS[row.path], cells: cellsOf(row, subjects) })),
        },
        chart: roundsChart(metric, rows, comparison, looks),
      },
    ];
  });
  return {
    id: "benchmarks",
    title: "Benchmarks",
    blocks: blocksOf(
      slowPaths.length > 0 && { kind: "heading", text: "Where it is slow" },
      slowPaths.length > 0 && { kind: "list", items: slowPaths },
      glance.length > 0 && {
        kind: "charts",
        title: `At a glance: ratios to ${reference}`,
        text: `Right of the line is better than ${reference}. Whiskers span the 95 % confidence interval: where they meet the line, ${reference} may be just as good.`,
        charts: glance,
      },
      cellsExplained(reference, subjects.length > 1),
      ...tables,
    ),
  };
}

/** How the cells of the tables are read. */
function cellsExplained(reference: string, isCompared: boolean): Block {
  const ratios = isCompared
    ? ` Then the ratio to ${reference} with its 95 % confidence interval: ▲ better, ▼ worse, = no difference beyond chance.`
    : "";
  const noise = " What is called noisy varies too much to be trusted.";
  return {
    kind: "text",
    text: `Each cell has the median of all rounds, and after it the range of their middle half (first to third quartile).${ratios}${noise}`,
    brief: `Medians of all rounds.${ratios}${noise}`,
  };
}
