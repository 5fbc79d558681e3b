import type { Verdict } from "../datapath/facts";
import type { Look } from "../render/terminal";

/** The word for each verdict. */
const WORDS = {
  pass: "PASS",
  fail: "FAIL",
  warning: "WARN",
  skipped: "SKIP",
  inconclusive: "UNKNOWN",
} as const satisfies Readonly<Record<Verdict, string>>;

const WIDTH = Math.max(...Object.values(WORDS).map((word) => word.length));

/** A verdict's word in its color, padded to the width of the longest. */
export function verdictWord(verdict: Verdict, { colors }: Look): string {
  const paint: Readonly<Record<Verdict, (text: string) => string>> = {
    pass: colors.green,
    fail: colors.red,
    inconclusive: colors.red,
    warning: colors.yellow,
    skipped: colors.dim,
  };
  return paint[verdict](WORDS[verdict].padEnd(WIDTH));
}
