import { median, permutationTest, quantile, quantileSorted, sampleWithReplacement } from "simple-statistics";

/** A subject's values of one measurement. */
export interface Summary {
  readonly median: number;
  /** First and third quartile. */
  readonly low: number;
  readonly high: number;
  readonly count: number;
  /** The values are too few or too scattered to trust the median. */
  readonly isNoisy: boolean;
}

/** A subject's median as a multiple of the reference's; infinite if only the reference's is 0. */
export interface Ratio {
  readonly ratio: number;
  /** 95 % confidence interval: the ratio itself for counts, 0 to infinity if a side has a single value. */
  readonly low: number;
  readonly high: number;
  /** p-value, corrected for multiple tests; 0 or 1 for counts. */
  readonly p: number;
  /** Always `no difference` if neither direction is better. */
  readonly outcome: "better" | "worse" | "no difference";
  /** Rounds of a sequential comparison that the ratio took, and why it took no more. */
  readonly taken?: Taken;
}

/** See {@link Ratio.taken}. */
export interface Taken {
  readonly rounds: number;
  readonly stop: Stop | "all rounds" | "incomplete";
}

/**
 * Why a ratio needs no further round: its difference is shown; a difference of this size could not be shown by all rounds
 * either; or it is a quotient of counts that do not vary.
 */
export type Stop = "shown" | "too small" | "exact";

/** Values to compare with {@link ratiosOf}. */
export interface Contrast {
  readonly values: readonly number[];
  readonly reference: readonly number[];
  readonly better: "higher" | "lower" | "neither";
  /** Counts that are always the same have no uncertainty. */
  readonly isCount: boolean;
  /** Contrasts of one family are tested together, since more tests find more differences by chance. */
  readonly family: string;
}

/** Significance level for a difference. */
export const SIGNIFICANCE = 0.05;

/** A median is noisy if the interquartile range exceeds this share of it, or if there are fewer values. */
export const NOISY = { spread: 0.2, values: 3 } as const;

const PERMUTATIONS = 5_000;

/** Such that both ends of the interval fall on a sample: infinity cannot be interpolated. */
const RESAMPLES = 1_001;

/**
 * A fixed seed makes results reproducible. With this one, the permutations come close to the exact p of four to six values
 * per side, where a slightly larger p would hide every difference.
 */
const SEED = 11;

/** Summarize at least one value. */
export function summaryOf(values: readonly number[], isCount: boolean): Summary {
  const [low, middle, high] = quantile([...values], [0.25, 0.5, 0.75]) as [number, number, number];
  const isScattered = high - low > NOISY.spread * Math.abs(middle);
  const isScarce = values.length < NOISY.values && !isExact(values, isCount);
  return { median: middle, low, high, count: values.length, isNoisy: isScattered || isScarce };
}

/**
 * Ratios of medians with bootstrap intervals, and permutation tests corrected within each family (Benjamini and Hochberg).
 * A difference is claimed if both the test and the interval show it.
 */
export function ratiosOf(contrasts: readonly Contrast[]): readonly Ratio[] {
  const tested = contrasts.map((contrast) => (isCounted(contrast) ? undefined : chanceOf(contrast)));
  const corrected = correctedWithin(contrasts, tested);
  return contrasts.map((contrast, at) => ratioOf(contrast, corrected[at]));
}

/**
 * Correct p-values for multiple tests within each family; untested contrasts have none.
 * @param planned number of tests in each family, if more are to come
 */
export function correctedWithin(
  contrasts: readonly Pick<Contrast, "family">[],
  tested: readonly (number | undefined)[],
  planned = 0,
): readonly (number | undefined)[] {
  const corrected = [...tested];
  for (const family of new Set(contrasts.map((each) => each.family))) {
    const members = [...contrasts.keys()].filter((at) => contrasts[at]!.family === family && tested[at] !== undefined);
    const pending = new Array<number>(Math.max(0, planned - members.length)).fill(1);
    const ps = falseDiscoveryRates([...members.map((at) => tested[at]!), ...pending]);
    members.forEach((at, index) => (corrected[at] = ps[index]));
  }
  return corrected;
}

