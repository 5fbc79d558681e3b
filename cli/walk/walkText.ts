import type { Walk } from "../../datapath/trace/walk";
import { comparison, ways } from "./walkComparison";
import { drawingLegend, plain, walkDrawing } from "./walkDrawing";
import { clockNote, differenceLines, headline, netfilterLines, reasonsOf } from "./walkSentences";
import { timeline, TIMELINE_HEADS } from "./walkTimeline";

/** A walk for a terminal: its nodes drawn, its timeline, and how it compares with what its mode promises. */
export function walkText(walk: Walk): string {
  const clocks = clockNote(walk);
  const rows = timeline(walk);
  return [
    ...headline(walk),
    "",
    ...walkDrawing(walk),
    ...(rows.length === 0 ? [] : [drawingLegend(walk)]),
    "",
    ...(rows.length === 0 ? ["The packet was not seen anywhere."] : table([TIMELINE_HEADS, ...rows])),
    ...(clocks === undefined ? [] : [clocks]),
    "",
    ...section("Promised and seen:", differenceLines(walk)),
    ...section("What decided about the packet:", lookupLines(walk)),
    ...section("Netfilter:", netfilterLines(walk)),
    ...section("What to make of it:", reasonsOf(walk)),
  ]
    .slice(0, -1)
    .map((line) => plain(line).trimEnd())
    .join("\n");
}

/** Walks of several modes beside each other, a column each. */
export function walksText(walks: readonly Walk[]): string {
  const { heads, rows } = comparison(walks);
  return [
    ...table([["", ...heads], ...rows.map(({ label, cells }) => [label, ...cells])]),
    ...ways(walks).flatMap(({ leg, rows: places }) => {
      const first = places.findIndex(({ parts }) => parts);
      const note = (parts: boolean, index: number) => (index === first ? "≠ they part here" : parts ? "≠" : "");
      return [
        "",
        ...table([
          [`The ${leg}'s way`, ...heads, ""],
          ...places.map(({ place, cells, parts }, index) => [place, ...cells, note(parts, index)]),
        ]),
        ...(first === -1 ? ["  the same way in all"] : []),
      ];
    }),
  ]
    .map((line) => plain(line).trimEnd())
    .join("\n");
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [title, ...lines.map((line) => `  - ${line}`), ""];
}

function lookupLines({ lookups }: Walk): readonly string[] {
  return lookups.map(({ node, table: from, line }) => `${from} of ${node}: ${line}`);
}

/** A cell may have several lines. */
function table(rows: readonly (readonly string[])[]): readonly string[] {
  const cells = rows.map((row) => row.map((cell) => cell.split("\n").map(plain)));
  const widths = cells[0]!.map((_, column) =>
    Math.max(...cells.flatMap((row) => row[column]!.map((line) => [...line].length))),
  );
  return cells.flatMap((row) =>
    Array.from({ length: Math.max(...row.map((lines) => lines.length)) }, (_, index) =>
      row
        .map((lines, column) => {
          const line = lines[index] ?? "";
          return line + " ".repeat(widths[column]! - [...line].length);
        })
        .join("  "),
    ),
  );
}
