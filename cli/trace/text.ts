import type { Trace } from "../../datapath/trace/result";
import { PLAIN, plain, table, type Look } from "../../render/terminal";
import { comparison, paths } from "./comparison";
import { drawingLegend, traceDrawing } from "./drawing";
import { clockNote, differenceLines, headline, netfilterLines, reasonsOf } from "./sentences";
import { timeline, TIMELINE_HEADS } from "./steps";

/** A trace for a terminal: drawing, timeline, and comparison with the expected path. */
export function traceText(trace: Trace, look = PLAIN): string {
  const clocks = clockNote(trace);
  const rows = timeline(trace);
  return [
    ...headline(trace),
    "",
    ...traceDrawing(trace),
    ...(rows.length === 0 ? [] : [drawingLegend(trace)]),
    "",
    ...(rows.length === 0 ? ["The packet was not seen anywhere."] : lines([TIMELINE_HEADS, ...rows], look)),
    ...(clocks === undefined ? [] : [clocks]),
    "",
    ...section("Expected and actual path:", differenceLines(trace)),
    ...section("Table entries:", lookupLines(trace)),
    ...section("Netfilter:", netfilterLines(trace)),
    ...section("Reasons:", reasonsOf(trace)),
  ]
    .slice(0, -1)
    .map((line) => plain(line).trimEnd())
    .join("\n");
}

/** Traces side by side, one column each. */
export function tracesText(traces: readonly Trace[], look = PLAIN): string {
  const { heads, rows } = comparison(traces);
  return [
    ...lines([["", ...heads], ...rows.map(({ label, cells }) => [label, ...cells])], look),
    ...paths(traces).flatMap(({ leg, rows: places }) => {
      const first = places.findIndex(({ diverges }) => diverges);
      const note = (diverges: boolean, index: number) => (index === first ? "≠ paths diverge" : diverges ? "≠" : "");
      return [
        "",
        ...lines(
          [
            [`${leg} path`, ...heads, ""],
            ...places.map(({ place, cells, diverges }, index) => [place, ...cells, note(diverges, index)]),
          ],
          look,
        ),
        ...(first === -1 ? ["  same path in all"] : []),
      ];
    }),
  ]
    .map((line) => plain(line).trimEnd())
    .join("\n");
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [title, ...lines.map((line) => `  - ${line}`), ""];
}

function lookupLines({ lookups }: Trace): readonly string[] {
  return lookups.map(({ node, table: from, line }) => `${from} of ${node}: ${line}`);
}

function lines(rows: readonly (readonly string[])[], look: Look): readonly string[] {
  return table(
    rows.map((row) => row.map((cell) => cell.split("\n").map(plain).join("\n"))),
    look,
  ).split("\n");
}
