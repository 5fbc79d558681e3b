import { MODE_CONTRACTS } from "../../modes/contract";
import { againstNearest, slowPath, type PathRatio } from "./attribution";
import { differenceRows, type DifferenceRow } from "./differences";
import { indistinguishable } from "./likeness";
import { noiseOf } from "./noise";
import type { Comparison, Subject } from "./results";
import { benchmarkRows, growthRows, type BenchmarkRow, type GrowthRow } from "./rows";
import { verdictsOf } from "./verdicts";

export type { DifferenceRow } from "./differences";
export type { BenchmarkRow, GrowthRow, Row } from "./rows";
export type { Ratio, Summary } from "./statistics";

/** What a comparison says. */
export interface Analysis {
  /** The subject that ratios refer to: the one in mode kubeproxy, without a tunnel where there are several, else the first. */
  readonly reference: string;
  /** What stands at the top: sentences with figures and their uncertainty. */
  readonly verdicts: readonly string[];
  /** Subjects that ask for different modes or tunnels, and look the same in everything that tells modes apart. */
  readonly indistinguishable: readonly string[];
  /** Where a subject is slow, by which paths are slow and which are not: a sentence each. */
  readonly slowPaths: readonly string[];
  /** Measurements that are too noisy to be trusted, a sentence each. */
  readonly noisy: readonly string[];
  readonly differences: readonly DifferenceRow[];
  readonly benchmarks: readonly BenchmarkRow[];
  readonly growth: readonly GrowthRow[];
}

/** Say what a comparison found. The same comparison is always said the same of. */
export function analyse(comparison: Comparison): Analysis {
  const { subjects } = comparison;
  const reference = referenceOf(subjects);
  const benchmarks = benchmarkRows(comparison, reference.name);
  const growth = growthRows(comparison, reference.name);
  return {
    reference: reference.name,
    verdicts: verdictsOf(comparison, reference.name, benchmarks, growth),
    indistinguishable: indistinguishable(subjects),
    slowPaths: slowPaths(subjects, reference, benchmarks),
    noisy: noiseOf([...benchmarks, ...growth]),
    differences: differenceRows(subjects),
    benchmarks,
    growth,
  };
}

function referenceOf(subjects: readonly Subject[]): Subject {
  const plain = subjects.filter(({ mode }) => MODE_CONTRACTS[mode].switches.kubeProxyReplacement === false);
  return plain.find(({ tunnel }) => tunnel === "disabled") ?? plain[0] ?? subjects[0]!;
}

/** Where subjects are slow against the reference, and where the reference is slow against all of them. */
function slowPaths(subjects: readonly Subject[], reference: Subject, rows: readonly BenchmarkRow[]): readonly string[] {
  const others = subjects.filter(({ name }) => name !== reference.name);
  const own = others.map((subject) => slowPath(subject, reference.name, pathRatios(subject.name, rows)));
  const nearest = rows.flatMap((row) => againstNearest(others.flatMap(({ name }) => pathRatios(name, [row]))));
  const names = others.length === 1 ? others[0]!.name : "all others";
  return [...own, slowPath(reference, names, nearest)].filter((sentence) => sentence !== undefined);
}

function pathRatios(subject: string, rows: readonly BenchmarkRow[]): readonly PathRatio[] {
  return rows.flatMap(({ path, metric, better, ratios }) => {
    const ratio = ratios.get(subject);
    return ratio === undefined ? [] : [{ path, metric, better, ratio }];
  });
}
