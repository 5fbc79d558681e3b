import Table from "cli-table3";
import { createColors } from "picocolors";
import type { Verdict } from "../modes/verdict";

/** How a text may look on a stream. */
export interface Look {
  readonly colors: Pick<ReturnType<typeof createColors>, "bold" | "dim" | "red" | "green" | "yellow" | "cyan">;
  /** Maximum width of a line; undefined for any: in files and for other programs. */
  readonly columns?: number | undefined;
}

/** For files, reports and other programs. */
export const PLAIN: Look = { colors: createColors(false) };

/** The width down to which a table's last column is broken before the others are. */
const NARROWEST = 24;

/** The width down to which words are broken, as long as a column's title. */
const BROKEN = 10;

const GAP = "  ";

/** No lines between columns and rows. */
const BARE = Object.fromEntries(
  ["top", "bottom", "left", "right", "mid"].flatMap((at) =>
    [at, `${at}-mid`, `${at}-left`, `${at}-right`, `${at}-${at}`].map((name) => [name, ""]),
  ),
);

/**
 * Rows in columns as wide as their widest cell, which may have several lines. Lines that would be too long are broken
 * between words: first in the last column, then in the widest others.
 * @param isBreaking whether long words are broken too where that is not enough, but for those of the first column
 */
export function table(
  rows: readonly (readonly string[])[],
  { columns }: Look,
  indent = "",
  isBreaking = false,
): string {
  const widths = widthsOf(rows, "\n");
  const words = widthsOf(rows, /\s/);
  const least = isBreaking ? words.map((width, column) => (column === 0 ? width : Math.min(width, BROKEN))) : words;
  const colWidths = columns === undefined ? widths : narrowed(widths, words, least, columns - indent.length);
  const drawn = new Table({
    chars: { ...BARE, middle: GAP } as Table.TableInstanceOptions["chars"],
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [], compact: true },
    colWidths,
    wordWrap: columns !== undefined,
  });
  const shown = (cell: string, index: number) => (isBreaking ? withBrokenWords(cell, colWidths[index]!) : cell);
  drawn.push(...rows.map((row) => row.map(shown)));
  return drawn
    .toString()
    .split("\n")
    .map((line) => (indent + line).replace(/\s+((?:\x1b\[\d+m)*)$/, "$1"))
    .join("\n");
}

/** A word without colors in parts: after its punctuation, or wherever it is too long. */
function withBrokenWords(text: string, width: number): string {
  return text.replace(/\S+/g, (word) => {
    if (word.includes("\x1b") || lengthOf(word) <= width) return word;
    const pieces = word.match(/[^-/.,:=]+[-/.,:=]*|[-/.,:=]+/g)!.flatMap((piece) => chunks(piece, width));
    const lines: string[] = [];
    for (const piece of pieces) {
      const line = (lines.at(-1) ?? "") + piece;
      if (lines.length > 0 && lengthOf(line) <= width) lines[lines.length - 1] = line;
      else lines.push(piece);
    }
    return lines.join(" ");
  });
}

function chunks(text: string, size: number): string[] {
  const letters = [...text];
  return Array.from({ length: Math.ceil(letters.length / size) }, (_, index) =>
    letters.slice(index * size, (index + 1) * size).join(""),
  );
}

/**
 * Column widths of which a row fits into a line, where that is possible.
 * @param words lengths of the longest words @param least widths below which no column goes
 */
function narrowed(
  widths: readonly number[],
  words: readonly number[],
  least: readonly number[],
  columns: number,
): number[] {
  const fitted = [...widths];
  const last = fitted.length - 1;
  let excess = fitted.reduce((sum, width) => sum + width + GAP.length, -GAP.length) - columns;
  const narrow = (column: number, to: number, by = excess) => {
    const less = Math.max(0, Math.min(by, fitted[column]! - to));
    fitted[column]! -= less;
    excess -= less;
    return less > 0;
  };
  narrow(last, Math.max(NARROWEST, words[last]!));
  for (const limits of [words, least])
    while (excess > 0) {
      const widestFirst = fitted.map((_, column) => column).sort((a, b) => fitted[b]! - fitted[a]!);
      if (!widestFirst.some((column) => narrow(column, limits[column]!, 1))) break;
    }
  return fitted;
}

/** The length of the longest part in each column. */
function widthsOf(rows: readonly (readonly string[])[], separator: string | RegExp): number[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  return Array.from({ length: columns }, (_, index) =>
    Math.max(
      1,
      ...rows.flatMap((row) =>
        visible(row[index] ?? "")
          .split(separator)
          .map(lengthOf),
      ),
    ),
  );
}

const lengthOf = (line: string) => [...line].length;

/** A text without colors. */
const visible = (text: string) => text.replace(/\x1b\[\d+m/g, "");

/** Names in a line: the first ones, and how many more there are. @param most how many names are shown. Default: 3 */
export function someOf(names: readonly string[], most = 3): string {
  const more = names.length - most;
  // one name is shorter than to say that there is one more
  if (more <= 1) return names.join(", ");
  return `${names.slice(0, most).join(", ")} and ${more.toLocaleString("en")} more`;
}

/** A text without control characters, which is safe to print. */
export function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cs}\u2028\u2029]/gu, "\u{FFFD}");
}

/** The word for each verdict. */
const WORDS = {
  pass: "PASS",
  fail: "FAIL",
  warning: "WARN",
  skipped: "SKIP",
  inconclusive: "UNKNOWN",
} as const satisfies Readonly<Record<Verdict, string>>;

const WORD_WIDTH = Math.max(...Object.values(WORDS).map((word) => word.length));

/** A verdict's word in its color, padded to the width of the longest. */
export function verdictWord(verdict: Verdict, { colors }: Look): string {
  const paint: Readonly<Record<Verdict, (text: string) => string>> = {
    pass: colors.green,
    fail: colors.red,
    inconclusive: colors.red,
    warning: colors.yellow,
    skipped: colors.dim,
  };
  return paint[verdict](WORDS[verdict].padEnd(WORD_WIDTH));
}