/** The smallest possible p of a permutation test with these numbers of values. */
export function leastChance(count: number, referenceCount: number): number {
  let arrangements = 1;
  for (let step = 1; step <= count; step++) arrangements *= (referenceCount + step) / step;
  // for groups of one size, the opposite of the most extreme arrangement is as extreme
  return Math.min(1, (count === referenceCount ? 2 : 1) / arrangements);
}

function ratioOf(contrast: Contrast, p: number | undefined): Ratio {
  return p === undefined ? countedRatio(contrast) : ratioWith(contrast, p, intervalOf(contrast));
}

/** The ratio of counts that do not vary. */
export function countedRatio(contrast: Contrast): Ratio {
  const ratio = quotientOfMedians(contrast);
  const isSame = ratio === 1;
  const outcome = isSame ? "no difference" : directionOf(contrast, ratio);
  return { ratio, low: ratio, high: ratio, p: isSame ? 1 : 0, outcome };
}

/** A ratio whose difference is shown if both its p and its interval show it. */
export function ratioWith(contrast: Contrast, p: number, [low, high]: readonly [number, number]): Ratio {
  const ratio = quotientOfMedians(contrast);
  const isShown = p < SIGNIFICANCE && (low > 1 || high < 1);
  return { ratio, low, high, p, outcome: isShown ? directionOf(contrast, ratio) : "no difference" };
}

function directionOf({ better }: Contrast, ratio: number): Ratio["outcome"] {
  return better === "neither" ? "no difference" : ratio > 1 === (better === "higher") ? "better" : "worse";
}

/** A subject's median as a multiple of the reference's. */
export function quotientOfMedians({ values, reference }: Contrast): number {
  return quotient(median([...values]), median([...reference]));
}

function intervalOf({ values, reference }: Contrast): readonly [number, number] {
  if (values.length < 2 || reference.length < 2) return [0, Infinity];
  const random = randomSource();
  const resampled = (from: readonly number[]) => median(sampleWithReplacement([...from], from.length, random));
  const ratios = Array.from({ length: RESAMPLES }, () => quotient(resampled(values), resampled(reference)));
  ratios.sort((left, right) => left - right);
  return [quantileSorted(ratios, 0.025), quantileSorted(ratios, 0.975)];
}

/** The actual arrangement counts as one permutation, so that no p is 0. */
function chanceOf({ values, reference }: Contrast): number {
  if (values.length < 2 || reference.length < 2) return 1;
  const share = permutationTest([...values], [...reference], "two_side", PERMUTATIONS, randomSource());
  return Math.min(1, (share * PERMUTATIONS + 1) / (PERMUTATIONS + 1));
}

/** False discovery rates of p-values (Benjamini and Hochberg, 1995). */
function falseDiscoveryRates(ps: readonly number[]): readonly number[] {
  const rates = new Array<number>(ps.length);
  const descending = [...ps.keys()].sort((left, right) => ps[right]! - ps[left]!);
  descending.reduce((above, at, index) => {
    return (rates[at] = Math.min(above, (ps[at]! * ps.length) / (ps.length - index)));
  }, 1);
  return rates;
}

/** Whether both sides are counts that do not vary. */
export function isCounted({ values, reference, isCount }: Contrast): boolean {
  return isExact(values, isCount) && isExact(reference, isCount);
}

function isExact(values: readonly number[], isCount: boolean): boolean {
  return isCount && values.every((value) => value === values[0]);
}

function quotient(value: number, reference: number): number {
  return value === reference ? 1 : value / reference;
}

/** Mulberry32, a random generator for simulations: https://gist.github.com/tommyettinger/46a874533244883189143505d203312c */
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
