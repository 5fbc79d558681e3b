import {
  COLUMNS,
  ROW_VERDICTS,
  type Inspection,
  type ModeFound,
  type NodeRow,
  type Row,
  type RowVerdict,
} from "../datapath/inspect/inspection";
import { USUAL_LAYOUT, type Layout } from "../datapath/inspect/layout";
import { type Look, PLAIN, plain, someOf, table } from "../render/terminal";

/** The word for each verdict. */
export const ROW_WORDS: Readonly<Record<RowVerdict, string>> = {
  "in force": "IN FORCE",
  "not observable": "UNSEEN",
  fallback: "FALLBACK",
  drift: "DRIFT",
  contradiction: "CONTRADICTION",
};

/** Whether a row is a fallback, a drift or a contradiction. */
export const isWrong = ({ verdict }: Pick<Row, "verdict">) => verdict !== "in force" && verdict !== "not observable";

const NOTHING = "-";

/** Nodes of a row that say the same. */
export interface Group {
  readonly row: Row;
  readonly nodes: readonly string[];
  readonly said: NodeRow;
}

/** The nodes of a row, folded where they say the same; those that contradict come first. */
export function groupsOf(row: Row): Group[] {
  const groups = new Map<string, NodeRow[]>();
  for (const node of row.nodes) {
    const key = JSON.stringify([node.verdict, node.reason, ...COLUMNS.map((column) => node[column])]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [node]);
    else group.push(node);
  }
  const folded = [...groups.values()].map((nodes) => ({
    row,
    nodes: nodes.map(({ node }) => node),
    said: nodes[0]!,
  }));
  return [...folded.filter(({ said }) => isWrong(said)), ...folded.filter(({ said }) => !isWrong(said))];
}

/** The same without the nodes that did not answer: that is said once, and not in each row. */
export function answeredIn(inspection: Inspection): Inspection {
  if (isSilent(inspection)) return inspection;
  const { rows, silent, ...more } = inspection;
  const all = rows.map((row) => ({ ...row, nodes: row.nodes.filter(({ node }) => silent[node] === undefined) }));
  return { ...more, silent, rows: all.map((row) => ({ ...row, verdict: worstOf(row.nodes) })) };
}

const worstOf = (nodes: readonly NodeRow[]) =>
  ROW_VERDICTS[Math.max(...nodes.map(({ verdict }) => ROW_VERDICTS.indexOf(verdict)))]!;

/** How many lines a row takes at most in the terminal, and a list of reasons or nodes. */
const MOST_GROUPS = 5;
const MOST_LINES = 10;

/** The first of some lines, and how many more there are. */
function firstOf(lines: readonly string[], what: string, most = MOST_LINES): readonly string[] {
  const more = lines.length - most;
  if (more <= 1) return lines;
  return [...lines.slice(0, most), `and ${more.toLocaleString("en")} more ${what}; --json shows all`];
}

/** Whether a row is off on every node, in every column, so that it is not worth a line of its own. */
const isOff = ({ verdict, nodes }: Row) =>
  verdict === "in force" &&
  nodes.every((node) => COLUMNS.every((column) => /^(?:off|disabled)$/.test(node[column] ?? "off")));

/** Which rows a text has: all of them, those that are not off everywhere, or those that make the mode. Rows that contradict are in each. */
export type RowsShown = "all" | "on" | "mode";

const OF_MODE: readonly string[] = ["services", "host-routing", "masquerading", "network"];

const isShown = (row: Row, rows: RowsShown) =>
  rows === "all" || isWrong(row) || (rows === "mode" ? OF_MODE.includes(row.id) : !isOff(row));

/** The mode in one phrase. */
function modeText({ name, network, nearest, differences }: ModeFound): string {
  const ways = network === undefined ? "" : network === "native" ? ", native routing" : `, ${network} tunnel`;
  return name === undefined
    ? `no named mode${ways}; nearest is ${nearest}: ${differences.join(", ")}`
    : `mode ${name}${ways}`;
}

/** The reasons of rows with one of some verdicts, each once, with the rows and nodes that it is about. */
function reasonsOf(rows: readonly Row[], wanted: (said: NodeRow) => boolean): string[] {
  const about = new Map<string, string[]>();
  for (const row of rows) {
    for (const { nodes, said } of groupsOf(row).filter((group) => wanted(group.said))) {
      const where = nodes.length === row.nodes.length ? "" : ` on ${someOf(nodes)}`;
      const reason = said.reason ?? "";
      about.set(reason, [...(about.get(reason) ?? []), `${row.title}${where}`]);
    }
  }
  return [...about].map(([reason, titles]) => plain(`${titles.join(", ")}: ${reason}`));
}

