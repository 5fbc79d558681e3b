import { analyse, type Analysis, type Ratio } from "./analysis";
import { matchSubjects } from "./subjects";
import type { Comparison } from "../results";

/** A ratio to the reference in two comparisons. */
export interface AgreementRow {
  /** Name in the first comparison. */
  readonly subject: string;
  readonly title: string;
  readonly first: Ratio;
  readonly second: Ratio;
  /** Whether the intervals overlap. */
  readonly agrees: boolean;
}

/** Whether two comparisons agree within their intervals. */
export interface Agreement {
  /** Reference of the first comparison. */
  readonly reference: string;
  readonly rows: readonly AgreementRow[];
  readonly agreeing: number;
  readonly disagreeing: number;
  /** Ratios that are in only one comparison, or have no interval. */
  readonly unknown: number;
}

/** Tolerance for counts, which vary by a few rules of the kubelet or Docker. */
const COUNT_TOLERANCE = 1.05;

/**
 * Compare the ratios of two comparisons.
 * @param ofSecond the second's analysis, if it exists already
 */
export function agreement(first: Comparison, second: Comparison, ofSecond = analyse(second)): Agreement {
  const analysis = analyse(first);
  const [firstRatios, secondRatios] = [ratiosBy(analysis), ratiosBy(ofSecond)];
  const names = new Map(matchSubjects(first, second).pairs.map(({ now, before }) => [now.name, before.name]));
  const rows: AgreementRow[] = [];
  for (const { subject, title, ratio } of firstRatios.values()) {
    const counterpart = secondRatios.get(keyOf(names.get(subject) ?? "", title))?.ratio;
    if (counterpart === undefined || !isKnown(ratio) || !isKnown(counterpart)) continue;
    rows.push({ subject, title, first: ratio, second: counterpart, agrees: overlaps(ratio, counterpart) });
  }
  const agreeing = rows.filter(({ agrees }) => agrees).length;
  const unknown = firstRatios.size + secondRatios.size - 2 * rows.length;
  return { reference: analysis.reference, rows, agreeing, disagreeing: rows.length - agreeing, unknown };
}

const keyOf = (subject: string, title: string) => `${subject}\n${title}`;

function ratiosBy({ benchmarks, growth }: Analysis) {
  const all = [...benchmarks, ...growth].flatMap(({ title, ratios }) =>
    [...ratios].map(([subject, ratio]) => [keyOf(subject, title), { subject, title, ratio }] as const),
  );
  return new Map(all);
}

function isKnown({ low, high }: Ratio): boolean {
  return low > 0 || high < Infinity;
}

function overlaps(one: Ratio, other: Ratio): boolean {
  const tolerance = one.low === one.high && other.low === other.high ? COUNT_TOLERANCE : 1;
  return one.low <= other.high * tolerance && other.low <= one.high * tolerance;
}
