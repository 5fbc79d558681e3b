import type { BenchmarkRow, Ratio } from "../../datapath/compare/analysis";
import { METRICS, type MetricId, type PathId } from "../../datapath/compare/results";
import { numberText } from "../../datapath/compare/words";
import { axisMarks } from "./axisMarks";
import { AXIS, drawn, namedBelow, QUIET, whiskers, type Chart } from "./charts";
import { LANE_GRID, lanes } from "./lanes";
import type { Look } from "./looks";

type Looks = ReadonlyMap<string, Look>;

/** Each subject's ratio to the reference on each path with its interval, a chart each metric, all of one scale. */
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
/** Beside the outermost intervals. */
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
    description: `${title}: ratio to ${reference} with its 95 % interval on each path, better ones further right; the numbers stand in the tables`,
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

/** Where a subject is as good as the reference. */
const AT_ONE = {
  ...QUIET,
  symbol: "none",
  label: { show: false },
  lineStyle: { color: "var(--ink)", type: "solid" as const, width: 1 },
  data: [{ xAxis: 1 }],
};
