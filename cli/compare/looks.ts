import type { Comparison } from "../../datapath/compare/results";

/** What a subject looks like in every chart: told apart by colour, symbol and dashes. */
export interface Look {
  /** A CSS colour of the page. */
  readonly colour: string;
  /** Path of an SVG in a square of 10 by 10. */
  readonly symbol: string;
  readonly dash: readonly number[];
}

/** Colours that people who see few colours tell apart too (after Okabe and Ito); the reference's is grey. */
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

/** Each subject's look; the reference has the first. */
export function looksOf({ subjects }: Comparison, reference: string): ReadonlyMap<string, Look> {
  const names = subjects.map(({ name }) => name).sort((left, right) => +(right === reference) - +(left === reference));
  return new Map(
    names.map((name, index) => [
      name,
      {
        colour: `var(--subject-${index % LIGHT.length})`,
        symbol: SYMBOLS[index % SYMBOLS.length]!,
        dash: DASHES[index % DASHES.length]!,
      },
    ]),
  );
}

/** The looks' colours for a page, in light and dark. */
export const LOOK_COLOURS = `
:root { ${variables(LIGHT)} }
@media screen and (prefers-color-scheme: dark) { :root { ${variables(DARK)} } }
`;

function variables(colours: readonly string[]): string {
  return colours.map((colour, index) => `--subject-${index}: ${colour};`).join(" ");
}

/** A subject's line and symbol, to stand before its name. */
export function lookMark({ colour, symbol, dash }: Look): string {
  return `<svg class="look" viewBox="0 0 30 12" aria-hidden="true"><path d="M0 6H30" fill="none" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash.join(" ")}"/><path d="${symbol}" transform="translate(10 1)" fill="${colour}"/></svg>`;
}
