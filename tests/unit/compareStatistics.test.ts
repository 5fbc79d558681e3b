import fc from "fast-check";
import { leastChance, NOISY, ratiosOf, SIGNIFICANCE, summaryOf } from "../../compare/analyse/statistics";
import { contrast } from "./support/comparisons";

const ratioOf = (...args: Parameters<typeof contrast>) => ratiosOf([contrast(...args)])[0]!;

const FIVE = [50, 51, 49, 52, 50.5];
const DOUBLE = FIVE.map((value) => 2 * value);
const amounts = fc.array(fc.double({ min: 1, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 8 });

describe("a summary", () => {
  it("has the median, the quartiles and the number of values", () => {
    expect(summaryOf([5, 1, 4, 2, 3], false)).toEqual({ median: 3, low: 2, high: 4, count: 5, isNoisy: true });
  });

  it("is noisy if the interquartile range is too large", () => {
    const spread = (share: number) => [100 - 50 * share, 100 - 50 * share, 100, 100 + 50 * share, 100 + 50 * share];
    expect(summaryOf(spread(NOISY.spread * 0.9), false).isNoisy).toBe(false);
    expect(summaryOf(spread(NOISY.spread * 1.1), false).isNoisy).toBe(true);
  });

  it("is noisy with too few values, unless they are counts", () => {
    expect(summaryOf([7, 7], false).isNoisy).toBe(true);
    expect(summaryOf([7], true).isNoisy).toBe(false);
    expect(summaryOf([7, 9], true).isNoisy).toBe(true);
  });

  it("is not noisy for zeros, but is for zeros with other values", () => {
    expect(summaryOf([0, 0, 0], false)).toMatchObject({ median: 0, isNoisy: false });
    expect(summaryOf([0, 0, 4, 0, 4], false)).toMatchObject({ median: 0, isNoisy: true });
  });

  it("is between the smallest and the largest value", () => {
    fc.assert(
      fc.property(amounts, (values) => {
        const { low, median, high } = summaryOf(values, false);
        expect([Math.min(...values), low, median, high, Math.max(...values)]).toEqual(
          [Math.min(...values), low, median, high, Math.max(...values)].sort((left, right) => left - right),
        );
      }),
    );
  });
});

describe("a ratio", () => {
  it("is shown if all five values exceed five others", () => {
    expect(ratioOf(DOUBLE, FIVE)).toMatchObject({ ratio: 2, outcome: "worse" });
    expect(ratioOf(DOUBLE, FIVE, { better: "higher" })).toMatchObject({ ratio: 2, outcome: "better" });
    expect(ratioOf(FIVE, DOUBLE)).toMatchObject({ ratio: 0.5, outcome: "better" });
  });

  it("has nearly the exact p", () => {
    expect(ratioOf(DOUBLE, FIVE).p).toBeCloseTo(2 / 252, 2);
    expect(ratioOf(DOUBLE.slice(1), FIVE.slice(1)).p).toBeCloseTo(2 / 70, 2);
  });

  it("is not shown if values overlap", () => {
    expect(ratioOf([50, 53, 49, 51, 52], FIVE).outcome).toBe("no difference");
  });

  it("is never shown with three values per side", () => {
    fc.assert(
      fc.property(fc.double({ min: 1.1, max: 1e6, noNaN: true }), (factor) => {
        const values = [10, 10.1, 10.2];
        expect(
          ratioOf(
            values.map((value) => value * factor),
            values,
          ).outcome,
        ).toBe("no difference");
      }),
      { numRuns: 5 },
    );
  });

  it("has an infinite interval for a single value", () => {
    expect(ratioOf([90], [30])).toEqual({ ratio: 3, low: 0, high: Infinity, p: 1, outcome: "no difference" });
  });

  it("is the same in every run", () => {
    expect(ratioOf(DOUBLE, FIVE)).toEqual(ratioOf(DOUBLE, FIVE));
  });

  it("is within its interval, which is within the values' range", () => {
    fc.assert(
      fc.property(fc.tuple(amounts, amounts), ([values, reference]) => {
        const { ratio, low, high, p } = ratioOf(values, reference);
        expect(low).toBeLessThanOrEqual(ratio);
        expect(high).toBeGreaterThanOrEqual(ratio);
        expect(p).toBeGreaterThan(0);
        expect(p).toBeLessThanOrEqual(1);
        if (values.length < 2 || reference.length < 2) return;
        expect(low).toBeGreaterThanOrEqual(Math.min(...values) / Math.max(...reference));
        expect(high).toBeLessThanOrEqual(Math.max(...values) / Math.min(...reference));
      }),
      { numRuns: 15 },
    );
  });

  it("does not depend on the unit", () => {
    const [one, other] = [
      ratioOf(DOUBLE, FIVE),
      ratioOf(
        DOUBLE.map((each) => each * 1024),
        FIVE.map((each) => each * 1024),
      ),
    ];
    expect(other).toEqual(one);
  });
});

describe("a ratio of counts", () => {
  const counted = { isCount: true };

  it("has no uncertainty, even for a single one", () => {
    expect(ratioOf([24], [40092], counted)).toMatchObject({
      low: 24 / 40092,
      high: 24 / 40092,
      p: 0,
      outcome: "better",
    });
    expect(ratioOf([24, 24, 24], [24], counted)).toEqual({ ratio: 1, low: 1, high: 1, p: 1, outcome: "no difference" });
  });

  it("is 0 for zero, infinite relative to zero, and 1 for two zeros", () => {
    expect(ratioOf([0], [92], counted)).toMatchObject({ ratio: 0, low: 0, high: 0, outcome: "better" });
    expect(ratioOf([92], [0], counted)).toMatchObject({ ratio: Infinity, outcome: "worse" });
    expect(ratioOf([0], [0], counted)).toMatchObject({ ratio: 1, outcome: "no difference" });
  });

  it("is tested like others if counts vary between rounds", () => {
    expect(ratioOf([24, 25], [90, 91], counted)).toMatchObject({ outcome: "no difference" });
    expect(ratioOf([0, 1, 0, 2, 0], [0, 0, 1, 0, 0], counted)).toMatchObject({ outcome: "no difference" });
  });

  it("is never NaN", () => {
    const counts = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(fc.tuple(counts, counts), ([values, reference]) => {
        const { ratio, low, high, p } = ratioOf(values, reference, counted);
        expect([ratio, low, high, p].filter(Number.isNaN)).toEqual([]);
      }),
      { numRuns: 15 },
    );
  });
});

