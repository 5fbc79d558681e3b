// Replays recorded comparisons through the rule that ends ratios early: which conclusions stay, how far ratios move, what is
// measured, and how often differences are shown where there are none. Usage: npx tsx scripts/compare-replay.ts FILE...
import { readFileSync } from "node:fs";
import { quantile, shuffle } from "simple-statistics";
import { analyse, referenceOf } from "../compare/analyse/analysis";
import { Sequence } from "../compare/analyse/rows";
import { stoppingWithin } from "../compare/analyse/sequential";
import type { Ratio } from "../compare/analyse/statistics";
import { measurementsOf } from "../compare/measure/tools";
import { Comparison, type Subject } from "../compare/results";

/** Metrics of the growth series that are measured together. */
const TOGETHER: readonly (readonly string[])[] = [
  ["iptables-rules", "service-map"],
  ["first-connection"],
  ["first-connection-from-node"],
  ["kept-connection"],
  ["new-service", "endpoint-change", "new-service-from-node", "endpoint-change-from-node"],
];

type Kind = "benchmarks" | "growth";

/** What a sequential comparison would have kept of a recorded one, and the share of measurements that it would have made. */
export function replay(comparison: Comparison): { comparison: Comparison; share: Record<Kind, number> } {
  const { subjects, method } = comparison;
  const stopping = stoppingWithin(method.rounds)!;
  const sequence = new Sequence(referenceOf(subjects).name, stopping, method.services.length);
  const taken = new Map<object, number>();
  const made = { benchmarks: [0, 0], growth: [0, 0] };
  const cut = (subject: Subject): Subject => ({
    ...subject,
    series: subject.series.map((each) => ({ ...each, values: each.values.slice(0, taken.get(each) ?? 0) })),
    growth: subject.growth.map((each) => ({ ...each, values: each.values.slice(0, taken.get(each) ?? 0) })),
  });
  const measurements = measurementsOf(method.extras ?? []);
  const groups = [...new Set(subjects.flatMap(({ series }) => series.map(({ path }) => path))), ...method.services].map(
    (place) => ({
      place,
      units:
        typeof place === "number"
          ? TOGETHER
          : measurements.filter(({ path }) => path === place).map(({ tool }) => tool.metrics),
    }),
  );
  const benchmarks = groups.filter(({ place }) => typeof place === "string");
  const growth = groups.filter(({ place }) => typeof place === "number").map((each) => [each]);
  // the benchmarks of all paths take turns, then one number of Services follows the other
  for (const phase of [benchmarks, ...growth]) {
    for (let round = 1; round <= method.rounds; round++) {
      const choice = round <= stopping.first ? undefined : sequence.look(subjects.map(cut));
      for (const { place, units } of phase) {
        for (const metrics of units) {
          const chosen = choice?.(place, metrics);
          const count = made[typeof place === "string" ? "benchmarks" : "growth"];
          for (const subject of subjects) {
            count[1]! += 1;
            if (chosen?.has(subject.name) === false) continue;
            count[0]! += 1;
            for (const each of [...subject.series, ...subject.growth]) {
              const at = "path" in each ? each.path : each.services;
              if (at === place && metrics.some((metric) => metric === each.metric)) taken.set(each, round);
            }
          }
        }
      }
    }
  }
  const share = { benchmarks: made.benchmarks[0]! / made.benchmarks[1]!, growth: made.growth[0]! / made.growth[1]! };
  return { comparison: { ...comparison, method: { ...method, stopping }, subjects: subjects.map(cut) }, share };
}

/** The comparison with its rounds in another order, the same for all measurements. */
function reordered(comparison: Comparison, random: () => number): Comparison {
  const order = shuffle(
    Array.from({ length: comparison.method.rounds }, (_, round) => round),
    random,
  );
  return withValues(comparison, (values) => order.map((round) => values[round]!));
}

/**
 * A comparison without differences, but with the recorded noise: in every round of every measurement, the subjects' values
 * are dealt out to the subjects at random.
 * @param isCentered whether each subject's values are first divided by their median
 */
export function withoutDifferences(comparison: Comparison, random: () => number, isCentered: boolean): Comparison {
  const { subjects } = comparison;
  const dealt = new Map<object, number[]>();
  for (const kind of ["series", "growth"] as const) {
    subjects[0]![kind].forEach((_, at) => {
      const all = subjects.map((subject) => subject[kind][at]!);
      const values = all.map((each) =>
        each.values.map((value) => (isCentered ? value / quantile(each.values, 0.5) : value)),
      );
      for (const each of all) dealt.set(each, []);
      for (let round = 0; round < comparison.method.rounds; round++) {
        const order = shuffle([...all.keys()], random);
        all.forEach((each, to) => dealt.get(each)!.push(values[order[to]!]![round]!));
      }
    });
  }
  return withValues(comparison, (values, each) => dealt.get(each) ?? values);
}

