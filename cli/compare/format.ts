import type { Ratio, Summary } from "../../datapath/compare/analysis";
import { numberText, ratioText } from "../../datapath/compare/words";

/** What stands before a ratio: never its colour alone says how it is. */
export const MARKS: Readonly<Record<Ratio["outcome"], string>> = { better: "▲", worse: "▼", "no difference": "=" };

/** From the first to the third quartile; undefined where that is one value. */
export function quartilesText({ low, high }: Summary): string | undefined {
  return rangeText(numberText(low), numberText(high));
}

/** A ratio with its interval, such as 1.23× (1.18–1.29). */
export function ratioWithInterval({ ratio, low, high }: Ratio): string {
  const interval = rangeText(ratioText(low), ratioText(high));
  return `${ratioText(ratio)}×${interval === undefined ? "" : ` (${interval})`}`;
}

function rangeText(from: string, to: string): string | undefined {
  return from === to ? undefined : `${from}–${to}`;
}

/** A moment as people write it, in UTC; what is no moment stays as it is. */
export function moment(iso: string): string {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? iso : `${date.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** The time between two moments; undefined where one is no moment. */
export function duration(from: string, to: string): string | undefined {
  const minutes = (Date.parse(to) - Date.parse(from)) / 60_000;
  if (!Number.isFinite(minutes)) return undefined;
  return minutes < 100 ? `${numberText(minutes)} minutes` : `${numberText(minutes / 60)} hours`;
}

/** With a capital letter, to begin a title; names of programs keep theirs. */
export function capitalised(text: string): string {
  if (/^(?:iptables|cilium-)/.test(text)) return text;
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
