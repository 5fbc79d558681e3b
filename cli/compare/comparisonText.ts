import type { Analysis } from "../../datapath/compare/analysis";
import type { BaselineAnalysis } from "../../datapath/compare/baseline";
import type { Comparison } from "../../datapath/compare/results";
import { plain } from "../walk/walkDrawing";
import { cardTable, type Block, type Cell, type Section, type Table } from "./blocks";
import { MARKS } from "./format";
import { reportOf } from "./report";

/** Sections that a terminal shows in full; of the others it names what they are about. */
const SHOWN: ReadonlySet<string> = new Set(["subjects", "baseline", "benchmarks", "growth", "doubts"]);

/** A comparison for a terminal: verdicts, figures, noise, what was left out, and what changed since a baseline. */
export function comparisonText(comparison: Comparison, analysis: Analysis, baseline?: BaselineAnalysis): string {
  const { title, subtitle, alarms, verdicts, sections } = reportOf(comparison, analysis, baseline);
  const differing = analysis.differences.filter(({ differs }) => differs).length;
  return [
    title,
    subtitle,
    "",
    ...(alarms.length > 0 ? ["FAILED:", ...bullets(alarms), ""] : []),
    "Verdict:",
    ...bullets(verdicts),
    ...sections.filter(({ id }) => SHOWN.has(id)).flatMap(sectionLines),
    "",
    `${differing} of ${analysis.differences.length} things that were read differ; a report shows them, and distributions`,
    `Again: ${comparison.method.command}`,
  ]
    .map((line) => plain(line).trimEnd())
    .join("\n");
}

function sectionLines({ title, blocks }: Section): readonly string[] {
  return ["", title.toUpperCase(), ...blocks.flatMap(linesOf)];
}

function linesOf(block: Block): readonly string[] {
  switch (block.kind) {
    case "heading":
      return ["", block.text];
    case "list":
      return bullets(block.items);
    case "cards":
      return [
        ...block.cards.map(({ title, text }) => `  ${title}: ${text}`),
        "",
        ...tableLines(cardTable(block.cards)),
      ];
    case "table":
    case "pair":
      return tableLines(block.table);
    case "text":
      return [block.brief ?? block.text];
    case "facts":
      return block.facts.map(([name, value]) => `  ${name}: ${value}`);
    case "folded":
      return [`  (${block.summary})`];
    case "command":
    case "charts":
      return [];
  }
}

function bullets(lines: readonly string[]): readonly string[] {
  return lines.map((line) => `  - ${line}`);
}

function tableLines({ caption, heads, rows }: Table): readonly string[] {
  const cells = [heads, ...rows.map(({ head, cells: own }) => [head, ...own.map(cellText)])].map((row) =>
    row.map((cell) => plain(cell.replaceAll("\n", "; "))),
  );
  const widths = heads.map((_, column) => Math.max(...cells.map((row) => [...(row[column] ?? "")].length)));
  return [
    `  ${caption}`,
    ...cells.map(
      (row) => `  ${row.map((cell, column) => cell + " ".repeat(widths[column]! - [...cell].length)).join("  ")}`,
    ),
  ];
}

function cellText({ text, ratio, outcome, noisy = false, alarm }: Cell): string {
  return [
    text,
    ...(ratio === undefined || outcome === undefined ? [] : [`${MARKS[outcome]} ${ratio}`]),
    ...(noisy ? ["noisy"] : []),
    ...(alarm === undefined ? [] : [alarm.toUpperCase()]),
  ].join(" ");
}
