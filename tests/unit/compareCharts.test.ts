import fc from "fast-check";
import { ratioCharts, roundsChart } from "../../compare/report/benchmarks";
import { axisMarks, type Chart } from "../../compare/report/charts";
import { growthChart } from "../../compare/report/growth";
import { chartSvg } from "../../compare/report/html";
import { histogramsOf, latencyChart, quantile } from "../../compare/report/latencies";
import { looksOf } from "../../compare/report/looks";
import { analyse, type GrowthRow } from "../../compare/analyse/analysis";
import { BASIC_METRICS, BASIC_PATHS, type GrowthMetricId, type MetricId, type PathId } from "../../compare/results";
import { sampleComparison, sampleSubject } from "./support/comparisons";
import { xmlProblem } from "./support/xml";

const SAMPLE = sampleComparison();
const ANALYSIS = analyse(SAMPLE);
const LOOKS = looksOf(SAMPLE, ANALYSIS.reference);
const SUBJECTS = SAMPLE.subjects.map(({ name }) => name);
const growthOf = (metric: GrowthMetricId) => ANALYSIS.growth.filter((row) => row.metric === metric);
const benchmarksOf = (metric: MetricId) => ANALYSIS.benchmarks.filter((row) => row.metric === metric);
const linesOf = (chart: Chart) => chart.option.series.filter(({ type }) => type === "line");
const pointsOf = (chart: Chart) => chart.option.series.filter(({ type }) => type === "scatter");
const namesOf = (series: readonly { readonly name?: unknown }[]) => series.map(({ name }) => name);

describe("charts of latencies", () => {
  it.each(Object.keys(BASIC_PATHS) as PathId[])("have one line per subject, which ends at 100 %: %s", (path) => {
    const lines = linesOf(latencyChart(SAMPLE, path, LOOKS)!);
    expect(namesOf(lines)).toEqual(SUBJECTS);
    for (const { data } of lines) {
      const values = (data as { value: [number, number] }[]).map(({ value }) => value);
      expect(values.at(-1)![1]).toBe(100);
      expect(values).toEqual([...values].sort(([left], [right]) => left - right));
    }
  });

  it("are omitted without histograms", () => {
    const bare = sampleComparison({ subjects: [sampleSubject("ebpf", { series: [] })] });
    expect(latencyChart(bare, "same-node", LOOKS)).toBeUndefined();
    expect(histogramsOf(bare, "same-node").size).toBe(0);
  });

  it("weight quantiles by requests", () => {
    const histogram = [
      [10, 1],
      [20, 98],
      [30, 1],
    ] as const;
    expect([0.01, 0.5, 0.99, 1].map((share) => quantile(histogram, share))).toEqual([10, 20, 20, 30]);
  });
});

describe("charts of growth", () => {
  it("have one line with whiskers per subject, by the number of Services", () => {
    const rows = growthOf("new-service");
    const chart = growthChart("new-service", rows, LOOKS)!;
    expect(namesOf(linesOf(chart))).toEqual(SUBJECTS);
    expect(namesOf(chart.option.series.filter(({ type }) => type === "custom"))).toEqual(SUBJECTS);
    expect((linesOf(chart)[0]!.data as number[][]).map(([services]) => services)).toEqual(
      rows.map(({ services }) => services),
    );
    expect(chart.option.xAxis).toMatchObject({ type: "log" });
  });

  it("have a logarithmic axis only if values span decades", () => {
    expect(growthChart("iptables-rules", growthOf("iptables-rules"), LOOKS)!.option.yAxis).toMatchObject({
      type: "log",
    });
    expect(growthChart("kept-connection", growthOf("kept-connection"), LOOKS)!.option.yAxis).toMatchObject({
      type: "value",
    });
    const without = (value: number) => ({ median: value, low: value, high: value, count: 5, isNoisy: false });
    const fromZero = growthOf("iptables-rules").map((row, index): GrowthRow => ({
      ...row,
      summaries: new Map([["ebpf", without(index * 1000)]]),
    }));
    expect(growthChart("iptables-rules", fromZero, LOOKS)!.option.yAxis).toMatchObject({ type: "value" });
  });

  it("are omitted for a single number of Services", () => {
    expect(growthChart("new-service", growthOf("new-service").slice(0, 1), LOOKS)).toBeUndefined();
  });
});

