import type { Analysis } from "../../datapath/compare/analysis";
import type { BaselineAnalysis } from "../../datapath/compare/baseline";
import type { Comparison } from "../../datapath/compare/results";
import { amountText, listed } from "../../datapath/compare/words";
import { baselineSection, regressionsOf } from "./baselineSection";
import { benchmarkSection } from "./benchmarkSection";
import { blocksOf, type Section } from "./blocks";
import { differenceSection } from "./differenceSection";
import { moment, ratioWithInterval } from "./format";
import { growthSection } from "./growthSection";
import { latencySection } from "./latencySection";
import { looksOf, type Look } from "./looks";
import { methodSection } from "./methodSection";
import { subjectSection } from "./subjectSection";

/** What every format of a comparison says, in this order. */
export interface Report {
  readonly title: string;
  readonly subtitle: string;
  /** What makes the comparison a failure, a sentence each. */
  readonly alarms: readonly string[];
  readonly verdicts: readonly string[];
  readonly looks: ReadonlyMap<string, Look>;
  readonly sections: readonly Section[];
}

/** A comparison as a report. */
export function reportOf(comparison: Comparison, analysis: Analysis, baseline?: BaselineAnalysis): Report {
  const { machine, subjects, startedAt } = comparison;
  const looks = looksOf(comparison, analysis.reference);
  const names = subjects.map(({ name }) => name);
  const versions = [...new Set(subjects.map(({ cilium }) => cilium))];
  return {
    title: names.length === 1 ? `${names[0]!} measured` : `${listed(names)} compared`,
    subtitle: `Cilium ${listed(versions)} on ${machine.cpu}, ${machine.cpus} CPUs, Linux ${machine.kernel}; ${moment(startedAt)}`,
    alarms: alarmsOf(comparison, analysis, baseline),
    verdicts: analysis.verdicts,
    looks,
    sections: [
      subjectSection(comparison),
      baseline && baselineSection(baseline),
      benchmarkSection(comparison, analysis, looks),
      latencySection(comparison, looks),
      growthSection(comparison, analysis, looks),
      doubtSection(comparison, analysis),
      differenceSection(comparison, analysis),
      methodSection(comparison, analysis),
    ].filter((section) => section !== undefined && section.blocks.length > 0) as readonly Section[],
  };
}

/** Of more regressions than this, the worst stand at the top. */
const NAMED = 5;

function alarmsOf({ subjects }: Comparison, analysis: Analysis, baseline?: BaselineAnalysis): readonly string[] {
  const regressions = regressionsOf(baseline);
  const worst = regressions.slice(0, NAMED);
  return [
    ...analysis.indistinguishable,
    ...subjects.flatMap(({ name, verification: { verdict, failed } }) =>
      verdict === "pass" && failed.length === 0
        ? []
        : [
            `${name} is not verified to be in its mode (${verdict})${failed.length === 0 ? "" : `: ${failed.join("; ")}`}`,
          ],
    ),
    ...(baseline?.blind === undefined ? [] : [`Whether anything became worse cannot be said: ${baseline.blind}`]),
    ...worst.map(
      ({ subject, title, unit, before, now, ratio }) =>
        `Regression in ${subject}: ${title}, ${amountText(now.median, unit)} instead of ${amountText(before.median, unit)}: ${ratioWithInterval(ratio)}`,
    ),
    ...(regressions.length > worst.length
      ? [`${regressions.length - worst.length} more regressions, listed below`]
      : []),
  ];
}

/** Noise, and what is missing: told even where there is none. */
function doubtSection({ subjects }: Comparison, { noisy }: Analysis): Section {
  const omitted = subjects.flatMap((subject) => subject.omitted.map((each) => `${subject.name}: ${each}`));
  return {
    id: "doubts",
    title: "Noise and omissions",
    blocks: blocksOf(
      { kind: "heading", text: "Noisy" },
      noisy.length > 0 ? { kind: "list", items: noisy } : { kind: "text", text: "No measurement was noisy." },
      { kind: "heading", text: "Not measured" },
      omitted.length > 0 ? { kind: "list", items: omitted } : { kind: "text", text: "Nothing was left out." },
    ),
  };
}
