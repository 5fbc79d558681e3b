import { bisect, mean, sumSimple } from "simple-statistics";
import type { Comparison } from "../results";
import {
  correctedWithin,
  countedRatio,
  isCounted,
  NOISY,
  quotientOfMedians,
  ratioWith,
  SIGNIFICANCE,
  type Contrast,
  type Ratio,
  type Stop,
} from "./statistics";

/** When a sequential comparison looks at its values: after the first of these rounds, and after every later one. */
export type Stopping = Pick<NonNullable<Comparison["method"]["stopping"]>, "first" | "last">;

/** The looks of a comparison with these rounds; undefined if there are too few to end earlier. */
export function stoppingWithin(rounds: number): Comparison["method"]["stopping"] {
  // with fewer values, the noise of a series is unknown
  return rounds > NOISY.values ? { first: NOISY.values, last: rounds, errorRate: SIGNIFICANCE } : undefined;
}

/**
 * The share of the error rate that a look may spend: half of it is for the last look, and the earlier ones share the rest.
 * The shares add up to 1, so whatever ends a ratio early, all looks together keep the error rate.
 */
export function shareOf(rounds: number, { first, last }: Stopping): number {
  if (last === first) return 1;
  return rounds >= last ? 1 / 2 : 1 / 2 / (last - first);
}

/**
 * Ratios of a sequential comparison. Each round gives one difference between a subject and the reference, relative to their
 * mean. A t-test asks whether the mean of these differences is 0. Its variance is that of all differences of a family, or the
 * ratio's own if that is larger. p and the interval are those of one look: p is divided by the look's share of the error rate,
 * and then corrected within the family as in {@link ratiosOf}.
 */
export function sequentialRatios(contrasts: readonly Contrast[], stopping: Stopping): readonly Ratio[] {
  const trials = contrasts.map(pairedTrial);
  const tests = testsOf(contrasts, trials);
  const corrected = correctedWithin(contrasts, chances(tests, stopping));
  return contrasts.map((contrast, at) => {
    const { rounds } = trials[at]!;
    const paired = pairedContrast(contrast, rounds);
    const ratio = ratioOf(paired, tests[at], corrected[at], 1 - SIGNIFICANCE * shareOf(rounds, stopping));
    return { ...ratio, taken: { rounds, stop: reasonOf(paired, ratio, rounds, stopping) } };
  });
}

/**
 * Why each ratio needs no further round; undefined if it needs one.
 * @param planned number of ratios in each family, if more are to come
 */
export function stopsOf(
  contrasts: readonly Contrast[],
  stopping: Stopping,
  planned = 0,
): readonly (Stop | undefined)[] {
  const trials = contrasts.map(pairedTrial);
  const tests = testsOf(contrasts, trials);
  const corrected = correctedWithin(contrasts, chances(tests, stopping), planned);
  return contrasts.map((contrast, at) => {
    const { rounds } = trials[at]!;
    if (rounds < stopping.first) return undefined;
    const test = tests[at];
    if (test === undefined) return "exact";
    const level = 1 - SIGNIFICANCE * shareOf(rounds, stopping);
    const { outcome } = ratioOf(pairedContrast(contrast, rounds), test, corrected[at], level);
    if (outcome !== "no difference") return "shown";
    const rest = stopping.last - rounds;
    const atLast = { ...test, scale: 1 / stopping.last, freedom: test.freedom + rest, rounds: stopping.last };
    return chances([atLast], stopping)[0]! >= SIGNIFICANCE ? "too small" : undefined;
  });
}

/**
 * Ratios between two runs of which at least one was sequential: as in {@link sequentialRatios}, but the rounds of different
 * runs are no pairs.
 */
export function ratiosBetweenRuns(contrasts: readonly Contrast[]): readonly Ratio[] {
  const tests = testsOf(contrasts, contrasts.map(unpairedTrial));
  const corrected = correctedWithin(
    contrasts,
    tests.map((test) => test && chanceOf(test)),
  );
  return contrasts.map((contrast, at) => ratioOf(contrast, tests[at], corrected[at], 1 - SIGNIFICANCE));
}

/** The mean difference of a contrast, relative to the mean of both sides: from -2, where the ratio is 0, to 2. */
interface Trial {
  readonly rounds: number;
  readonly difference: number;
  /** Sum of squared deviations, and its degrees of freedom. */
  readonly squares: number;
  readonly freedom: number;
  /** Variance of the difference as a multiple of the values' variance. */
  readonly scale: number;
}

/** A trial with its family's variance and degrees of freedom. */
interface Test extends Omit<Trial, "squares"> {
  readonly variance: number;
}

function pairedTrial({ values, reference }: Contrast): Trial {
  const rounds = Math.min(values.length, reference.length);
  const differences = values.slice(0, rounds).map((value, at) => relative(value, reference[at]!));
  const [difference, squares] = spreadOf(differences);
  return { rounds, difference, squares, freedom: Math.max(0, rounds - 1), scale: 1 / rounds };
}

