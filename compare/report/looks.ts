import type { Subject } from "../results";

/** Look of a subject in all charts: color, symbol and dashes. */
export interface Look {
  /** CSS color. */
  readonly color: string;
  /** SVG path in a square of 10 by 10. */
  readonly symbol: string;
  readonly dash: readonly number[];
}

/** Colors that are distinguishable with color blindness (after Okabe and Ito); the reference is gray. */
const LIGHT = ["#57606a", "#0067b1", "#c04a00", "#00795a", "#a3367f", "#7a6200"];
const DARK = ["#b3bdc8", "#62b0f5", "#ff9457", "#3ecf9f", "#ee99cd", "#e3c64d"];
const SYMBOLS = [
  "M5 0A5 5 0 1 1 5 10A5 5 0 1 1 5 0Z",
  "M.5 .5H9.5V9.5H.5Z",
  "M5 0L10 9.5H0Z",
  "M5 -.8L10.8 5L5 10.8L-.8 5Z",
  "M0 .5H10L5 10Z",
];
const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3], [14, 4]];

/** Looks of the subjects; the reference has the first. */
export function looksOf(
  { subjects }: { readonly subjects: readonly Pick<Subject, "name">[] },
  reference: string,
): ReadonlyMap<string, Look> {
  const names = subjects.map(({ name }) => name).sort((left, right) => +(right === reference) - +(left === reference));
  return new Map(
    names.map((name, index) => [
      name,
      {
        color: `var(--subject-${index % LIGHT.length})`,
        symbol: SYMBOLS[index % SYMBOLS.length]!,
        dash: DASHES[index % DASHES.length]!,
      },
    ]),
  );
}

/** The looks' colors in CSS, light and dark. */
export const LOOK_COLORS = `
:root { ${variables(LIGHT)} }
@media screen and (prefers-color-scheme: dark) { :root { ${variables(DARK)} } }
`;

function variables(colors: readonly string[]): string {
  return colors.map((color, index) => `--subject-${index}: ${color};`).join(" ");
}
