import type { Analysis } from "../analyse/analysis";
import type { BaselineAnalysis } from "../analyse/baseline";
import type { Comparison } from "../results";
import { amountText, listed } from "../analyse/words";
import { baselineSection, regressionsOf } from "./baseline";
import { benchmarkSection } from "./benchmarks";
import { blocksOf, type Section } from "./blocks";
import { differenceSection } from "./differences";
import { moment, ratioWithInterval } from "./format";
import { growthSection } from "./growth";
import { latencySection } from "./latencies";
import { looksOf, type Look } from "./looks";
import { methodSection } from "./method";
import { overheadSection } from "./overhead";
import { roundsSection } from "./rounds";
import { subjectSection } from "./subjects";

/** A comparison for all formats, in this order. */
export interface Report {
  readonly title: string;
  readonly subtitle: string;
  /** Why the comparison failed, one sentence each. */
  readonly alarms: readonly string[];
  readonly verdicts: readonly string[];
  readonly looks: ReadonlyMap<string, Look>;
  readonly sections: readonly Section[];
  /** Where to find what a short format leaves out. */
  readonly notes: readonly string[];
}

/** Build the report of a comparison. */
export function reportOf(comparison: Comparison, analysis: Analysis, baseline?: BaselineAnalysis): Report {
  const { machine, subjects, startedAt } = comparison;
  const looks = looksOf(comparison, analysis.reference);
  const names = subjects.map(({ name }) => name);
  const differing = analysis.differences.filter(({ differs }) => differs).length;
  const versions = [...new Set(subjects.map(({ cilium }) => cilium))];
  return {
    title: names.length === 1 ? `Measurements of ${names[0]!}` : `Comparison of ${listed(names)}`,
    subtitle: `Cilium ${listed(versions)} on ${machine.cpu}, ${machine.cpus} CPUs, Linux ${machine.kernel}; ${moment(startedAt)}`,
    alarms: alarmsOf(comparison, analysis, baseline),
    verdicts: analysis.verdicts,
    looks,
    sections: [
      subjectSection(comparison),
      baseline && baselineSection(baseline),
      benchmarkSection(comparison, analysis, looks),
      overheadSection(comparison, analysis),
      latencySection(comparison, looks),
      growthSection(comparison, analysis, looks),
      roundsSection(comparison, analysis),
      doubtSection(comparison, analysis),
      differenceSection(comparison, analysis),
      methodSection(comparison, analysis),
    ].filter((section) => section !== undefined && section.blocks.length > 0) as readonly Section[],
    notes: [
      `${differing} of ${analysis.differences.length} configuration and state entries differ: see --html or --markdown`,
      `Repeat: ${comparison.method.command}`,
    ],
  };
}

/** Maximum number of regressions in the headline. */
const NAMED = 5;

function alarmsOf({ subjects }: Comparison, analysis: Analysis, baseline?: BaselineAnalysis): readonly string[] {
  const regressions = regressionsOf(baseline);
  const worst = regressions.slice(0, NAMED);
  return [
    ...analysis.indistinguishable,
    ...subjects.flatMap(({ name, verification: { verdict, failed } }) =>
      verdict === "pass" && failed.length === 0
        ? []
        : [`${name} did not pass verification (${verdict})${failed.length === 0 ? "" : `: ${failed.join("; ")}`}`],
    ),
    ...(baseline?.blind === undefined ? [] : [`Regressions cannot be ruled out: ${baseline.blind}`]),
    ...worst.map(
      ({ subject, title, unit, before, now, ratio }) =>
        `Regression in ${subject}: ${title}: ${amountText(before.median, unit)} → ${amountText(now.median, unit)}, ${ratioWithInterval(ratio)}`,
    ),
    ...(regressions.length > worst.length
      ? [`${regressions.length - worst.length} more regressions, listed below`]
      : []),
  ];
}

/** Noise and omissions, mentioned even if there are none. */
function doubtSection({ subjects }: Comparison, { noisy }: Analysis): Section {
  const omitted = subjects.flatMap((subject) => subject.omitted.map((each) => `${subject.name}: ${each}`));
  return {
    id: "doubts",
    title: "Noise and omissions",
    blocks: blocksOf(
      { kind: "heading", text: "Noisy" },
      noisy.length > 0 ? { kind: "list", items: noisy } : { kind: "text", text: "No measurement was noisy." },
      { kind: "heading", text: "Not measured" },
      omitted.length > 0 ? { kind: "list", items: omitted } : { kind: "text", text: "Everything was measured." },
    ),
  };
}
