import { existsSync } from "node:fs";

/** Whether a chart is a path of this machine. */
export function isChartPath(chart: string): boolean {
  return /^[./~]/.test(chart) || chart.endsWith(".tgz");
}

/** What is wrong with a chart that is a path; undefined where nothing is, and for charts that come from elsewhere. */
export function chartProblem(chart: string): string | undefined {
  return isChartPath(chart) && !existsSync(chart) ? `there is no file or folder ${chart}` : undefined;
}
