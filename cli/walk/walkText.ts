import type { Walk } from "../../datapath/trace/walk";
import { PLAIN, table, type Look } from "../terminal";
import { comparison, ways } from "./walkComparison";
import { drawingLegend, plain, walkDrawing } from "./walkDrawing";
import { clockNote, differenceLines, headline, netfilterLines, reasonsOf } from "./walkSentences";
import { timeline, TIMELINE_HEADS } from "./walkTimeline";

/** A walk for a terminal: its nodes drawn, its timeline, and how it compares with what its mode promises. */
export function walkText(walk: Walk, look = PLAIN): string {
  const clocks = clockNote(walk);
  const rows = timeline(walk);
  return [
    ...headline(walk),
    "",
    ...walkDrawing(walk),
    ...(rows.length === 0 ? [] : [drawingLegend(walk)]),
    "",
    ...(rows.length === 0 ? ["The packet was not seen anywhere."] : lines([TIMELINE_HEADS, ...rows], look)),
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
export function walksText(walks: readonly Walk[], look = PLAIN): string {
  const { heads, rows } = comparison(walks);
  return [
    ...lines([["", ...heads], ...rows.map(({ label, cells }) => [label, ...cells])], look),
    ...ways(walks).flatMap(({ leg, rows: places }) => {
      const first = places.findIndex(({ parts }) => parts);
      const note = (parts: boolean, index: number) => (index === first ? "≠ they part here" : parts ? "≠" : "");
      return [
        "",
        ...lines(
          [
            [`The ${leg}'s way`, ...heads, ""],
            ...places.map(({ place, cells, parts }, index) => [place, ...cells, note(parts, index)]),
          ],
          look,
        ),
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

function lines(rows: readonly (readonly string[])[], look: Look): readonly string[] {
  return table(
    rows.map((row) => row.map((cell) => cell.split("\n").map(plain).join("\n"))),
    look,
  ).split("\n");
}
