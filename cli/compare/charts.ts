import type { CustomSeriesOption, EChartsOption, LineSeriesOption, ScatterSeriesOption } from "echarts";
import { numberText } from "../../datapath/compare/words";
import type { Look } from "./looks";

/** A chart for the library that draws it. */
export interface Chart {
  readonly title: string;
  /** What it shows, for those who do not see it. */
  readonly description: string;
  /** Whose points it has, for its legend. */
  readonly subjects: readonly string[];
  readonly height: number;
  readonly option: EChartsOption & { readonly series: readonly ChartSeries[] };
}
export type ChartSeries = LineSeriesOption | ScatterSeriesOption | CustomSeriesOption;

/** As wide as a telephone shows without shrinking letters beyond reading. */
export const CHART_WIDTH = 420;

const TEXT = { color: "var(--ink)", fontSize: 13 };

/** What all axes have in common. */
export const AXIS = {
  axisLabel: { ...TEXT, hideOverlap: true },
  axisLine: { show: true, onZero: false, lineStyle: { color: "var(--line)" } },
  axisTick: { show: true, lineStyle: { color: "var(--line)" } },
  splitLine: { show: true, lineStyle: { color: "var(--grid)" } },
  minorTick: { show: false },
} as const;

/** An axis' name in its middle, below it. */
export function namedBelow(name: string) {
  return { name, nameLocation: "middle", nameGap: 30, nameTextStyle: TEXT } as const;
}

/** What the vertical axis means, above it: read without turning the head. */
export function namedAbove(text: string) {
  return { text, left: 0, top: 0, padding: 0, textStyle: { ...TEXT, fontWeight: "normal" as const } };
}

/** What all series have in common. */
export const QUIET = { silent: true, animation: false } as const;

/** How a subject's points and lines are drawn. */
export function drawn(name: string, { colour, symbol, dash }: Look) {
  return {
    name,
    ...QUIET,
    emphasis: { disabled: true },
    symbol: `path://${symbol}`,
    symbolSize: 9,
    itemStyle: { color: colour },
    lineStyle: { color: colour, width: 2, type: dash.length === 0 ? ("solid" as const) : [...dash] },
  };
}

/** Lines from low to high through a subject's points, with ends across. */
export function whiskers(
  name: string,
  { colour }: Look,
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
      const style = { stroke: colour, lineWidth: 1.5, fill: "none" };
      const line = ([x1, y1]: number[], [x2, y2]: number[]) =>
        ({ type: "line", shape: { x1: x1!, y1: y1!, x2: x2!, y2: y2! }, style }) as const;
      const across = ([left, top]: number[]) => line([left! - x, top! - y], [left! + x, top! + y]);
      return { type: "group", children: [line(low, high), across(low), across(high)] };
    },
  };
}

/** Values whose highest is so many times their lowest get a logarithmic axis. */
const DECADES = 20;

/** An axis for values: logarithmic where they span decades. */
export function scaleFor(values: readonly number[]) {
  const finite = values.filter(Number.isFinite);
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const isLog = low > 0 && high / low > DECADES;
  const labels = { ...AXIS.axisLabel, formatter: numberText };
  return isLog
    ? ({ type: "log", min: 10 ** Math.floor(Math.log10(low)), ...AXIS, axisLabel: labels } as const)
    : ({ type: "value", scale: true, splitNumber: 4, ...AXIS, axisLabel: labels } as const);
}
