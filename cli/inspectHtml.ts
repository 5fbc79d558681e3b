import { COLUMNS, type Inspection } from "../datapath/inspect/inspection";
import type { Source, Sources } from "../datapath/inspect/sources";
import { escaped, page } from "../render/html";
import { answeredIn, conclusionOf, groupsOf, isWrong, layoutText, ROW_WORDS } from "./inspectText";

const STYLE = `
:root { color-scheme: light dark; --bg: #fff; --fg: #1b1f24; --dim: #59636e; --line: #d1d9e0; --good: #1a7f37; --warn: #9a6700; --bad: #cf222e; --ground: #f4f6f8; --link: #0969da }
@media (prefers-color-scheme: dark) { :root { --bg: #0d1117; --fg: #e6edf3; --dim: #9198a1; --line: #3d444d; --good: #3fb950; --warn: #d29922; --bad: #f85149; --ground: #1e242b; --link: #4493f8 } }
body { background: var(--bg); color: var(--fg); font: 15px/1.5 system-ui, sans-serif; margin: 0 }
main { max-width: 1100px; margin: 0 auto; padding: 24px 16px }
h1 { font-size: 20px } p.dim, td.dim { color: var(--dim) }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: 6px 10px; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: break-word }
th { color: var(--dim); font-weight: 600; white-space: nowrap } .fallback, .drift { color: var(--warn) } .contradiction { color: var(--bad) } .force { color: var(--good) } .observable { color: var(--dim) }
td > button { all: unset; cursor: pointer; text-decoration: underline dotted var(--dim); text-underline-offset: 3px }
:focus-visible, td > button:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 2px }
[popover] { width: min(860px, 94vw); max-height: 86vh; box-sizing: border-box; overflow: auto; padding: 16px; border: 1px solid var(--line); border-radius: 8px; background: var(--bg); color: var(--fg) }
[popover]::backdrop { background: rgb(0 0 0 / 0.45) }
h2 { font-size: 16px; margin: 0 } h3 { font-size: 13px; font-weight: 400; color: var(--dim); margin: 12px 0 4px } [popover] p { margin: 2px 0; font-size: 13px }
pre { margin: 0; padding: 8px; background: var(--ground); border-radius: 6px; font-size: 12px; white-space: pre-wrap; overflow-wrap: anywhere }
.close { margin-top: 12px; font: inherit; padding: 4px 14px; color: inherit; background: var(--ground); border: 1px solid var(--line); border-radius: 6px; cursor: pointer }
details summary { cursor: pointer } .nodes, .reason { color: var(--dim); font-size: 13px; overflow-wrap: anywhere }
@media (max-width: 640px) { thead { display: none } tr { display: block; padding: 8px 0; border-bottom: 1px solid var(--line) } td { display: grid; grid-template-columns: 100px minmax(0, 1fr); gap: 0 12px; border: 0; padding: 2px 0 } td::before { content: attr(data-column); color: var(--dim) } td > button { justify-self: start } .reason { grid-column: 2 } }
`;

/**
 * An inspection as a self-contained page: rows that contradict come first, and what a cell was read from is a click away.
 * Nodes that say the same have one row, with the sources of its first node.
 */
export function inspectionHtml(
  name: string,
  whole: Inspection,
  sourcesOf: (row: string, node: string) => Sources,
): string {
  const inspection = answeredIn(whole);
  const rows = [...inspection.rows.filter(isWrong), ...inspection.rows.filter((row) => !isWrong(row))];
  const cell = (column: string, content: string, kind = "") =>
    `<td data-column="${column}"${kind === "" ? "" : ` class="${kind}"`}>${content}</td>`;
  const body = rows.flatMap((row) =>
    groupsOf(row).map(({ said, nodes }, group) => {
      const list = nodes.map((node) => escaped(node)).join(", ");
      const title = `<details${isWrong(said) ? " open" : ""}><summary>${escaped(row.title)}</summary><div class="nodes">${list}</div></details>`;
      const kind = said.verdict.split(" ").at(-1)!;
      const reason = said.reason === undefined ? "" : `<div class="reason">${escaped(said.reason)}</div>`;
      const sources = sourcesOf(row.id, nodes[0]!);
      return [
        "<tr>",
        cell("dimension", title),
        ...COLUMNS.map((column) => {
          const value = escaped(said[column] ?? "–");
          const own = sources[column] ?? [];
          const content =
            own.length === 0
              ? value
              : openable(`${row.id}-${group}-${column}`, value, `${row.title}: ${column}`, nodes, own);
          return cell(column, content, said[column] === undefined ? "dim" : "");
        }),
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
      `<p class="dim">${escaped([`Inspected at ${inspection.inspectedAt}`, layoutText(inspection.layout)].filter(Boolean).join("; "))}. A value opens what it was read from; a dimension opens its nodes.</p>`,
      `<table><thead><tr>${head}</tr></thead><tbody>`,
      ...body,
      "</tbody></table>",
    ],
  });
}

/** A value that opens what it was read from. Browsers without popovers show it at once. */
function openable(
  id: string,
  value: string,
  title: string,
  nodes: readonly string[],
  sources: readonly Source[],
): string {
  const others = nodes.length - 1;
  const same = others === 0 ? "" : `; ${others} more ${others === 1 ? "node has" : "nodes have"} the same value`;
  return [
    `<button type="button" popovertarget="${id}">${value}</button>`,
    `<div popover id="${id}"><h2>${escaped(title)}</h2><p class="dim">${escaped(nodes[0]!)}${same}</p>`,
    ...sources.map(({ from, lines, left }) => {
      const text = lines.length === 0 ? "" : `<pre>${escaped(lines.join("\n"))}</pre>`;
      return `<h3><code>${escaped(from)}</code></h3>${text}${leftOut(lines.length, left)}`;
    }),
    `<button type="button" class="close" popovertarget="${id}" popovertargetaction="hide">Close</button></div>`,
  ].join("");
}

function leftOut(told: number, left: number): string {
  if (left === 0) return told === 0 ? '<p class="dim">It lists nothing.</p>' : "";
  const lines = left === 1 ? "1 line" : `${left} lines`;
  return `<p class="dim">${told === 0 ? `None of its ${lines} shows it.` : `${lines} left out.`}</p>`;
}
