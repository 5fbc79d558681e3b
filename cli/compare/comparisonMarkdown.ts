import type { Analysis } from "../../datapath/compare/analysis";
import type { BaselineAnalysis } from "../../datapath/compare/baseline";
import type { Comparison } from "../../datapath/compare/results";
import { cardTable, type Block, type Cell, type Table } from "./blocks";
import { MARKS } from "./format";
import { reportOf } from "./report";

/** A comparison as Markdown, for documents and pull requests; what charts show of it stands in its tables. */
export function comparisonMarkdown(comparison: Comparison, analysis: Analysis, baseline?: BaselineAnalysis): string {
  const { title, subtitle, alarms, verdicts, sections } = reportOf(comparison, analysis, baseline);
  const lines = [
    `# ${literal(title)}`,
    "",
    literal(subtitle),
    "",
    `## ${alarms.length > 0 ? "Verdict: failed" : "Verdict"}`,
    "",
    ...alarms.map((line) => `- **${literal(line)}**`),
    ...verdicts.map((line) => `- ${literal(line)}`),
    ...sections.flatMap(({ title: text, blocks }) => ["", `## ${literal(text)}`, ...blocks.flatMap(linesOf)]),
    "",
  ];
  return lines.join("\n");
}

/** A block, with an empty line before it. */
function linesOf(block: Block): readonly string[] {
  switch (block.kind) {
    case "text":
      return ["", literal(block.text)];
    case "heading":
      return ["", `### ${literal(block.text)}`];
    case "list":
      return ["", ...block.items.map((item) => `- ${literal(item)}`)];
    case "command":
      return ["", "```sh", block.text.replaceAll("```", "` ` `"), "```"];
    case "facts":
      return ["", ...block.facts.map(([name, value]) => `- ${literal(name)}: ${literal(value)}`)];
    case "cards":
      return [
        "",
        ...block.cards.map(({ title, text }) => `- **${literal(title)}**: ${literal(text)}`),
        "",
        ...tableLines(cardTable(block.cards)),
      ];
    case "charts":
      return [];
    case "table":
    case "pair":
      return ["", ...tableLines(block.table)];
    case "folded":
      return [
        "",
        `<details><summary>${literal(block.summary)}</summary>`,
        ...block.blocks.flatMap(linesOf),
        "",
        "</details>",
      ];
  }
}

function tableLines({ caption, heads, rows }: Table): readonly string[] {
  return [
    literal(caption),
    "",
    rowLine(heads.map(literal)),
    rowLine(heads.map(() => "---")),
    ...rows.map(({ head, note, cells }) =>
      rowLine([`${literal(head)}${note === undefined ? "" : `: ${literal(note)}`}`, ...cells.map(cellText)]),
    ),
  ];
}

function rowLine(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

function cellText({ text, strong = false, unit, spread, ratio, outcome, noisy = false, alarm }: Cell): string {
  return [
    `${strong ? `**${literal(text)}**` : literal(text)}${unit === undefined ? "" : ` ${literal(unit)}`}${spread === undefined ? "" : `, ${spread}`}`,
    ...(ratio === undefined || outcome === undefined ? [] : [`${MARKS[outcome]} ${ratio}`]),
    ...(noisy ? ["*noisy*"] : []),
    ...(alarm === undefined ? [] : [`**${literal(alarm)}**`]),
  ].join("<br>");
}

/** A text that Markdown shows as it is, on one line. */
function literal(text: string): string {
  return text
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/>/g, "&gt;")
    .replace(/[\\|*_`[\]~#]/g, "\\$&")
    .replace(/\r?\n/g, "<br>");
}
