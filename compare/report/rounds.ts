import type { Analysis, Ratio } from "../analyse/analysis";
import { numberText } from "../analyse/words";
import type { Comparison } from "../results";
import { blocksOf, type Section } from "./blocks";
import { roundsText } from "./format";

type Stop = NonNullable<Ratio["taken"]>["stop"];

/** How many rounds the ratios of a sequential comparison took, and why; undefined for other comparisons. */
export function roundsSection({ method }: Comparison, analysis: Analysis): Section | undefined {
  const { stopping } = method;
  if (stopping === undefined) return undefined;
  const reasons: Readonly<Record<Stop, string>> = {
    shown: "the difference is shown",
    "too small": `${roundsText(stopping.last)} could not show a difference of this size either`,
    exact: "the counts do not vary",
    "all rounds": "the last round",
    incomplete: "measurements are missing",
  };
  const taken = [...analysis.benchmarks, ...analysis.growth].flatMap(({ ratios }) =>
    [...ratios.values()].flatMap((ratio) => ratio.taken ?? []),
  );
  const counts = (Object.keys(reasons) as Stop[]).flatMap((stop) => {
    const own = taken.filter((each) => each.stop === stop).map(({ rounds }) => rounds);
    const numbers = [...new Set(own)].sort((left, right) => left - right);
    return numbers.map((rounds) => ({ stop, rounds, count: own.filter((each) => each === rounds).length }));
  });
  const [{ first, last, errorRate }, total] = [stopping, taken.length];
  return {
    id: "rounds",
    title: "Rounds",
    blocks: blocksOf(
      {
        kind: "text",
        text: `Each ratio took ${first} to ${roundsText(last)}. It ended when its difference was shown, or when ${last} rounds could not show a difference of its size either; ratios that one tool measures end together. For a metric of one stack, on all paths or with all numbers of Services, the chance of a false difference is at most ${numberText(errorRate * 100)} %.`,
      },
      total > 0 && {
        kind: "facts",
        facts: counts.map(({ stop, rounds, count }) => [
          `${count} of ${total} ratios`,
          `${roundsText(rounds)}: ${reasons[stop]}`,
        ]),
      },
    ),
  };
}
