import { agreement, type Agreement } from "./agreement";
import type { Analysis } from "./analysis";
import { slowPath } from "./attribution";
import { changesOf } from "./changes";
import { totalUse } from "./differences";
import { kindOf } from "./likeness";
import { matchSubjects, type Matches } from "./matching";
import { COMPONENTS, type Comparison, type Subject } from "./results";
import { benchmarkTitle, growthTitle, measureOf } from "./rows";
import { leastChance, ratiosOf, SIGNIFICANCE, summaryOf, type Ratio, type Summary } from "./statistics";
import { listed } from "./words";

/** One measurement now and in an earlier comparison. */
export interface BaselineRow {
  readonly subject: string;
  readonly title: string;
  readonly unit: string;
  readonly before: Summary;
  readonly now: Summary;
  /** Now, as a multiple of before. */
  readonly ratio: Ratio;
  /** Worse by more than the threshold, and not by chance. */
  readonly isRegression: boolean;
}
export interface BaselineAnalysis {
  /** What is another than before: machine, kernel, Cilium, method; a sentence each. */
  readonly changed: readonly string[];
  readonly rows: readonly BaselineRow[];
  /** Where a subject is slow against itself before, by which paths are slow and which are not: a sentence each. */
  readonly slowPaths: readonly string[];
  /** What was measured in one of both only. */
  readonly unmatched: readonly string[];
  /** Why it cannot be said that nothing became worse; undefined where it can. */
  readonly blind: string | undefined;
  /** Whether the ratios to the reference came out again. */
  readonly agreement: Agreement;
}

/**
 * What is another than in an earlier comparison; worse by more than the threshold is a regression, unless it may be chance.
 * @param ofNow the comparison's analysis, where somebody has it already
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
  const ratios = ratiosOf(measured.map((each) => ({ ...each, family: `${each.metric} ${each.subject.name}` })));
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
    return slowPath(subject, "itself before", own) ?? [];
  });
  return {
    changed: changesOf(now, before, matches),
    rows: [...rows, ...matches.pairs.flatMap(memoryRows)],
    slowPaths,
    unmatched: unmatchedOf(matches),
    blind: blindness(matches, measured),
    agreement: agreement(before, now, ofNow),
  };
}

/** Nothing became worse where nothing was looked at. */
function blindness(
  { pairs, beforeOnly }: Matches,
  measured: readonly { readonly values: readonly number[]; readonly reference: readonly number[] }[],
): string | undefined {
  if (pairs.length === 0) return "no subject has the mode and tunnel of one before";
  if (beforeOnly.length > 0) return `${listed(beforeOnly.map(kindOf))} was measured before only`;
  const lost = pairs.flatMap(({ now, before }) => missingTitles(before, now));
  if (lost.length > 0) return `${lost.length} measurements of before are missing, such as ${lost[0]}`;
  const canShow = measured.some(({ values, reference }) => leastChance(values.length, reference.length) < SIGNIFICANCE);
  return canShow || measured.length === 0 ? undefined : "the rounds are too few: chance explains any difference";
}

function measurementsOf({ series, growth }: Subject) {
  const all = [
    ...series.map((each) => ({ ...measureOf(each.metric), ...each, title: benchmarkTitle(each) })),
    ...growth.map((each) => ({ ...measureOf(each.metric), ...each, path: undefined, title: growthTitle(each) })),
  ];
  return all.filter(({ values }) => values.length > 0);
}

/** Memory was read once on each side, so nobody knows what of a difference is chance. */
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
    ...nowOnly.map((subject) => `${subject.name} (${kindOf(subject)}) was measured now only`),
    ...beforeOnly.map((subject) => `${subject.name} (${kindOf(subject)}) was measured before only`),
    ...pairs.flatMap(({ now, before }) => [
      ...missingTitles(now, before).map((title) => `${now.name}: ${title} was measured now only`),
      ...missingTitles(before, now).map((title) => `${now.name}: ${title} was measured before only`),
    ]),
  ];
}

/** What was measured of one subject and not of the other. */
function missingTitles(of: Subject, other: Subject): readonly string[] {
  const known = new Set(measurementsOf(other).map(({ title }) => title));
  return measurementsOf(of).flatMap(({ title }) => (known.has(title) ? [] : [title]));
}