describe("charts of benchmarks", () => {
  it("have exactly every round of every subject", () => {
    const chart = roundsChart("throughput-1", benchmarksOf("throughput-1"), SAMPLE, LOOKS)!;
    expect(namesOf(pointsOf(chart))).toEqual(SUBJECTS);
    for (const { name, data } of pointsOf(chart)) {
      const subject = SAMPLE.subjects.find((each) => each.name === name)!;
      const rounds = subject.series.filter(({ metric }) => metric === "throughput-1").flatMap(({ values }) => values);
      expect((data as number[][]).map(([value]) => value)).toEqual(rounds);
    }
  });

  it("have ratios of all but the reference, on one scale, with better ones on the right", () => {
    const charts = ratioCharts(ANALYSIS.benchmarks, LOOKS, "kubeproxy");
    expect(charts).toHaveLength(Object.keys(BASIC_METRICS).length);
    for (const chart of charts) expect(namesOf(pointsOf(chart))).toEqual(["replacement", "ebpf"]);
    const axes = charts.map(({ option }) => option.xAxis as { min: number; max: number; inverse: boolean });
    expect(new Set(axes.map(({ min, max }) => `${min} ${max}`)).size).toBe(1);
    expect(axes.map(({ inverse }) => inverse)).toEqual(
      Object.values(BASIC_METRICS).map(({ better }) => better === "lower"),
    );
  });

  it("omit undefined ratios", () => {
    const [row] = benchmarksOf("connections");
    const ratio = { ratio: Infinity, low: 0, high: Infinity, p: 1, outcome: "no difference" } as const;
    expect(ratioCharts([{ ...row!, ratios: new Map([["ebpf", ratio]]) }], LOOKS, "kubeproxy")).toEqual([]);
  });
});

describe("a subject's look", () => {
  it("differs in color, symbol and dashes, and the reference's is the first", () => {
    const looks = [...LOOKS.values()];
    expect([...looksOf(SAMPLE, "ebpf").keys()]).toEqual(["ebpf", "kubeproxy", "replacement"]);
    for (const part of ["color", "symbol", "dash"] as const)
      expect(new Set(looks.map((look) => String(look[part]))).size).toBe(SUBJECTS.length);
  });
});

describe("a drawn chart", () => {
  const chart = latencyChart(SAMPLE, "node-port", LOOKS)!;

  it("is well-formed, scales with the page, and has every subject's color", () => {
    const svg = chartSvg(chart, "here");
    expect(xmlProblem(svg)).toBeUndefined();
    expect(svg).toMatch(/^<svg role="img" aria-label="[^"]+" viewBox="0 0 420 \d+">/);
    for (const { color } of LOOKS.values()) expect(svg).toContain(`stroke="${color}"`);
    expect(svg).not.toMatch(/NaN|Infinity|undefined|<style|class=/);
  });

  it("is deterministic except for the prefix of its ids", () => {
    expect(chartSvg(chart, "there").replaceAll("there-", "here-")).toBe(chartSvg(chart, "here"));
  });
});

describe("marks of an axis", () => {
  it.each([
    [0.66, 1.55, [0.8, 1, 1.2, 1.4]],
    [0.96, 1.04, [0.96, 0.98, 1, 1.02, 1.04]],
    [25, 90, [30, 50, 70]],
    [20, 2000, [30, 100, 300, 1000]],
  ])("are round between %d and %d", (low, high, expected) => {
    expect(axisMarks(low, high)).toEqual(expected);
  });

  it("are within any range, sorted and few", () => {
    const value = fc.double({ min: 1e-3, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(value, fc.double({ min: 1.01, max: 1e6, noNaN: true }), (low, factor) => {
        const marks = axisMarks(low, low * factor);
        expect(marks.length).toBeLessThanOrEqual(6);
        expect(marks).toEqual([...new Set(marks)].sort((left, right) => left - right));
        for (const mark of marks) {
          expect(mark).toBeGreaterThanOrEqual(low * (1 - 1e-9));
          expect(mark).toBeLessThanOrEqual(low * factor * (1 + 1e-9));
        }
      }),
    );
  });
});
