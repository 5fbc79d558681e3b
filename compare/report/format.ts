import type { Ratio, Row, Summary } from "../analyse/analysis";
import { numberText, ratioText } from "../analyse/words";
import type { Cell } from "./blocks";

/** Marks before ratios, so that color is not the only sign. */
export const MARKS: Readonly<Record<Ratio["outcome"], string>> = { better: "▲", worse: "▼", "no difference": "=" };

/** Range from the first to the third quartile; undefined if they read the same. */
function quartilesText({ low, high }: Summary): string | undefined {
  return rangeText(numberText(low), numberText(high));
}

/** A ratio with its interval: 1.23× (1.18–1.29). */
export function ratioWithInterval({ ratio, low, high }: Ratio): string {
  const interval = rangeText(ratioText(low), ratioText(high));
  return `${ratioText(ratio)}×${interval === undefined ? "" : ` (${interval})`}`;
}

/** A ratio as in {@link ratioWithInterval}, and after how many rounds it ended if it ended early. */
function ratioWithRounds(ratio: Ratio): string {
  const { taken } = ratio;
  const text = ratioWithInterval(ratio);
  return taken === undefined || taken.stop === "all rounds" ? text : `${text} after ${roundsText(taken.rounds)}`;
}

/** `1 round`, `3 rounds`. */
export function roundsText(rounds: number): string {
  return `${numberText(rounds)} ${rounds === 1 ? "round" : "rounds"}`;
}

function rangeText(from: string, to: string): string | undefined {
  return from === to ? undefined : `${from}–${to}`;
}

/** A readable time in UTC; other text is unchanged. */
export function moment(iso: string): string {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? iso : `${date.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** Time between two moments; undefined if one is invalid. */
export function duration(from: string, to: string): string | undefined {
  const minutes = (Date.parse(to) - Date.parse(from)) / 60_000;
  if (!Number.isFinite(minutes)) return undefined;
  return minutes < 100 ? `${numberText(minutes)} minutes` : `${numberText(minutes / 60)} hours`;
}

/** Capitalize a title; names of programs stay lowercase. */
export function capitalized(text: string): string {
  if (/^(?:iptables|cilium-)/.test(text)) return text;
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** One measurement, a cell per subject. */
export function cellsOf({ summaries, ratios, unit, better }: Row, subjects: readonly string[]): readonly Cell[] {
  const ratioOf = (subject: string) => (better === "neither" ? undefined : ratios.get(subject));
  return subjects.map((subject) => measurementCell(summaries.get(subject), unit, ratioOf(subject)));
}

/** A subject's median with its spread, and its ratio. */
export function measurementCell(summary: Summary | undefined, unit: string, ratio?: Ratio): Cell {
  if (summary === undefined) return { text: "not measured" };
  const spread = quartilesText(summary);
  return {
    text: numberText(summary.median),
    unit,
    ...(spread === undefined ? {} : { spread }),
    ...(ratio === undefined ? {} : { ratio: ratioWithRounds(ratio), outcome: ratio.outcome }),
    noisy: summary.isNoisy,
  };
}
