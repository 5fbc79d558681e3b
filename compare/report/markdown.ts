import { cardTable, type Block, type Cell, type Table } from "./blocks";
import { MARKS } from "./format";
import type { Report } from "./report";

/** A report as Markdown, for documents and pull requests; tables replace charts. */
export function reportMarkdown({ title, subtitle, alarms, verdicts, sections }: Report): string {
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

/** A block, after an empty line. */
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

/** Escape a text for Markdown, on one line. */
function literal(text: string): string {
  return text
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/>/g, "&gt;")
    .replace(/[\\|*_`[\]~#]/g, "\\$&")
    .replace(/\r?\n/g, "<br>");
}
