import type { Ratio, Summary } from "./statistics";

/** `2.1 s`, `40 ms`: a value with three digits, in a suitable unit. */
export function amountText(value: number, unit: string): string {
  const scales = SCALES[unit];
  const [least, scaled] = scales?.find(([from]) => Math.abs(value) >= from) ?? [1, unit];
  return `${numberText(value / least)} ${scaled}`;
}

/** Three significant digits; all digits from 1,000 on. */
export function numberText(value: number): string {
  return (Math.abs(value) >= 1000 ? WHOLE : THREE_DIGITS).format(value);
}

/** A ratio with two decimals; two significant digits below 0.1, no decimals from 10 on. */
export function ratioText(ratio: number): string {
  if (!Number.isFinite(ratio)) return "∞";
  if (ratio >= 10) return WHOLE.format(ratio);
  return ratio >= 0.1 ? ratio.toFixed(2) : String(Number(ratio.toPrecision(2)));
}

/** `0.81 times, 0.78–0.85`; without the interval if its ends are the same. */
export function timesText({ ratio, low, high }: Ratio): string {
  const times = `${ratioText(ratio)} times`;
  const [from, to] = [ratioText(low), ratioText(high)];
  return from === to ? times : `${times}, ${from}–${to}`;
}

/** `quartiles 40 µs and 66 µs around 52 µs`. */
export function spreadText({ low, median, high }: Summary, unit: string): string {
  return `quartiles ${amountText(low, unit)} and ${amountText(high, unit)} around ${amountText(median, unit)}`;
}

/** `a`, `a and b`, `a, b and c`. */
export function listed(words: readonly string[]): string {
  return new Intl.ListFormat("en-GB", { type: "conjunction" }).format(words);
}

const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const THREE_DIGITS = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 3 });

/** Larger units of a unit, the largest first, with their size. */
const SCALES: Readonly<Record<string, readonly (readonly [number, string])[]>> = {
  µs: [
    [1e6, "s"],
    [1e3, "ms"],
  ],
  ms: [[1e3, "s"]],
  "1/s": [[1, "per second"]],
};
