import { existsSync } from "node:fs";

/** Whether a chart is a path on this machine. */
export function isChartPath(chart: string): boolean {
  return /^[./~]/.test(chart) || chart.endsWith(".tgz");
}

/** Why a chart's path cannot be used; undefined if it can, or if the chart is not a path. */
export function chartProblem(chart: string): string | undefined {
  return isChartPath(chart) && !existsSync(chart) ? `${chart} does not exist` : undefined;
}