/** Whether no agent answered, so that only configuration is known. */
export const isSilent = ({ nodes, silent }: Pick<Inspection, "nodes" | "silent">) =>
  Object.keys(silent).length === nodes.looked;

/** Where Cilium runs, if that is not where most clusters have it. */
export function layoutText({ namespace, daemonSet, distribution }: Layout): string | undefined {
  const isUsual = namespace === USUAL_LAYOUT.namespace && daemonSet === USUAL_LAYOUT.daemonSet;
  const where = isUsual ? [] : [`Cilium runs as DaemonSet ${daemonSet} in namespace ${namespace}`];
  const untried =
    distribution === undefined || distribution === "kind"
      ? []
      : [`the nodes are ${distribution}'s, on which this command has not been tried`];
  const said = [...where, ...untried].join("; ");
  return said === "" ? undefined : `${said[0]!.toUpperCase()}${said.slice(1)}`;
}

/** What an inspection comes to, in one line. */
export function conclusionOf(name: string, { mode, rows, nodes, silent, seconds }: Inspection): string {
  if (isSilent({ nodes, silent }))
    return `${name}: no agent answered; what runs is not known (${nodesText(nodes.all)})`;
  const wrong = rows.filter(isWrong).length;
  const count = wrong === 0 ? "nothing contradicts" : wrong === 1 ? "1 row contradicts" : `${wrong} rows contradict`;
  const { looked, all } = nodes;
  const seen = looked === all ? nodesText(all) : `${looked.toLocaleString("en")} of ${nodesText(all)}`;
  const unheard = Object.keys(silent).length;
  const without = unheard === 0 ? "" : `, of which ${unheard.toLocaleString("en")} did not answer`;
  return `${name}: ${modeText(mode)}; ${count} (${rows.length} rows, ${seen}${without}, ${seconds} s)`;
}

const nodesText = (nodes: number) => (nodes === 1 ? "1 node" : `${nodes.toLocaleString("en")} nodes`);

/** The nodes that did not answer, with the reason. */
const silentIn = ({ silent }: Inspection) => Object.entries(silent).map(([node, why]) => plain(`${node}: ${why}`));

/** An inspection for reading: the matrix, what contradicts, what could not be seen, and the conclusion. */
export function inspectionText(name: string, whole: Inspection, look: Look = PLAIN, rows: RowsShown = "on"): string {
  const inspection = answeredIn(whole);
  const shown = inspection.rows.filter((row) => isShown(row, rows));
  const others = inspection.rows.filter((row) => !shown.includes(row)).map(({ title }) => title);
  const left =
    rows === "mode" ? `${others.length} more rows, in which nothing contradicts` : `Off: ${others.join(", ")}`;
  const isNarrow = look.columns !== undefined && look.columns < NARROW;
  const section = (title: string, entries: readonly string[], what = "reasons") =>
    entries.length === 0 ? [] : ["", title, ...firstOf(entries, what).map((entry) => `  - ${entry}`)];
  return [
    (isNarrow ? blocks : matrix)(shown, look),
    ...(others.length === 0 ? [] : ["", left]),
    ...section("Nodes that did not answer:", silentIn(inspection), "nodes"),
    ...section(
      "Not observable here:",
      reasonsOf(shown, ({ verdict }) => verdict === "not observable"),
    ),
    ...section("Contradictions:", reasonsOf(inspection.rows, isWrong)),
    "",
    ...[layoutText(inspection.layout)].filter((line) => line !== undefined),
    look.colors.bold(conclusionOf(name, inspection)),
  ].join("\n");
}

/** The width below which a row's columns are below each other. */
const NARROW = 80;

/** What the nodes of a row say, and how many more of them differ. */
function foldedIn(row: Row): { readonly groups: readonly Group[]; readonly more?: string } {
  const groups = groupsOf(row);
  if (groups.length <= MOST_GROUPS + 1) return { groups };
  const more = groups.slice(MOST_GROUPS).reduce((sum, { nodes }) => sum + nodes.length, 0);
  return {
    groups: groups.slice(0, MOST_GROUPS),
    more: `${more.toLocaleString("en")} more, which differ; --json shows all`,
  };
}

