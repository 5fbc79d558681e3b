import { median, permutationTest, quantile, quantileSorted, sampleWithReplacement } from "simple-statistics";

/** A subject's values of one measurement. */
export interface Summary {
  readonly median: number;
  /** First and third quartile. */
  readonly low: number;
  readonly high: number;
  readonly count: number;
  /** The values lie too far apart, or are too few, for their median to be trusted. */
  readonly isNoisy: boolean;
}

/** A subject's median as a multiple of the reference's; infinite where the reference's is 0 and the subject's is not. */
export interface Ratio {
  readonly ratio: number;
  /** 95 % confidence interval: the ratio itself where things were counted, 0 to infinity where a side has a single value. */
  readonly low: number;
  readonly high: number;
  /** How often chance alone would show a difference as large, corrected for what was tested together; 0 or 1 of counts. */
  readonly p: number;
  /** Where neither way is better there is no difference. */
  readonly outcome: "better" | "worse" | "no difference";
}

/** Values of which {@link ratiosOf} finds out whether they differ. */
export interface Contrast {
  readonly values: readonly number[];
  readonly reference: readonly number[];
  readonly better: "higher" | "lower" | "neither";
  /** Things were counted: values that are always the same have no uncertainty. */
  readonly isCount: boolean;
  /** What is tested together: the more there is, the more of it differs by chance. */
  readonly family: string;
}

/** Chance as a cause has to be this rare for a difference to be claimed. */
export const SIGNIFICANCE = 0.05;

/** A median is noisy when its quartiles lie further apart than this part of it, or when there are fewer values. */
export const NOISY = { spread: 0.2, values: 3 } as const;

const PERMUTATIONS = 5_000;

/** So many that both ends of the interval fall on one of them: between a ratio and infinity lies nothing. */
const RESAMPLES = 1_001;

/**
 * The same for all, so that equal data have equal results in every run; one by which so many permutations come near the
 * exact p of four to six values a side, where a little more would hide every difference.
 */
const SEED = 11;

/** What values come to. There must be one at least. */
export function summaryOf(values: readonly number[], isCount: boolean): Summary {
  const [low, middle, high] = quantile([...values], [0.25, 0.5, 0.75]) as [number, number, number];
  const isScattered = high - low > NOISY.spread * Math.abs(middle);
  const isScarce = values.length < NOISY.values && !isExact(values, isCount);
  return { median: middle, low, high, count: values.length, isNoisy: isScattered || isScarce };
}

/**
 * Ratios of medians, with bootstrap intervals, and permutation tests that are corrected by Benjamini and Hochberg's
 * procedure within each family. A difference is claimed where both the test and the interval show it.
 */
export function ratiosOf(contrasts: readonly Contrast[]): readonly Ratio[] {
  const tested = contrasts.map((contrast) => (isCounted(contrast) ? undefined : chanceOf(contrast)));
  const corrected = [...tested];
  for (const family of new Set(contrasts.map(({ family }) => family))) {
    const members = [...contrasts.keys()].filter((at) => contrasts[at]!.family === family && tested[at] !== undefined);
    const ps = falseDiscoveryRates(members.map((at) => tested[at]!));
    members.forEach((at, index) => (corrected[at] = ps[index]));
  }
  return contrasts.map((contrast, at) => ratioOf(contrast, corrected[at]));
}

/** The smallest p that a permutation test of so many values can come to, whatever the values are. */
export function leastChance(count: number, referenceCount: number): number {
  let arrangements = 1;
  for (let step = 1; step <= count; step++) arrangements *= (referenceCount + step) / step;
  // of two groups of one size, the opposite of the most extreme arrangement is as extreme
  return Math.min(1, (count === referenceCount ? 2 : 1) / arrangements);
}

function ratioOf(contrast: Contrast, p: number | undefined): Ratio {
  const { values, reference, better } = contrast;
  const ratio = quotient(median([...values]), median([...reference]));
  const direction = better === "neither" ? "no difference" : ratio > 1 === (better === "higher") ? "better" : "worse";
  if (p === undefined) {
    const isSame = ratio === 1;
    return { ratio, low: ratio, high: ratio, p: isSame ? 1 : 0, outcome: isSame ? "no difference" : direction };
  }
  const [low, high] = intervalOf(contrast);
  const isShown = p < SIGNIFICANCE && (low > 1 || high < 1);
  return { ratio, low, high, p, outcome: isShown ? direction : "no difference" };
}

function intervalOf({ values, reference }: Contrast): readonly [number, number] {
  if (values.length < 2 || reference.length < 2) return [0, Infinity];
  const random = randomSource();
  const resampled = (from: readonly number[]) => median(sampleWithReplacement([...from], from.length, random));
  const ratios = Array.from({ length: RESAMPLES }, () => quotient(resampled(values), resampled(reference)));
  ratios.sort((left, right) => left - right);
  return [quantileSorted(ratios, 0.025), quantileSorted(ratios, 0.975)];
}

/** The values' own arrangement counts as one that chance came to, so that no p is 0. */
function chanceOf({ values, reference }: Contrast): number {
  if (values.length < 2 || reference.length < 2) return 1;
  const share = permutationTest([...values], [...reference], "two_side", PERMUTATIONS, randomSource());
  return Math.min(1, (share * PERMUTATIONS + 1) / (PERMUTATIONS + 1));
}

/** Each p as a share of false claims among all claims that go as far (Benjamini and Hochberg, 1995). */
function falseDiscoveryRates(ps: readonly number[]): readonly number[] {
  const rates = new Array<number>(ps.length);
  const descending = [...ps.keys()].sort((left, right) => ps[right]! - ps[left]!);
  descending.reduce((above, at, index) => {
    return (rates[at] = Math.min(above, (ps[at]! * ps.length) / (ps.length - index)));
  }, 1);
  return rates;
}

function isCounted({ values, reference, isCount }: Contrast): boolean {
  return isExact(values, isCount) && isExact(reference, isCount);
}

function isExact(values: readonly number[], isCount: boolean): boolean {
  return isCount && values.every((value) => value === values[0]);
}

function quotient(value: number, reference: number): number {
  return value === reference ? 1 : value / reference;
}

/** Mulberry32, a generator for tests and simulations: https://gist.github.com/tommyettinger/46a874533244883189143505d203312c */
function randomSource(): () => number {
  const { imul } = Math;
  let state = SEED;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
