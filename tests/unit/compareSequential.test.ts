import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  ratiosBetweenRuns,
  sequentialRatios,
  shareOf,
  stoppingWithin,
  stopsOf,
  studentChance,
} from "../../compare/analyse/sequential";
import { SIGNIFICANCE, type Contrast } from "../../compare/analyse/statistics";
import { Comparison } from "../../compare/results";
import { randomSource, ratiosBy, replay, shownFamilies, withoutDifferences } from "../../scripts/compare-replay";
import { contrast } from "./support/comparisons";

const FIVE = { first: 3, last: 5 };
const recorded = (name: string) =>
  Comparison.parse(JSON.parse(readFileSync(join(__dirname, `../../docs/comparisons/${name}.json`), "utf8")));

describe("Student's t-distribution", () => {
  // critical values of 5 % from tables
  it.each([
    [1, 12.706],
    [2, 4.303],
    [3, 3.182],
    [4, 2.776],
    [10, 2.228],
    [25, 2.06],
  ])("with %i degrees of freedom exceeds ±%f with a chance of 5 %%", (freedom, t) => {
    expect(studentChance(t, freedom)).toBeCloseTo(0.05, 3);
  });
});

describe("the looks of a sequential comparison", () => {
  it("share the error rate", () => {
    for (const rounds of [4, 5, 10]) {
      const stopping = stoppingWithin(rounds)!;
      let sum = 0;
      for (let look = stopping.first; look <= stopping.last; look++) sum += shareOf(look, stopping);
      expect(sum).toBeCloseTo(1);
    }
  });

  it("begin with the third round, so three rounds are no sequential comparison", () => {
    expect(stoppingWithin(5)).toEqual({ first: 3, last: 5, errorRate: 0.05 });
    expect(stoppingWithin(3)).toBeUndefined();
  });
});

describe("a ratio of a sequential comparison", () => {
  const REFERENCE = [100, 103, 98];
  const times = (factors: readonly number[]) => factors.map((factor, at) => factor * REFERENCE[at]!);

  it("ends when its difference is shown, and says after how many rounds", () => {
    const shown = contrast(times([2, 2.05, 1.97]), REFERENCE);
    expect(stopsOf([shown], FIVE)).toEqual(["shown"]);
    const [ratio] = sequentialRatios([shown], FIVE);
    expect(ratio).toMatchObject({ outcome: "worse", taken: { rounds: 3, stop: "shown" } });
    expect(ratio!.low).toBeGreaterThan(1.8);
    expect(ratio!.high).toBeLessThan(2.3);
  });

  it("ends when all rounds could not show a difference of its size either", () => {
    const same = contrast(times([1.05, 0.95, 1.01]), REFERENCE);
    expect(stopsOf([same], FIVE)).toEqual(["too small"]);
    expect(sequentialRatios([same], FIVE)[0]).toMatchObject({
      outcome: "no difference",
      taken: { rounds: 3, stop: "too small" },
    });
  });

  it("goes on while more rounds may show its difference, and after too few rounds", () => {
    const open = contrast(times([1.5, 1.2, 1.3]), REFERENCE);
    const short = contrast(times([2, 2]), REFERENCE.slice(0, 2));
    expect(stopsOf([open, { ...short, family: "two" }], FIVE)).toEqual([undefined, undefined]);
  });

  it("is tested with as many others as are planned, also before they are measured", () => {
    const shown = contrast(times([1.8, 2.05, 2.1]), REFERENCE);
    expect(stopsOf([shown], FIVE)).toEqual(["shown"]);
    expect(stopsOf([shown], FIVE, 5)).toEqual([undefined]);
  });

  it("ends after three rounds if it consists of counts that do not vary", () => {
    const counts = contrast([36, 36, 36], [107, 107, 107], { isCount: true });
    expect(stopsOf([counts], FIVE)).toEqual(["exact"]);
    expect(sequentialRatios([counts], FIVE)[0]).toMatchObject({ outcome: "better", taken: { stop: "exact" } });
  });

  it("compares the rounds that both sides have", () => {
    const [ratio] = sequentialRatios([contrast(times([2, 2.05, 1.97]), [...REFERENCE, 1000, 1000])], FIVE);
    expect(ratio!.ratio).toBeCloseTo(2, 1);
    expect(ratio!.taken!.rounds).toBe(3);
  });

  it("says if rounds are missing, and has an infinite interval for one round", () => {
    expect(sequentialRatios([contrast([90], [30])], FIVE)[0]).toEqual({
      ...{ ratio: 3, low: 0, high: Infinity, p: 1, outcome: "no difference" },
      taken: { rounds: 1, stop: "incomplete" },
    });
  });

  it("is shown by fewer rounds than a permutation test needs, since load changes both sides of a round", () => {
    const load = [1, 3, 2];
    const [ratio] = sequentialRatios(
      [
        contrast(
          load.map((each) => each * 130),
          load.map((each, at) => each * [100, 101, 99][at]!),
        ),
      ],
      FIVE,
    );
    expect(ratio).toMatchObject({ outcome: "worse", taken: { stop: "shown" } });
  });
});