function withValues(comparison: Comparison, change: (values: number[], series: object) => number[]): Comparison {
  const subjects = comparison.subjects.map((subject) => ({
    ...subject,
    series: subject.series.map((each) => ({ ...each, values: change(each.values, each) })),
    growth: subject.growth.map((each) => ({ ...each, values: change(each.values, each) })),
  }));
  return { ...comparison, subjects };
}

/** All ratios by subject and title, with their family. */
export function ratiosBy(comparison: Comparison): ReadonlyMap<string, Ratio & { readonly family: string }> {
  const { benchmarks, growth } = analyse(comparison);
  return new Map(
    [...benchmarks, ...growth].flatMap(({ title, metric, ratios }) =>
      [...ratios].map(
        ([subject, ratio]) => [`${subject} ${title}`, { ...ratio, family: `${metric} ${subject}` }] as const,
      ),
    ),
  );
}

/** Share of the families in which a difference is shown. */
export function shownFamilies(comparison: Comparison): { shown: number; all: number } {
  const ratios = [...ratiosBy(comparison).values()].filter(({ low, high }) => low !== high);
  const all = new Set(ratios.map(({ family }) => family));
  const shown = new Set(ratios.filter(({ outcome }) => outcome !== "no difference").map(({ family }) => family));
  return { shown: shown.size, all: all.size };
}

/** Mulberry32; see compare/analyse/statistics.ts. */
export function randomSource(seed: number): () => number {
  const { imul } = Math;
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Repetitions with other orders of rounds, and without differences. */
const ORDERS = 20;
const NULLS = 50;

function report(file: string, comparison: Comparison, others: readonly Comparison[]): void {
  const full = ratiosBy(comparison);
  const describe = (name: string, replayed: readonly ReturnType<typeof replay>[], against: typeof full) => {
    const counts = { same: 0, "no longer shown": 0, "newly shown": 0, reversed: 0 };
    const moves: number[] = [];
    let overlapping = 0;
    for (const { comparison: each } of replayed) {
      for (const [key, ratio] of ratiosBy(each)) {
        const before = against.get(key);
        if (before === undefined) continue;
        const [was, is] = [before.outcome, ratio.outcome];
        counts[
          was === is
            ? "same"
            : is === "no difference"
              ? "no longer shown"
              : was === "no difference"
                ? "newly shown"
                : "reversed"
        ]++;
        moves.push(Math.abs(Math.log(ratio.ratio / before.ratio)));
        if (ratio.low <= before.high && before.low <= ratio.high) overlapping++;
      }
    }
    const per = (count: number) => (count / replayed.length).toFixed(1);
    const [middle, most] = quantile(moves, [0.5, 0.9]) as [number, number];
    const percent = (log: number) => `${(100 * (Math.exp(log) - 1)).toFixed(1)} %`;
    const share = (kind: Kind) => (100 * replayed.reduce((sum, each) => sum + each.share[kind], 0)) / replayed.length;
    console.log(`${file}, ${name}:`);
    console.log(
      `  conclusions: ${Object.entries(counts)
        .map(([what, count]) => `${per(count)} ${what}`)
        .join(", ")}; ${per(overlapping)} intervals overlap`,
    );
    console.log(`  ratios move by ${percent(middle)} (median), ${percent(most)} (90th percentile)`);
    console.log(
      `  measured: ${share("benchmarks").toFixed(0)} % of the benchmarks, ${share("growth").toFixed(0)} % of the growth series`,
    );
  };
  const random = randomSource(1);
  describe("rounds as recorded", [replay(comparison)], full);
  describe(
    "rounds in other orders",
    Array.from({ length: ORDERS }, () => replay(reordered(comparison, random))),
    full,
  );
  others.forEach((other, at) =>
    describe(`against the full run ${at + 1} of the others`, [replay(comparison)], ratiosBy(other)),
  );
  others.forEach((other, at) =>
    describe(
      `full run, against the full run ${at + 1} of the others`,
      [{ comparison, share: { benchmarks: 1, growth: 1 } }],
      ratiosBy(other),
    ),
  );
  for (const isCentered of [false, true]) {
    const rates = Array.from({ length: NULLS }, () =>
      shownFamilies(replay(withoutDifferences(comparison, random, isCentered)).comparison),
    );
    const [shown, all] = [
      rates.reduce((sum, each) => sum + each.shown, 0),
      rates.reduce((sum, each) => sum + each.all, 0),
    ];
    console.log(
      `${file}, without differences${isCentered ? " (values divided by their median)" : ""}: shown in ${shown} of ${all} families, ${((100 * shown) / all).toFixed(1)} %`,
    );
  }
}

if (require.main === module) {
  const files = process.argv.slice(2);
  const comparisons = files.map((file) => Comparison.parse(JSON.parse(readFileSync(file, "utf8"))));
  files.forEach((file, at) => {
    const names = comparisons[at]!.subjects.map(({ name }) => name).join();
    const others = comparisons.filter(
      (other, index) => index !== at && other.subjects.map(({ name }) => name).join() === names,
    );
    report(file, comparisons[at]!, others);
  });
}
