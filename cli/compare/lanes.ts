import type { PathId } from "../../datapath/compare/results";
import { AXIS } from "./charts";

/** One row of a chart for each path, each subject at a height of its own within it. */
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

/** Room around charts with lanes, for the names of the paths. */
export const LANE_GRID = { left: 92, right: 26, top: 8, bottom: 52, outerBoundsMode: "none" } as const;