function verdictOf({ verdict }: NodeRow, { colors: { green, red, yellow, dim } }: Look): string {
  const paint = { "in force": green, "not observable": dim, fallback: yellow, drift: yellow, contradiction: red };
  return paint[verdict](ROW_WORDS[verdict]);
}

/** A line for each row, or for each part of its nodes that say the same. */
function matrix(rows: readonly Row[], look: Look): string {
  const lines = rows.flatMap((row) => {
    const { groups, more } = foldedIn(row);
    const own = groups.map(({ said, nodes }, index) => [
      verdictOf(said, look),
      index === 0 ? row.title : "",
      ...COLUMNS.map((column) => plain(said[column] ?? NOTHING)),
      nodes.length === row.nodes.length ? "all" : plain(someOf(nodes)),
    ]);
    return more === undefined ? own : [...own, ["", "", ...COLUMNS.map(() => "…"), more]];
  });
  const head = ["VERDICT", "DIMENSION", ...COLUMNS.map((column) => column.toUpperCase()), "NODES"];
  return table([head.map((title) => look.colors.bold(title)), ...lines], look, "", true);
}

/** The same as blocks, whose columns are below each other. */
function blocks(rows: readonly Row[], look: Look): string {
  const lines = rows.flatMap((row) => {
    const { groups, more } = foldedIn(row);
    const own = groups.flatMap(({ said, nodes }) => [
      [verdictOf(said, look), look.colors.bold(row.title)],
      ...(nodes.length === row.nodes.length ? [] : [["  nodes", plain(someOf(nodes))]]),
      ...COLUMNS.flatMap((column) => (said[column] === undefined ? [] : [[`  ${column}`, plain(said[column])]])),
    ]);
    return more === undefined ? own : [...own, ["", more]];
  });
  return table(lines, look, "", true);
}

/** An inspection as GitHub's markdown, for a bug report. */
export function inspectionMarkdown(name: string, whole: Inspection): string {
  const inspection = answeredIn(whole);
  const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(" | ")} |`;
  const rows = inspection.rows.flatMap((row) =>
    groupsOf(row).map(({ said, nodes }) =>
      line([
        row.title + (nodes.length === row.nodes.length ? "" : ` (${someOf(nodes)})`),
        ...COLUMNS.map((column) => said[column] ?? NOTHING),
        isWrong(said) ? `**${said.verdict}**` : said.verdict,
      ]),
    ),
  );
  const list = (entries: readonly string[], what: string) =>
    entries.length === 0 ? [] : ["", ...firstOf(entries, what).map((each) => `- ${each}`)];
  return [
    `**${conclusionOf(name, inspection)}**`,
    "",
    line(["dimension", ...COLUMNS, "verdict"]),
    line(["---", ...COLUMNS.map(() => "---"), "---"]),
    ...rows,
    ...list(reasonsOf(inspection.rows, isWrong), "reasons"),
    ...list(silentIn(inspection), "nodes"),
    "",
    [`Inspected at ${inspection.inspectedAt}`, layoutText(inspection.layout)].filter(Boolean).join("; "),
  ].join("\n");
}

/** The rows that differ between two inspections, as what each of them runs with. */
export function inspectionDiff(
  [left, before]: readonly [string, Inspection],
  [right, after]: readonly [string, Inspection],
  look: Look = PLAIN,
): string {
  const runs = (row: Row | undefined) =>
    [...new Set((row?.nodes ?? []).map((node) => node.observed ?? node.reported ?? node.configured ?? NOTHING))].join(
      ", ",
    );
  const ids = [...new Set([...before.rows, ...after.rows].map(({ id }) => id))];
  const rows = ids.flatMap((id) => {
    const [one, other] = [before, after].map(({ rows: own }) => own.find((row) => row.id === id));
    // times of two clusters always differ
    const [was, is] = id === "configuration" ? ["read", "read"] : [runs(one), runs(other)];
    return was === is && one?.verdict === other?.verdict
      ? []
      : [[(one ?? other)!.title, `${was} (${one?.verdict ?? "no row"})`, `${is} (${other?.verdict ?? "no row"})`]];
  });
  if (rows.length === 0) return `${left} and ${right} have the same datapath: ${modeText(before.mode)}`;
  return table([["DIMENSION", left, right].map((title) => look.colors.bold(title)), ...rows], look, "", true);
}
