import { existsSync } from "node:fs";
import { resolve } from "node:path";

/** Whether a chart is a path on this machine. */
export function isChartPath(chart: string): boolean {
  return /^[./~]/.test(chart) || chart.endsWith(".tgz");
}

/**
 * Why a chart's path cannot be used; undefined if it can, or if the chart is not a path.
 * @param directory of relative paths
 */
export function chartProblem(chart: string, directory = process.cwd()): string | undefined {
  return isChartPath(chart) && !existsSync(resolve(directory, chart)) ? `${chart} does not exist` : undefined;
}
