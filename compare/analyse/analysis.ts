import { MODE_CONTRACTS } from "../../modes/contract";
import { againstNearest, slowPath, type PathRatio } from "./attribution";
import { differenceRows, type DifferenceRow } from "./differences";
import { indistinguishable } from "./subjects";
import type { Comparison, Subject } from "../results";
import { overheadRows, type OverheadRow } from "./overhead";
import { benchmarkRows, growthRows, type BenchmarkRow, type GrowthRow, type Row } from "./rows";
import { NOISY } from "./statistics";
import { verdictsOf } from "./verdicts";
import { listed, spreadText } from "./words";

export type { DifferenceRow } from "./differences";
export type { BenchmarkRow, GrowthRow, Row } from "./rows";
export type { Ratio, Summary } from "./statistics";

/** Analysis of a comparison. */
export interface Analysis {
  /** Subject that ratios refer to: the first in mode kubeproxy, preferably without a tunnel, else the first. */
  readonly reference: string;
  /** Headline results: sentences with figures and their uncertainty. */
  readonly verdicts: readonly string[];
  /** Subjects with different modes or tunnels but the same evidence. */
  readonly indistinguishable: readonly string[];
  /** Where a subject is slow, one sentence each. */
  readonly slowPaths: readonly string[];
  /** Measurements that are too noisy to trust, one sentence each. */
  readonly noisy: readonly string[];
  readonly differences: readonly DifferenceRow[];
  readonly benchmarks: readonly BenchmarkRow[];
  readonly growth: readonly GrowthRow[];
  /** What pods cost over their nodes; empty unless paths between nodes were measured. */
  readonly overhead: readonly OverheadRow[];
}

/** Analyse a comparison; deterministic. */
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
    overhead: overheadRows(comparison),
  };
}

/** The subject that ratios refer to; see {@link Analysis.reference}. */
export function referenceOf<Kind extends Pick<Subject, "mode" | "tunnel">>(subjects: readonly Kind[]): Kind {
  const plain = subjects.filter(({ mode }) => MODE_CONTRACTS[mode].switches.kubeProxyReplacement === false);
  return plain.find(({ tunnel }) => tunnel === "disabled") ?? plain[0] ?? subjects[0]!;
}

/** Where subjects are slower than the reference, and where the reference is slower than all of them. */
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

/** One sentence for each noisy measurement, and one for all with too few values. */
function noiseOf(rows: readonly Row[]): readonly string[] {
  const noisy = rows.map(({ title, unit, summaries }) => ({
    title,
    unit,
    all: [...summaries].filter(([, { isNoisy }]) => isNoisy),
  }));
  const scattered = noisy.flatMap(({ title, unit, all }) => {
    const wide = all.filter(([, { count }]) => count >= NOISY.values);
    if (wide.length === 0) return [];
    const subjects = listed(wide.map(([subject, summary]) => `${subject} (${spreadText(summary, unit)})`));
    return [`${title}: too noisy in ${subjects}`];
  });
  const scarce = noisy.flatMap(({ all }) => all.filter(([, { count }]) => count < NOISY.values));
  if (scarce.length === 0) return scattered;
  const subjects = listed([...new Set(scarce.map(([subject]) => subject))]);
  return [
    ...scattered,
    `${scarce.length} series of ${subjects} have fewer than ${NOISY.values} values, so their noise is unknown`,
  ];
}