describe("ratios of one family", () => {
  const same = contrast([50.2, 49.5, 51.5, 50.1, 51], FIVE);

  it("are corrected for their number", () => {
    const alone = ratioOf(DOUBLE, FIVE);
    const [among] = ratiosOf([contrast(DOUBLE, FIVE), same, same, same, same]);
    expect(among!.p).toBeCloseTo(5 * alone.p);
    expect(among!.outcome).toBe("worse");
  });

  it("need more values, or more significant ones, the more there are", () => {
    const many = (differing: number) =>
      ratiosOf(Array.from({ length: 10 }, (_, index) => (index < differing ? contrast(DOUBLE, FIVE) : same)));
    expect(many(1)[0]!.outcome).toBe("no difference");
    expect(many(5)[0]!.outcome).toBe("worse");
  });

  it("are not corrected for other families, nor for counts", () => {
    const [alone] = ratiosOf([
      contrast(DOUBLE, FIVE),
      { ...same, family: "another" },
      contrast([1], [1], { isCount: true }),
    ]);
    expect(alone).toEqual(ratioOf(DOUBLE, FIVE));
  });
});

describe("the smallest possible p", () => {
  it("is above the significance level for up to three values per side", () => {
    expect([1, 2, 3].every((count) => leastChance(count, count) >= SIGNIFICANCE)).toBe(true);
    expect(leastChance(4, 4)).toBeCloseTo(2 / 70);
  });

  it("is the share of one arrangement if sides differ in size", () => {
    expect(leastChance(3, 5)).toBeCloseTo(1 / 56);
    expect(leastChance(5, 3)).toBeCloseTo(1 / 56);
  });
});
