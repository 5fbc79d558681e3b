import type { Analysis } from "../../datapath/compare/analysis";
import type { BaselineAnalysis } from "../../datapath/compare/baseline";
import type { Comparison } from "../../datapath/compare/results";
import { reportOf } from "./report";

/** A comparison for programs: what it says at the top, and then the results, as `--out` keeps them. */
export function comparisonJson(comparison: Comparison, analysis: Analysis, baseline?: BaselineAnalysis): string {
  const { alarms, verdicts } = reportOf(comparison, analysis, baseline);
  return JSON.stringify({ alarms, verdicts, ...comparison }, undefined, 2);
}
