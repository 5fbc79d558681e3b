import type { CustomSeriesOption, EChartsOption, LineSeriesOption, ScatterSeriesOption } from "echarts";
import { numberText } from "../analyse/words";
import type { PathId } from "../results";
import type { Look } from "./looks";

/** A chart for the chart library. */
export interface Chart {
  readonly title: string;
  /** Text alternative. */
  readonly description: string;
  /** Subjects in its legend. */
  readonly subjects: readonly string[];
  readonly height: number;
  readonly option: EChartsOption & { readonly series: readonly ChartSeries[] };
}

export type ChartSeries = LineSeriesOption | ScatterSeriesOption | CustomSeriesOption;

/** Narrow enough to stay readable on phones. */
export const CHART_WIDTH = 420;

const TEXT = { color: "var(--ink)", fontSize: 13 };

/** Defaults of all axes. */
export const AXIS = {
  axisLabel: { ...TEXT, hideOverlap: true },
  axisLine: { show: true, onZero: false, lineStyle: { color: "var(--line)" } },
  axisTick: { show: true, lineStyle: { color: "var(--line)" } },
  splitLine: { show: true, lineStyle: { color: "var(--grid)" } },
  minorTick: { show: false },
} as const;

/** A name below the middle of an axis. */
export function namedBelow(name: string) {
  return { name, nameLocation: "middle", nameGap: 30, nameTextStyle: TEXT } as const;
}

/** The name of the vertical axis, as horizontal text above it. */
export function namedAbove(text: string) {
  return { text, left: 0, top: 0, padding: 0, textStyle: { ...TEXT, fontWeight: "normal" as const } };
}

/** Defaults of all series. */
export const QUIET = { silent: true, animation: false } as const;

/** Style of a subject's points and lines. */
export function drawn(name: string, { color, symbol, dash }: Look) {
  return {
    name,
    ...QUIET,
    emphasis: { disabled: true },
    symbol: `path://${symbol}`,
    symbolSize: 9,
    itemStyle: { color: color },
    lineStyle: { color: color, width: 2, type: dash.length === 0 ? ("solid" as const) : [...dash] },
  };
}

/** Whiskers from low to high through a subject's points. */
export function whiskers(
  name: string,
  { color }: Look,
  along: "x" | "y",
  data: readonly (readonly [at: number, low: number, high: number])[],
): CustomSeriesOption {
  const END = 4;
  return {
    type: "custom",
    name,
    ...QUIET,
    data: data.map((each) => [...each]),
    encode: along === "x" ? { x: [1, 2], y: 0 } : { x: 0, y: [1, 2] },
    renderItem: (_, api) => {
      const at = Number(api.value(0));
      const [low, high] = [1, 2].map((dimension) => {
        const value = Number(api.value(dimension));
        return api.coord(along === "x" ? [value, at] : [at, value]);
      }) as [number[], number[]];
      const [x, y] = along === "x" ? [0, END] : [END, 0];
      const style = { stroke: color, lineWidth: 1.5, fill: "none" };
      const line = ([x1, y1]: number[], [x2, y2]: number[]) =>
        ({ type: "line", shape: { x1: x1!, y1: y1!, x2: x2!, y2: y2! }, style }) as const;
      const across = ([left, top]: number[]) => line([left! - x, top! - y], [left! + x, top! + y]);
      return { type: "group", children: [line(low, high), across(low), across(high)] };
    },
  };
}

/** Ratio of the highest to the lowest value from which an axis is logarithmic. */
const DECADES = 20;

/** An axis for values, logarithmic if they span decades. */
export function scaleFor(values: readonly number[]) {
  const finite = values.filter(Number.isFinite);
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const isLog = low > 0 && high / low > DECADES;
  const labels = { ...AXIS.axisLabel, formatter: numberText };
  return isLog
    ? ({ type: "log", min: 10 ** Math.floor(Math.log10(low)), ...AXIS, axisLabel: labels } as const)
    : ({ type: "value", scale: true, splitNumber: 4, ...AXIS, axisLabel: labels } as const);
}

/** One lane of a chart per path, with subjects at different heights. */
export function lanes(paths: readonly PathId[], subjects: number) {
  return {
    heightOf: (path: PathId, subject: number) =>
      paths.indexOf(path) + (subject - (subjects - 1) / 2) * Math.min(0.25, 0.7 / subjects),
    axis: {
      type: "value",
      inverse: true,
      min: -0.5,
      max: paths.length - 0.5,
      ...AXIS,
      splitLine: { show: false },
      axisTick: { show: false },
      axisLabel: {
        ...AXIS.axisLabel,
        customValues: paths.map((_, index) => index),
        formatter: (index: number) => paths[index] ?? "",
      },
    } as const,
    height: 80 + paths.length * Math.max(34, 14 * subjects + 10),
  };
}

/** Margins of charts with lanes. */
export const LANE_GRID = { left: 92, right: 26, top: 8, bottom: 52, outerBoundsMode: "none" } as const;

/** An axis that spans less than this ratio has linear marks in these steps. */
const NARROW = 3;
const STEPS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1];
/** Marks per decade of a wider axis, most first. */
const MANTISSAS = [[1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]];
const MAX_MARKS = 6;

/** Round numbers for the marks of a logarithmic axis, as many as fit. */
export function axisMarks(low: number, high: number): number[] {
  const decade = 10 ** Math.floor(Math.log10(low));
  const isWithin = (value: number) => value >= low && value <= high;
  const multiples = (step: number) => {
    const first = Math.ceil(low / step);
    const count = Math.ceil(high / step) - first + 1;
    return Array.from({ length: count }, (_, index) => rounded((first + index) * step)).filter(isWithin);
  };
  const candidates =
    high / low < NARROW
      ? STEPS.map((step) => multiples(step * 10 * decade))
      : MANTISSAS.map((mantissas) =>
          Array.from({ length: Math.ceil(Math.log10(high / low)) + 2 }, (_, power) =>
            mantissas.map((each) => rounded(each * decade * 10 ** power)),
          )
            .flat()
            .filter(isWithin),
        );
  return candidates.find(({ length }) => length <= MAX_MARKS) ?? everyOther(candidates.at(-1)!);
}

function everyOther(marks: readonly number[]): number[] {
  const apart = Math.ceil(marks.length / MAX_MARKS);
  return marks.filter((_, index) => index % apart === 0);
}

const rounded = (value: number) => Number(value.toPrecision(10));
