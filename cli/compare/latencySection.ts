import { PATHS, type Comparison, type PathId } from "../../datapath/compare/results";
import { numberText } from "../../datapath/compare/words";
import type { Section, TableRow } from "./blocks";
import { histogramsOf, latencyChart, quantile } from "./latencyCharts";
import type { Look } from "./looks";

const SHARES = [0.5, 0.9, 0.99, 0.999];

/** How single latencies are spread, on each path. */
export function latencySection(comparison: Comparison, looks: ReadonlyMap<string, Look>): Section | undefined {
  const paths = Object.keys(PATHS) as PathId[];
  const charts = paths.flatMap((path) => latencyChart(comparison, path, looks) ?? []);
  if (charts.length === 0) return undefined;
  const rows = paths.flatMap((path) =>
    [...histogramsOf(comparison, path)].map(([subject, histogram]): TableRow => ({
      head: `${path}, ${subject}`,
      cells: [
        ...SHARES.map((share) => ({ text: numberText(quantile(histogram, share)) })),
        { text: histogram.reduce((sum, [, count]) => sum + count, 0).toLocaleString("en-US") },
      ],
    })),
  );
  const percents = SHARES.map((share) => `${numberText(share * 100)} %`);
  return {
    id: "latencies",
    title: "Distribution of latencies",
    blocks: [
      {
        kind: "text",
        text: "Every single request of all rounds on a kept connection: which part of them was answered within how long.",
      },
      {
        kind: "charts",
        text: "Further left is faster. Symbols stand at the median and at the 99th percentile; the slowest of a thousand lie beyond the right edge.",
        charts,
      },
      {
        kind: "folded",
        summary: "Percentiles as numbers",
        blocks: [
          {
            kind: "table",
            table: { caption: "µs within which so many were answered", heads: ["", ...percents, "requests"], rows },
          },
        ],
      },
    ],
  };
}
