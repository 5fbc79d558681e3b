import type { Analysis, BenchmarkRow, Ratio } from "../analyse/analysis";
import { numberText } from "../analyse/words";
import { METRICS, PATHS, type Comparison, type MetricId, type PathId } from "../results";
import { blocksOf, type Block, type Section } from "./blocks";
import { AXIS, axisMarks, drawn, LANE_GRID, lanes, namedBelow, QUIET, scaleFor, whiskers, type Chart } from "./charts";
import { capitalized, cellsOf } from "./format";
import type { Look } from "./looks";

/** Every metric on every path, with ratios to the reference. */
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
      { kind: "heading", text: capitalized(title) },
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
      slowPaths.length > 0 && { kind: "heading", text: "Slow paths" },
      slowPaths.length > 0 && { kind: "list", items: slowPaths },
      glance.length > 0 && {
        kind: "charts",
        title: `At a glance: ratios to ${reference}`,
        text: `Right of the line is better than ${reference}. Whiskers show the 95 % confidence interval: if they cross the line, ${reference} may be equally good.`,
        charts: glance,
      },
      cellsExplained(reference, subjects.length > 1, comparison.method.stopping !== undefined),
      ...tables,
    ),
  };
}

/** Explanation of the tables' cells. */
function cellsExplained(reference: string, isCompared: boolean, isSequential: boolean): Block {
  const early = isSequential ? " A ratio that ended early says after how many rounds." : "";
  const ratios = isCompared
    ? ` The ratio to ${reference} follows with its 95 % confidence interval: ▲ better, ▼ worse, = no significant difference.${early}`
    : "";
  const noise = " Noisy results vary too much to trust.";
  return {
    kind: "text",
    text: `Each cell shows the median of all rounds and their interquartile range.${ratios}${noise}`,
    brief: `Medians of all rounds.${ratios}${noise}`,
  };
}

type Looks = ReadonlyMap<string, Look>;

/** Ratios to the reference with intervals, one chart per metric, all on one scale. */
export function ratioCharts(rows: readonly BenchmarkRow[], looks: Looks, reference: string): readonly Chart[] {
  const points = rows.flatMap(({ path, metric, ratios }) =>
    [...ratios].flatMap(([subject, each]) =>
      [each.ratio, each.low, each.high].every((value) => Number.isFinite(value) && value > 0)
        ? [{ path, metric, subject, ...each }]
        : [],
    ),
  );
  const range: Range = [
    Math.min(0.9, ...points.map(({ low }) => low / ROOM)),
    Math.max(1.1, ...points.map(({ high }) => high * ROOM)),
  ];
  return (Object.keys(METRICS) as MetricId[]).flatMap((metric) => {
    const own = points.filter((point) => point.metric === metric);
    return own.length === 0 ? [] : [ratioChart(metric, own, range, looks, reference)];
  });
}

type Range = readonly [low: number, high: number];
/** Margin beside the outermost intervals. */
const ROOM = 1.04;

function ratioChart(
  metric: MetricId,
  points: readonly (Ratio & { readonly path: PathId; readonly subject: string })[],
  [min, max]: Range,
  looks: Looks,
  reference: string,
): Chart {
  const [{ title, better }, others] = [METRICS[metric], [...looks.keys()].filter((name) => name !== reference)];
  const { heightOf, axis, height } = lanes([...new Set(points.map(({ path }) => path))], others.length);
  const customValues = axisMarks(min, max);
  const series = others.flatMap((name, index) => {
    const own = points.filter(({ subject }) => subject === name);
    const at = ({ path }: { readonly path: PathId }) => heightOf(path, index);
    return [
      whiskers(
        name,
        looks.get(name)!,
        "x",
        own.map((point) => [at(point), point.low, point.high]),
      ),
      {
        type: "scatter" as const,
        ...drawn(name, looks.get(name)!),
        data: own.map((point) => [point.ratio, at(point)]),
        ...(index === 0 ? { markLine: AT_ONE } : {}),
      },
    ];
  });
  return {
    title,
    description: `${title}: ratio to ${reference} with its 95 % interval on each path, better to the right; the tables have the numbers`,
    subjects: others,
    height,
    option: {
      grid: LANE_GRID,
      xAxis: {
        type: "log",
        min,
        max,
        inverse: better === "lower",
        ...AXIS,
        ...namedBelow(`worse ◂ ratio to ${reference} ▸ better`),
        axisLabel: { ...AXIS.axisLabel, customValues, formatter: (value: number) => `${numberText(value)}×` },
        axisTick: { ...AXIS.axisTick, customValues },
        splitLine: { show: false },
      },
      yAxis: axis,
      series,
    },
  };
}

/** The line of ratio 1. */
const AT_ONE = {
  ...QUIET,
  symbol: "none",
  label: { show: false },
  lineStyle: { color: "var(--ink)", type: "solid" as const, width: 1 },
  data: [{ xAxis: 1 }],
};

/** Every round of every subject on each path, with whiskers at the quartiles. */
export function roundsChart(
  metric: MetricId,
  rows: readonly BenchmarkRow[],
  { subjects }: Comparison,
  looks: ReadonlyMap<string, Look>,
): Chart | undefined {
  const { title, unit } = METRICS[metric];
  const names = [...looks.keys()];
  const paths = rows.map(({ path }) => path);
  const { heightOf, axis, height } = lanes(paths, names.length);
  const rounds = names.map((name) =>
    (subjects.find((subject) => subject.name === name)?.series ?? []).filter(
      (each) => each.metric === metric && paths.includes(each.path),
    ),
  );
  const all = rounds.flatMap((each) => each.flatMap(({ values }) => values));
  if (all.length === 0) return undefined;
  return {
    title: "every round",
    description: `${title} in ${unit}: every round of every subject on each path, with whiskers at the quartiles`,
    subjects: names,
    height,
    option: {
      grid: LANE_GRID,
      xAxis: { ...scaleFor(all), ...namedBelow(unit) },
      yAxis: axis,
      series: names.flatMap((name, index) => [
        whiskers(
          name,
          looks.get(name)!,
          "x",
          rows.flatMap(({ path, summaries }) => {
            const summary = summaries.get(name);
            return summary === undefined ? [] : [[heightOf(path, index), summary.low, summary.high] as const];
          }),
        ),
        {
          type: "scatter" as const,
          ...drawn(name, looks.get(name)!),
          symbolSize: 7,
          itemStyle: { color: looks.get(name)!.color, opacity: 0.6 },
          data: rounds[index]!.flatMap(({ path, values }) => values.map((value) => [value, heightOf(path, index)])),
        },
      ]),
    },
  };
}
