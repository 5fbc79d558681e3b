import { PLAIN, plain, table, type Look } from "../../render/terminal";
import { cardTable, type Block, type Cell, type Section, type Table } from "./blocks";
import { MARKS } from "./format";
import type { Report } from "./report";

/** Sections that a terminal shows. */
const SHOWN: ReadonlySet<string> = new Set([
  "subjects",
  "baseline",
  "benchmarks",
  "overhead",
  "growth",
  "rounds",
  "doubts",
]);

/** A report for a terminal, without charts, latencies, differences and method. */
export function reportText({ title, subtitle, alarms, verdicts, sections, notes }: Report, look: Look = PLAIN): string {
  const { bold, red } = look.colors;
  const heads = new Set([title, ...sections.map(headOf)]);
  return [
    title,
    subtitle,
    "",
    ...(alarms.length > 0 ? [FAILED, ...bullets(alarms), ""] : []),
    "Verdict:",
    ...bullets(verdicts),
    ...sections.filter(({ id }) => SHOWN.has(id)).flatMap((section) => sectionLines(section, look)),
    "",
    ...notes,
  ]
    .map((line) => plain(line).trimEnd())
    .map((line) => (line === FAILED ? red(line) : heads.has(line) ? bold(line) : line))
    .join("\n");
}

const FAILED = "FAILED:";

const headOf = ({ title }: Section) => title.toUpperCase();

function sectionLines(section: Section, look: Look): readonly string[] {
  return ["", headOf(section), ...section.blocks.flatMap((block) => linesOf(block, look))];
}

function linesOf(block: Block, look: Look): readonly string[] {
  switch (block.kind) {
    case "heading":
      return ["", block.text];
    case "list":
      return bullets(block.items);
    case "cards":
      return [
        ...block.cards.map(({ title, text }) => `  ${title}: ${text}`),
        "",
        ...tableLines(cardTable(block.cards), look),
      ];
    case "table":
    case "pair":
      return tableLines(block.table, look);
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

function tableLines({ caption, heads, rows }: Table, look: Look): readonly string[] {
  const cells = [heads, ...rows.map(({ head, cells: own }) => [head, ...own.map(cellText)])].map((row) =>
    row.map((cell) => plain(cell.replaceAll("\n", "; "))),
  );
  return [`  ${caption}`, ...table(cells, look, "  ").split("\n")];
}

function cellText({ text, ratio, outcome, noisy = false, alarm }: Cell): string {
  return [
    text,
    ...(ratio === undefined || outcome === undefined ? [] : [`${MARKS[outcome]} ${ratio}`]),
    ...(noisy ? ["noisy"] : []),
    ...(alarm === undefined ? [] : [alarm.toUpperCase()]),
  ].join(" ");
}
