import { analyse, type Analysis, type Ratio } from "./analysis";
import { matchSubjects } from "./matching";
import type { Comparison } from "./results";

/** Whether a ratio to the reference came out again. */
export interface AgreementRow {
  /** Its name in the first comparison. */
  readonly subject: string;
  readonly title: string;
  readonly first: Ratio;
  readonly second: Ratio;
  /** Both intervals have something in common. */
  readonly agrees: boolean;
}

/** Whether a second comparison says the same as a first one, within the spread that they claim. */
export interface Agreement {
  /** The subject of the first comparison that its ratios refer to. */
  readonly reference: string;
  readonly rows: readonly AgreementRow[];
  readonly agreeing: number;
  readonly disagreeing: number;
  /** What cannot be held against each other: it is in one of both only, or has no interval. */
  readonly unknown: number;
}

/** Counts have no spread, and still a rule more or less of the kubelet's or Docker's is no other result. */
const COUNT_TOLERANCE = 1.05;

/**
 * Hold a second comparison's ratios against a first one's, interval by interval.
 * @param ofSecond its analysis, where somebody has it already
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
