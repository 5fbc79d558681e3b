import { agreement, type Agreement } from "./agreement";
import type { Analysis } from "./analysis";
import { slowPath } from "./attribution";
import { totalUse } from "./differences";
import { kindOf, matchSubjects, type Matches } from "./subjects";
import { COMPONENTS, type Comparison, type Machine, type Subject } from "../results";
import { benchmarkTitle, growthTitle, measureOf } from "./rows";
import { ratiosBetweenRuns } from "./sequential";
import { leastChance, ratiosOf, SIGNIFICANCE, summaryOf, type Ratio, type Summary } from "./statistics";
import { listed, numberText } from "./words";

/** One measurement now and in an earlier comparison. */
export interface BaselineRow {
  readonly subject: string;
  readonly title: string;
  readonly unit: string;
  readonly before: Summary;
  readonly now: Summary;
  /** Now, as a multiple of the baseline. */
  readonly ratio: Ratio;
  /** Significantly worse, by more than the threshold. */
  readonly isRegression: boolean;
}

/** A comparison with a baseline. */
export interface BaselineAnalysis {
  /** Changes of machine, kernel, Cilium and method since the baseline, one sentence each. */
  readonly changed: readonly string[];
  readonly rows: readonly BaselineRow[];
  /** Where a subject is slower than in the baseline, one sentence each. */
  readonly slowPaths: readonly string[];
  /** Measurements in only one of the two. */
  readonly unmatched: readonly string[];
  /** Why regressions cannot be ruled out; undefined if they can. */
  readonly blind: string | undefined;
  /** Whether the ratios to the reference agree. */
  readonly agreement: Agreement;
}

/**
 * Compare with a baseline. A significantly worse result is a regression if it exceeds the threshold.
 * @param ofNow the comparison's analysis, if it exists already
 */
export function compareToBaseline(
  now: Comparison,
  before: Comparison,
  thresholdPercent: number,
  ofNow?: Analysis,
): BaselineAnalysis {
  const matches = matchSubjects(now, before);
  const measured = matches.pairs.flatMap((pair) => {
    const earlier = new Map(measurementsOf(pair.before).map(({ title, values }) => [title, values]));
    return measurementsOf(pair.now).flatMap((measurement) => {
      const reference = earlier.get(measurement.title);
      return reference === undefined ? [] : [{ ...measurement, subject: pair.now, reference }];
    });
  });
  const isSequential = (now.method.stopping ?? before.method.stopping) !== undefined;
  const contrasts = measured.map((each) => ({ ...each, family: `${each.metric} ${each.subject.name}` }));
  const ratios = isSequential ? ratiosBetweenRuns(contrasts) : ratiosOf(contrasts);
  const rows = measured.map((each, at): BaselineRow => {
    const ratio = ratios[at]!;
    return {
      subject: each.subject.name,
      title: each.title,
      unit: each.unit,
      before: summaryOf(each.reference, each.isCount),
      now: summaryOf(each.values, each.isCount),
      ratio,
      isRegression: ratio.outcome === "worse" && Math.abs(ratio.ratio - 1) * 100 > thresholdPercent,
    };
  });
  const slowPaths = matches.pairs.flatMap(({ now: subject }) => {
    const own = measured.flatMap(({ path, metric, better, subject: { name } }, at) =>
      name === subject.name && path !== undefined ? [{ path, metric, better, ratio: ratios[at]! }] : [],
    );
    return slowPath(subject, "in the baseline", own) ?? [];
  });
  return {
    changed: changesOf(now, before, matches),
    rows: [...rows, ...matches.pairs.flatMap(memoryRows)],
    slowPaths,
    unmatched: unmatchedOf(matches),
    blind: blindness(matches, measured, isSequential),
    agreement: agreement(before, now, ofNow),
  };
}

/** What was not measured again can have become worse. */
function blindness(
  { pairs, beforeOnly }: Matches,
  measured: readonly { readonly values: readonly number[]; readonly reference: readonly number[] }[],
  isSequential: boolean,
): string | undefined {
  if (pairs.length === 0) return "no subject has the mode and tunnel of one in the baseline";
  if (beforeOnly.length > 0) return `${listed(beforeOnly.map(kindOf))} was only measured in the baseline`;
  const lost = pairs.flatMap(({ now, before }) => missingTitles(before, now));
  if (lost.length > 0) return `${lost.length} measurements of the baseline are missing, such as ${lost[0]}`;
  const canShow = measured.some(({ values, reference }) =>
    isSequential
      ? Math.min(values.length, reference.length) > 1
      : leastChance(values.length, reference.length) < SIGNIFICANCE,
  );
  return canShow || measured.length === 0 ? undefined : "with so few rounds, chance explains any difference";
}

