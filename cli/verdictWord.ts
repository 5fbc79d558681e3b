import type { Verdict } from "../datapath/facts";
import type { Look } from "./terminal";

/** Width of the longest verdict. */
const WIDTH = "inconclusive".length;

/** A verdict in its colour, as wide as every other. */
export function verdictWord(verdict: Verdict, { colors }: Look): string {
  const paint: Readonly<Record<Verdict, (text: string) => string>> = {
    pass: colors.green,
    fail: colors.red,
    inconclusive: colors.red,
    warning: colors.yellow,
    skipped: colors.dim,
  };
  return paint[verdict](verdict.padEnd(WIDTH));
}