function unpairedTrial({ values, reference }: Contrast): Trial {
  const rounds = Math.min(values.length, reference.length);
  const [[own, ownSquares], [other, otherSquares]] = [spreadOf(values), spreadOf(reference)];
  const unit = (own + other) / 2 || 1;
  return {
    rounds,
    difference: (own - other) / unit,
    squares: (ownSquares + otherSquares) / unit ** 2,
    freedom: Math.max(0, values.length + reference.length - 2),
    scale: 1 / values.length + 1 / reference.length,
  };
}

/** The rounds that both sides have. */
function pairedContrast(contrast: Contrast, rounds: number): Contrast {
  return { ...contrast, values: contrast.values.slice(0, rounds), reference: contrast.reference.slice(0, rounds) };
}

/** The test of each contrast; undefined for counts that do not vary. */
function testsOf(contrasts: readonly Contrast[], trials: readonly Trial[]): readonly (Test | undefined)[] {
  return contrasts.map((contrast, at) => {
    if (isCounted(contrast)) return undefined;
    const family = trials.filter(
      (_, other) => contrasts[other]!.family === contrast.family && !isCounted(contrasts[other]!),
    );
    const all = sumSimple(family.map(({ freedom }) => freedom));
    const common = sumSimple(family.map((each) => each.squares)) / all;
    const { squares, ...trial } = trials[at]!;
    const own = squares / trial.freedom;
    // simulations keep the error rate with one degree of freedom more than the values give, and lose fewer differences
    return own > common
      ? { ...trial, variance: own, freedom: Math.min(all, trial.freedom + 1) }
      : { ...trial, variance: common, freedom: all };
  });
}

/** p-values of looks, uncorrected. */
function chances(tests: readonly (Test | undefined)[], stopping: Stopping): readonly (number | undefined)[] {
  return tests.map((test) => test && Math.min(1, chanceOf(test) / shareOf(test.rounds, stopping)));
}

/** A single value on a side shows nothing. */
const isTestable = ({ rounds, freedom }: Test) => rounds > 1 && freedom > 0;

function chanceOf(test: Test): number {
  if (!isTestable(test) || test.difference === 0) return 1;
  return studentChance(Math.abs(test.difference) / Math.sqrt(test.variance * test.scale), test.freedom);
}

function ratioOf(contrast: Contrast, test: Test | undefined, p: number | undefined, level: number): Ratio {
  if (test === undefined || p === undefined) return countedRatio(contrast);
  if (!isTestable(test)) return ratioWith(contrast, 1, [0, Infinity]);
  const { difference, variance, scale, freedom } = test;
  const margin = studentQuantile(1 - level, freedom) * Math.sqrt(variance * scale);
  const ratio = quotientOfMedians(contrast);
  // the mean difference can lie beside the medians
  return ratioWith(contrast, p, [
    Math.min(ratio, ratioAt(difference - margin)),
    Math.max(ratio, ratioAt(difference + margin)),
  ]);
}

function reasonOf(contrast: Contrast, { outcome }: Ratio, rounds: number, { first, last }: Stopping) {
  if (rounds >= last) return "all rounds";
  if (rounds < first) return "incomplete";
  if (isCounted(contrast)) return "exact";
  return outcome === "no difference" ? "too small" : "shown";
}

/** The difference of two values, relative to their mean; swapping them changes its sign only, and no outlier dominates. */
function relative(value: number, reference: number): number {
  return value === reference ? 0 : (2 * (value - reference)) / (value + reference);
}

/** The ratio of two values with a relative difference. */
function ratioAt(difference: number): number {
  if (difference >= 2) return Infinity;
  return Math.max(0, (2 + difference) / (2 - difference));
}

/** Mean and sum of squared deviations. */
function spreadOf(values: readonly number[]): readonly [number, number] {
  if (values.length === 0) return [0, 0];
  const middle = mean([...values]);
  return [middle, sumSimple(values.map((value) => (value - middle) ** 2))];
}

/**
 * Two-sided p of Student's t with whole degrees of freedom, as a finite sum: Abramowitz and Stegun, Handbook of
 * Mathematical Functions, 26.7.3 and 26.7.4. simple-statistics has no t-distribution.
 */
export function studentChance(t: number, freedom: number): number {
  const angle = Math.atan(t / Math.sqrt(freedom));
  const [cosine, isOdd] = [Math.cos(angle), freedom % 2 === 1];
  let [sum, term] = [0, isOdd ? cosine : 1];
  for (let step = isOdd ? 1 : 0; step <= freedom - 2; step += 2) {
    sum += term;
    term *= (cosine ** 2 * (step + 1)) / (step + 2);
  }
  const within = isOdd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum;
  return Math.max(0, 1 - within);
}

/** The t that has a two-sided p. */
function studentQuantile(p: number, freedom: number): number {
  // in units of an angle, since t has no upper bound
  const angle = bisect((each) => studentChance(Math.tan(each), freedom) - p, 0, Math.PI / 2, 100, 1e-9);
  return Math.tan(angle);
}