function measurementsOf({ series, growth }: Subject) {
  const all = [
    ...series.map((each) => ({ ...measureOf(each.metric), ...each, title: benchmarkTitle(each) })),
    ...growth.map((each) => ({ ...measureOf(each.metric), ...each, path: undefined, title: growthTitle(each) })),
  ];
  return all.filter(({ values }) => values.length > 0);
}

/** Memory was read once on each side, so its differences are never significant. */
function memoryRows({ now, before }: Matches["pairs"][number]): BaselineRow[] {
  return COMPONENTS.flatMap((component) => {
    const [own, earlier] = [now, before].map((subject) => totalUse(subject, component, "memoryMiB"));
    if (own === undefined || earlier === undefined) return [];
    const [ratio] = ratiosOf([{ values: [own], reference: [earlier], ...MEMORY, family: component }]);
    const read = (value: number): Summary => ({ ...summaryOf([value], false), isNoisy: false });
    const title = `memory of ${component} on all nodes`;
    const row = { subject: now.name, title, unit: "MiB", before: read(earlier), now: read(own) };
    return [{ ...row, ratio: ratio!, isRegression: false }];
  });
}

const MEMORY = { better: "lower", isCount: false } as const;

function unmatchedOf({ pairs, nowOnly, beforeOnly }: Matches): readonly string[] {
  return [
    ...nowOnly.map((subject) => `${subject.name} (${kindOf(subject)}) was not measured in the baseline`),
    ...beforeOnly.map((subject) => `${subject.name} (${kindOf(subject)}) was only measured in the baseline`),
    ...pairs.flatMap(({ now, before }) => [
      ...missingTitles(now, before).map((title) => `${now.name}: ${title} was not measured in the baseline`),
      ...missingTitles(before, now).map((title) => `${now.name}: ${title} was only measured in the baseline`),
    ]),
  ];
}

/** Measurements of one subject that the other lacks. */
function missingTitles(of: Subject, other: Subject): readonly string[] {
  const known = new Set(measurementsOf(other).map(({ title }) => title));
  return measurementsOf(of).flatMap(({ title }) => (known.has(title) ? [] : [title]));
}

/** Changes of the machine, the method, and each subject's versions, one sentence each. */
function changesOf(now: Comparison, before: Comparison, { pairs }: Matches): readonly string[] {
  return [
    ...changes("machine", machineOf(now.machine), machineOf(before.machine)),
    ...changes("method", methodOf(now), methodOf(before)),
    ...pairs.flatMap((pair) =>
      changes(
        pair.now.name,
        { Cilium: pair.now.cilium, Kubernetes: pair.now.kubernetes },
        { Cilium: pair.before.cilium, Kubernetes: pair.before.kubernetes },
      ),
    ),
  ];
}

/** Whole GiB, since the kernel reserves varying amounts. */
const machineOf = ({ cpu, cpus, memoryGiB, kernel, architecture, docker }: Machine) => ({
  CPU: cpu,
  "number of CPUs": numberText(cpus),
  memory: `${Math.round(memoryGiB)} GiB`,
  kernel,
  architecture,
  Docker: docker ?? "none",
});

const methodOf = ({ method: { rounds, stopping, seconds, warmUpSeconds, interleaved, services } }: Comparison) => ({
  rounds: stopping === undefined ? String(rounds) : `${stopping.first} to ${stopping.last}`,
  duration: `${seconds} s`,
  "warm-up": `${warmUpSeconds} s`,
  order: interleaved ? "interleaved" : "one after the other",
  "numbers of Services": services.map(numberText).join(", ") || "none",
});

function changes<Key extends string>(of: string, now: Record<Key, string>, before: Record<Key, string>): string[] {
  const keys = Object.keys(now) as Key[];
  return keys
    .filter((key) => now[key] !== before[key])
    .map((key) => `${of}: ${key} ${now[key]} (baseline: ${before[key]})`);
}
