import { numberText } from "../analyse/words";
import { PATHS, type Comparison, type PathId } from "../results";
import type { Section, TableRow } from "./blocks";
import { AXIS, axisMarks, drawn, namedAbove, namedBelow, type Chart } from "./charts";
import type { Look } from "./looks";

const SHARES = [0.5, 0.9, 0.99, 0.999];

/** Distribution of latencies on each path. */
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
    title: "Latency distributions",
    blocks: [
      {
        kind: "text",
        text: "All requests of all rounds on a kept connection: the share that was answered within a time.",
      },
      {
        kind: "charts",
        text: "Further left is faster. Symbols mark the median and the 99th percentile; the slowest 0.1 % are beyond the right edge.",
        charts,
      },
      {
        kind: "folded",
        summary: "Table of percentiles",
        blocks: [
          {
            kind: "table",
            table: {
              caption: "µs within which this share of requests was answered",
              heads: ["", ...percents, "requests"],
              rows,
            },
          },
        ],
      },
    ],
  };
}

/** Numbers of latencies by ascending upper bound in µs. */
export type Histogram = readonly (readonly [bound: number, count: number])[];

/** The subjects' histograms of a path. */
export function histogramsOf({ subjects }: Comparison, path: PathId): ReadonlyMap<string, Histogram> {
  return new Map(
    subjects.flatMap(({ name, series }) => {
      const histogram = series.find((each) => each.path === path && each.histogram !== undefined)?.histogram;
      const sorted = [...(histogram ?? [])].sort(([left], [right]) => left - right);
      return sorted.some(([, count]) => count > 0) ? [[name, sorted] as const] : [];
    }),
  );
}

/** The lowest bound that covers a share of all latencies. */
export function quantile(histogram: Histogram, share: number): number {
  const total = histogram.reduce((sum, [, count]) => sum + count, 0);
  let passed = 0;
  return histogram.find(([, count]) => (passed += count) >= share * total)?.[0] ?? NaN;
}

/** Cumulative distribution of latencies, one line per subject; undefined without histograms. */
export function latencyChart(
  comparison: Comparison,
  path: PathId,
  looks: ReadonlyMap<string, Look>,
): Chart | undefined {
  const histograms = histogramsOf(comparison, path);
  const names = [...looks.keys()].filter((name) => histograms.has(name));
  if (names.length === 0) return undefined;
  const all = names.map((name) => histograms.get(name)!);
  const min = Math.max(0.1, Math.min(...all.map((each) => quantile(each, 0.001))) / 1.05);
  const max = Math.max(...all.map((each) => quantile(each, 0.999)));
  const customValues = axisMarks(min, max);
  return {
    title: `${path}: ${PATHS[path]}`,
    description: `Latency ${PATHS[path]}: share of requests answered within a time in µs, one line per subject; the table below has percentiles`,
    subjects: names,
    height: 270,
    option: {
      title: namedAbove("requests answered within …"),
      grid: { left: 48, right: 20, top: 28, bottom: 52, outerBoundsMode: "none" },
      xAxis: {
        type: "log",
        min,
        max,
        ...AXIS,
        ...namedBelow("µs"),
        axisLabel: { ...AXIS.axisLabel, customValues, formatter: numberText },
        axisTick: { ...AXIS.axisTick, customValues },
        splitLine: { show: false },
      },
      yAxis: {
        type: "value",
        min: 0,
        max: 100,
        interval: 25,
        ...AXIS,
        axisLabel: { ...AXIS.axisLabel, formatter: "{value} %" },
      },
      series: names.map((name) => ({
        type: "line" as const,
        ...drawn(name, looks.get(name)!),
        data: cumulative(histograms.get(name)!),
      })),
    },
  };
}

/** Share of latencies up to each bound, with symbols at the median and the 99th percentile. */
function cumulative(histogram: Histogram) {
  const total = histogram.reduce((sum, [, count]) => sum + count, 0);
  const marked = new Set([0.5, 0.99].map((share) => quantile(histogram, share)));
  let passed = 0;
  return histogram.map(([bound, count]) => {
    passed += count;
    const value = [bound, Math.round((passed / total) * 1e5) / 1e3];
    return marked.has(bound) ? { value } : { value, symbol: "none" };
  });
}
