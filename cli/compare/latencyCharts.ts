import { PATHS, type Comparison, type PathId } from "../../datapath/compare/results";
import { numberText } from "../../datapath/compare/words";
import { axisMarks } from "./axisMarks";
import { AXIS, drawn, namedAbove, namedBelow, type Chart } from "./charts";
import type { Look } from "./looks";

/** Counts of single latencies by ascending upper bound in µs. */
export type Histogram = readonly (readonly [bound: number, count: number])[];

/** Each subject's histogram of a path. */
export function histogramsOf({ subjects }: Comparison, path: PathId): ReadonlyMap<string, Histogram> {
  return new Map(
    subjects.flatMap(({ name, series }) => {
      const histogram = series.find((each) => each.path === path && each.histogram !== undefined)?.histogram;
      const sorted = [...(histogram ?? [])].sort(([left], [right]) => left - right);
      return sorted.some(([, count]) => count > 0) ? [[name, sorted] as const] : [];
    }),
  );
}

/** The lowest bound that a share of all latencies does not exceed. */
export function quantile(histogram: Histogram, share: number): number {
  const total = histogram.reduce((sum, [, count]) => sum + count, 0);
  let passed = 0;
  return histogram.find(([, count]) => (passed += count) >= share * total)?.[0] ?? NaN;
}

/** Which share of requests had their response within how long, a line each subject; undefined without histograms. */
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
    description: `Latency ${PATHS[path]}: share of requests whose response came within so many µs, a line each subject; the table below has percentiles`,
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

/** The share of latencies up to each bound, with a symbol at the median and at the 99th percentile. */
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
