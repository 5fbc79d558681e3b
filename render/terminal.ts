import Table from "cli-table3";
import { createColors } from "picocolors";

/** How something may look where it is shown. */
export interface Look {
  readonly colors: Pick<ReturnType<typeof createColors>, "bold" | "dim" | "red" | "green" | "yellow" | "cyan">;
  /** Width of the terminal; undefined where lines may be as long as they are: in files and for other programs. */
  readonly columns?: number | undefined;
}

/** For files, reports and other programs. */
export const PLAIN: Look = { colors: createColors(false) };

/** What a stream can show: colours in a terminal, unless NO_COLOR is set or it has none. */
export function lookOf(stream: NodeJS.WriteStream): Look {
  if (!stream.isTTY) return PLAIN;
  return { colors: createColors(stream.hasColors()), columns: stream.columns };
}

/** The narrowest that a table's last column becomes: what is narrower yet is left to the terminal to break. */
const NARROWEST = 24;

const GAP = "  ";

/** No lines between columns and rows, as in every command's tables. */
const BARE = Object.fromEntries(
  ["top", "bottom", "left", "right", "mid"].flatMap((at) =>
    [at, `${at}-mid`, `${at}-left`, `${at}-right`, `${at}-${at}`].map((name) => [name, ""]),
  ),
);

/** Rows in columns as wide as their widest cell, which may have several lines; in a terminal the last column is broken where the line would end. */
export function table(rows: readonly (readonly string[])[], { columns }: Look, indent = ""): string {
  const widths = widthsOf(rows);
  const before = widths.slice(0, -1).reduce((sum, width) => sum + width + GAP.length, indent.length);
  const last = columns === undefined ? widths.at(-1)! : Math.max(columns - before, NARROWEST);
  const drawn = new Table({
    chars: { ...BARE, middle: GAP } as Table.TableInstanceOptions["chars"],
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [], compact: true },
    colWidths: [...widths.slice(0, -1), Math.min(last, widths.at(-1)!)],
    wordWrap: columns !== undefined,
  });
  drawn.push(...rows.map((row) => [...row]));
  return drawn
    .toString()
    .split("\n")
    .map((line) => (indent + line).replace(/\s+((?:\x1b\[\d+m)*)$/, "$1"))
    .join("\n");
}

function widthsOf(rows: readonly (readonly string[])[]): number[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  return Array.from({ length: columns }, (_, index) =>
    Math.max(
      1,
      ...rows.flatMap((row) =>
        visible(row[index] ?? "")
          .split("\n")
          .map(lengthOf),
      ),
    ),
  );
}

const lengthOf = (line: string) => [...line].length;

/** A text without colours. */
const visible = (text: string) => text.replace(/\x1b\[\d+m/g, "");

/** A text without control characters, which is safe to print. */
export function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cs}\u2028\u2029]/gu, "\u{FFFD}");
}
