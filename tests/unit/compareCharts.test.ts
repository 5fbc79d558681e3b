import fc from "fast-check";
import { axisMarks } from "../../cli/compare/axisMarks";
import { chartSvg } from "../../cli/compare/chartSvg";
import type { Chart } from "../../cli/compare/charts";
import { growthChart } from "../../cli/compare/growthCharts";
import { histogramsOf, latencyChart, quantile } from "../../cli/compare/latencyCharts";
import { looksOf } from "../../cli/compare/looks";
import { ratioCharts } from "../../cli/compare/ratioCharts";
import { roundsChart } from "../../cli/compare/roundsChart";
import { analyse, type GrowthRow } from "../../datapath/compare/analysis";
import { METRICS, PATHS, type GrowthMetricId, type MetricId, type PathId } from "../../datapath/compare/results";
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
  it.each(Object.keys(PATHS) as PathId[])("have one line a subject, that ends at all requests: %s", (path) => {
    const lines = linesOf(latencyChart(SAMPLE, path, LOOKS)!);
    expect(namesOf(lines)).toEqual(SUBJECTS);
    for (const { data } of lines) {
      const values = (data as { value: [number, number] }[]).map(({ value }) => value);
      expect(values.at(-1)![1]).toBe(100);
      expect(values).toEqual([...values].sort(([left], [right]) => left - right));
    }
  });

  it("are none where no single latencies were kept", () => {
    const bare = sampleComparison({ subjects: [sampleSubject("ebpf", { series: [] })] });
    expect(latencyChart(bare, "same-node", LOOKS)).toBeUndefined();
    expect(histogramsOf(bare, "same-node").size).toBe(0);
  });

  it("count quantiles by the requests, not by the steps", () => {
    const histogram = [
      [10, 1],
      [20, 98],
      [30, 1],
    ] as const;
    expect([0.01, 0.5, 0.99, 1].map((share) => quantile(histogram, share))).toEqual([10, 20, 20, 30]);
  });
});

describe("charts of growth", () => {
  it("have one line a subject with its spread, by the number of Services", () => {
    const rows = growthOf("new-service");
    const chart = growthChart("new-service", rows, LOOKS)!;
    expect(namesOf(linesOf(chart))).toEqual(SUBJECTS);
    expect(namesOf(chart.option.series.filter(({ type }) => type === "custom"))).toEqual(SUBJECTS);
    expect((linesOf(chart)[0]!.data as number[][]).map(([services]) => services)).toEqual(
      rows.map(({ services }) => services),
    );
    expect(chart.option.xAxis).toMatchObject({ type: "log" });
  });

  it("have a logarithmic axis where values span decades, and only there", () => {
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

  it("are none of a single number of Services", () => {
    expect(growthChart("new-service", growthOf("new-service").slice(0, 1), LOOKS)).toBeUndefined();
  });
});

describe("charts of benchmarks", () => {
  it("have every round of every subject, and none else", () => {
    const chart = roundsChart("throughput-1", benchmarksOf("throughput-1"), SAMPLE, LOOKS)!;
    expect(namesOf(pointsOf(chart))).toEqual(SUBJECTS);
    for (const { name, data } of pointsOf(chart)) {
      const subject = SAMPLE.subjects.find((each) => each.name === name)!;
      const rounds = subject.series.filter(({ metric }) => metric === "throughput-1").flatMap(({ values }) => values);
      expect((data as number[][]).map(([value]) => value)).toEqual(rounds);
    }
  });

  it("have ratios of all but the reference, on one scale, with the better ones right", () => {
    const charts = ratioCharts(ANALYSIS.benchmarks, LOOKS, "kubeproxy");
    expect(charts).toHaveLength(Object.keys(METRICS).length);
    for (const chart of charts) expect(namesOf(pointsOf(chart))).toEqual(["replacement", "ebpf"]);
    const axes = charts.map(({ option }) => option.xAxis as { min: number; max: number; inverse: boolean });
    expect(new Set(axes.map(({ min, max }) => `${min} ${max}`)).size).toBe(1);
    expect(axes.map(({ inverse }) => inverse)).toEqual(Object.values(METRICS).map(({ better }) => better === "lower"));
  });

  it("leave out a ratio that is none", () => {
    const [row] = benchmarksOf("connections");
    const ratio = { ratio: Infinity, low: 0, high: Infinity, p: 1, outcome: "no difference" } as const;
    expect(ratioCharts([{ ...row!, ratios: new Map([["ebpf", ratio]]) }], LOOKS, "kubeproxy")).toEqual([]);
  });
});

describe("a subject's look", () => {
  it("differs from the others in colour, symbol and dashes, and the reference's comes first", () => {
    const looks = [...LOOKS.values()];
    expect([...looksOf(SAMPLE, "ebpf").keys()]).toEqual(["ebpf", "kubeproxy", "replacement"]);
    for (const part of ["colour", "symbol", "dash"] as const)
      expect(new Set(looks.map((look) => String(look[part]))).size).toBe(SUBJECTS.length);
  });
});

describe("a drawn chart", () => {
  const chart = latencyChart(SAMPLE, "node-port", LOOKS)!;

  it("is well-formed, scales with the page, and has every subject's colour", () => {
    const svg = chartSvg(chart, "here");
    expect(xmlProblem(svg)).toBeUndefined();
    expect(svg).toMatch(/^<svg role="img" aria-label="[^"]+" viewBox="0 0 420 \d+">/);
    for (const { colour } of LOOKS.values()) expect(svg).toContain(`stroke="${colour}"`);
    expect(svg).not.toMatch(/NaN|Infinity|undefined|<style|class=/);
  });

  it("is the same each time it is drawn, but for the prefix of its ids", () => {
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

  it("lie within any range, in order and few", () => {
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
