import { COLUMNS, type Inspection } from "../datapath/inspect/inspection";
import { escaped, page } from "../render/html";
import { conclusionOf, groupsOf, isWrong, layoutText, ROW_WORDS } from "./inspectText";

const STYLE = `
:root { color-scheme: light dark; --bg: #fff; --fg: #1b1f24; --dim: #59636e; --line: #d1d9e0; --good: #1a7f37; --warn: #9a6700; --bad: #cf222e }
@media (prefers-color-scheme: dark) { :root { --bg: #0d1117; --fg: #e6edf3; --dim: #9198a1; --line: #3d444d; --good: #3fb950; --warn: #d29922; --bad: #f85149 } }
body { background: var(--bg); color: var(--fg); font: 15px/1.5 system-ui, sans-serif; margin: 0 }
main { max-width: 1100px; margin: 0 auto; padding: 24px 16px }
h1 { font-size: 20px } p.dim, td.dim { color: var(--dim) }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: 6px 10px; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere }
th { color: var(--dim); font-weight: 600 } .fallback, .drift { color: var(--warn) } .contradiction { color: var(--bad) } .force { color: var(--good) } .observable { color: var(--dim) }
details summary { cursor: pointer } .nodes, .reason { color: var(--dim); font-size: 13px }
@media (max-width: 640px) { thead { display: none } tr { display: block; padding: 8px 0; border-bottom: 1px solid var(--line) } td { display: flex; gap: 12px; border: 0; padding: 2px 0 } td::before { content: attr(data-column); flex: 0 0 100px; color: var(--dim) } }
`;

/** An inspection as a self-contained page: rows that contradict come first, and each node is a click away. */
export function inspectionHtml(name: string, inspection: Inspection): string {
  const rows = [...inspection.rows.filter(isWrong), ...inspection.rows.filter((row) => !isWrong(row))];
  const cell = (column: string, content: string, kind = "") =>
    `<td data-column="${column}"${kind === "" ? "" : ` class="${kind}"`}>${content}</td>`;
  const body = rows.flatMap((row) =>
    groupsOf(row).map(({ said, nodes }) => {
      const list = nodes.map((node) => escaped(node)).join(", ");
      const title = `<details><summary>${escaped(row.title)}</summary><div class="nodes">${list}</div></details>`;
      const kind = said.verdict.split(" ").at(-1)!;
      const reason = said.reason === undefined ? "" : `<div class="reason">${escaped(said.reason)}</div>`;
      return [
        "<tr>",
        cell("dimension", title),
        ...COLUMNS.map((column) =>
          said[column] === undefined ? cell(column, "–", "dim") : cell(column, escaped(said[column])),
        ),
        cell("verdict", `${escaped(ROW_WORDS[said.verdict])}${reason}`, kind),
        "</tr>",
      ].join("");
    }),
  );
  const head = ["dimension", ...COLUMNS, "verdict"].map((title) => `<th>${title}</th>`).join("");
  return page({
    title: `Datapath of ${name}`,
    style: STYLE,
    main: [
      `<h1>${escaped(conclusionOf(name, inspection))}</h1>`,
      `<p class="dim">${escaped([`Inspected at ${inspection.inspectedAt}`, layoutText(inspection.layout)].filter(Boolean).join("; "))}</p>`,
      `<table><thead><tr>${head}</tr></thead><tbody>`,
      ...body,
      "</tbody></table>",
    ],
  });
}