describe("the error rate of sequential comparisons", () => {
  const random = randomSource(1);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const SHAPES: Readonly<Record<string, (path: number) => number>> = {
    "scattered like latencies": () => Math.exp(0.15 * normal()),
    "scattered five times as much on one path as on another": (path) => Math.exp((0.05 + 0.05 * path) * normal()),
    "spread evenly, like the time until a change arrives": () => 40 + 500 * random(),
    "with outliers": () => (random() < 0.05 ? 5 : 1) * (1 + 0.1 * normal()),
  };
  /** Five paths of one metric in two clusters without a difference; load changes from round to round. */
  const family = (shape: (path: number) => number) =>
    Array.from({ length: 5 }, (_, path) => {
      const load = Array.from({ length: FIVE.last }, () => Math.exp(0.3 * normal()));
      const side = () => load.map((each) => each * shape(path));
      return contrast(side(), side());
    });
  const after = (all: readonly Contrast[], rounds: readonly number[]) =>
    all.map((each, at) => ({
      ...each,
      values: each.values.slice(0, rounds[at]),
      reference: each.reference.slice(0, rounds[at]),
    }));
  /** Rounds of each ratio by the rule. */
  const roundsBy = (all: readonly Contrast[]) => {
    const rounds = all.map(() => FIVE.first);
    const ended = new Set<number>();
    for (let round = FIVE.first; round < FIVE.last; round++) {
      stopsOf(after(all, rounds), FIVE).forEach((stop, at) => stop !== undefined && ended.add(at));
      rounds.forEach((_, at) => !ended.has(at) && rounds[at]!++);
    }
    return rounds;
  };
  const isShown = (ratios: readonly { readonly outcome: string }[]) =>
    ratios.some(({ outcome }) => outcome !== "no difference");
  const FAMILIES = 400;

  it.each(Object.entries(SHAPES))("is at most 5 %% for values %s", (_, shape) => {
    let [shown, careless] = [0, 0];
    for (let count = 0; count < FAMILIES; count++) {
      const all = family(shape);
      if (isShown(sequentialRatios(after(all, roundsBy(all)), FIVE))) shown++;
      // every look by itself, as if it were the only one
      const looks = [3, 4, 5].map((round) =>
        after(
          all,
          all.map(() => round),
        ),
      );
      if (looks.some((each, at) => isShown(sequentialRatios(each, { first: at + 3, last: at + 3 })))) careless++;
    }
    expect(shown / FAMILIES).toBeLessThanOrEqual(SIGNIFICANCE);
    expect(careless).toBeGreaterThan(shown);
  });

  it("is at most 5 % with the recorded noise", () => {
    const comparison = recorded("2026-11-22-modes");
    let [shown, all] = [0, 0];
    for (let count = 0; count < 12; count++) {
      const found = shownFamilies(replay(withoutDifferences(comparison, random, count % 2 === 0)).comparison);
      shown += found.shown;
      all += found.all;
    }
    expect(all).toBeGreaterThan(300);
    expect(shown / all).toBeLessThanOrEqual(SIGNIFICANCE);
  });

  it("does not keep large differences from being shown by three rounds", () => {
    let early = 0;
    for (let count = 0; count < 100; count++) {
      const all = family(SHAPES["scattered like latencies"]!).map((each) => ({
        ...each,
        values: each.values.map((value) => 3 * value),
      }));
      early += roundsBy(all).filter((rounds) => rounds === FIVE.first).length;
    }
    expect(early / 500).toBeGreaterThan(0.8);
  });
});

describe("a recorded comparison that is replayed with ratios that end early", () => {
  it.each(["2026-11-22-modes", "2026-11-22-modes-again"])(
    "%s needs fewer measurements, and no conclusion is reversed",
    (name) => {
      const full = recorded(name);
      const { comparison, share } = replay(full);
      expect(share.benchmarks).toBeLessThan(0.75);
      expect(share.growth).toBeLessThan(0.75);
      const [before, now] = [ratiosBy(full), ratiosBy(comparison)];
      expect([now.size, before.size]).toEqual([140, 140]);
      const changed = [...now].filter(([key, { outcome }]) => outcome !== before.get(key)!.outcome);
      expect(changed.length).toBeLessThanOrEqual(25);
      for (const [key, { outcome }] of changed) expect([outcome, before.get(key)!.outcome]).toContain("no difference");
      for (const [key, { low, high }] of now) {
        expect(low).toBeLessThanOrEqual(before.get(key)!.high);
        expect(high).toBeGreaterThanOrEqual(before.get(key)!.low);
      }
    },
  );
});

describe("a ratio between two runs of which one was sequential", () => {
  it("is shown with three rounds on each side, though they are no pairs", () => {
    const [ratio] = ratiosBetweenRuns([contrast([130, 133, 129], [101, 99, 100])]);
    expect(ratio).toMatchObject({ outcome: "worse" });
    expect(ratio!.ratio).toBeCloseTo(1.3);
    expect(ratio!.low).toBeGreaterThan(1.2);
  });

  it("is not shown if values overlap, and is exact for counts", () => {
    expect(ratiosBetweenRuns([contrast([100, 104, 97], [101, 99, 100])])[0]!.outcome).toBe("no difference");
    expect(ratiosBetweenRuns([contrast([5, 5, 5], [5, 5, 5, 5, 5], { isCount: true })])[0]).toMatchObject({ p: 1 });
  });
});
