import type { Station, Trace } from "../../datapath/trace/result";
import { STATION_ROLES, type StationRole } from "../../modes/tracePaths";
import { escaped, page, PAGE_STYLE, themeColors } from "../../render/html";
import { comparison, paths } from "./comparison";
import { stationIds } from "./graph";
import { TRACE_HTML_SCRIPT, TRACE_HTML_STYLE } from "./htmlAssets";
import { clockNote, differenceLines, netfilterLines, outcomeOf, reasonsOf, routingOf, verdictText } from "./sentences";
import { missingHops, placeOf, stepsOf, timeline, TIMELINE_HEADS } from "./steps";
import { tracesPicture } from "./svg";
import { TRACE_SVG_STYLE } from "./svgStyle";

/** A self-contained page of traces: pictures to step through, timelines, and a comparison of several. */
export async function tracesHtml(traces: readonly Trace[]): Promise<string> {
  const sections: string[] = [];
  const titles = [...new Set(traces.map(({ title }) => title))];
  for (const [index, trace] of traces.entries())
    sections.push(await traceSection(trace, `trace${index + 1}`, titles.length === 1));
  const modes = traces.map(({ mode }) => mode).join(", ");
  return page({
    title: `${titles.join("; ")} (${modes})`,
    style: `${themeColors(":root")}${PAGE_STYLE}${TRACE_SVG_STYLE}${TRACE_HTML_STYLE}`,
    main: [
      `<h1>${escaped(titles.join("; "))}</h1>`,
      ...(traces.length > 1 && new Set(traces.map(({ scenario }) => scenario)).size === 1
        ? [await comparisonSection(traces)]
        : []),
      ...sections,
    ],
    script: TRACE_HTML_SCRIPT,
  });
}

async function comparisonSection(traces: readonly Trace[]): Promise<string> {
  const { heads, rows } = comparison(traces);
  return [
    "<section>",
    "<h2>Comparison</h2>",
    scrolling(
      "Comparison",
      tableOf(
        "The traces side by side",
        ["", ...heads],
        rows.map(({ label, cells }) => rowOf([label, ...cells])),
      ),
    ),
    ...paths(traces).flatMap(({ leg, rows: places }) => [
      `<h3>${capitalized(leg)} path</h3>`,
      scrolling(
        `${capitalized(leg)} path`,
        tableOf(
          places.some(({ diverges }) => diverges)
            ? "Step and interface at each place; ≠: not all traces pass here"
            : "Step and interface at each place: the same path in all traces",
          ["", ...heads, ""],
          places.map(({ place, cells, diverges }) =>
            rowOf([place, ...cells, diverges ? "≠" : ""], diverges ? ' class="diverges"' : ""),
          ),
        ),
      ),
    ]),
    "<h3>Side by side</h3>",
    scrolling("Pictures side by side", await tracesPicture(traces, { prefix: "compared" })),
    "</section>",
  ].join("\n");
}

async function traceSection(trace: Trace, prefix: string, isAlone: boolean): Promise<string> {
  const bad = trace.verdict === "pass" ? "" : " bad";
  const clocks = clockNote(trace);
  const steps = stepsOf(trace);
  return [
    `<section class="trace" aria-labelledby="${prefix}-title">`,
    `<h2 id="${prefix}-title">${isAlone ? "Mode" : escaped(`${trace.title}: mode`)} ${escaped(trace.mode)} <span class="verdict${bad}">${verdictText(trace.verdict)}</span></h2>`,
    factsOf(trace),
    '<div class="stage">',
    scrolling("Picture of the trace", await tracesPicture([trace], { prefix })),
    '<div class="beside">',
    STEPPER,
    '<div class="findings">',
    listOf("Expected and actual path", differenceLines(trace), differing(trace)),
    listOf("Reasons", reasonsOf(trace)),
    listOf("Netfilter", netfilterLines(trace)),
    "</div>",
    "</div>",
    "</div>",
    "<h3>Timeline</h3>",
    ...(steps.length === 0
      ? ["<p>The packet was not seen anywhere.</p>"]
      : [scrolling("Timeline", timelineTable(trace, prefix))]),
    ...(clocks === undefined ? [] : [`<p>${escaped(clocks)}</p>`]),
    listOf(
      "Table entries",
      trace.lookups.map(({ node, table, line }) => `${table} of ${node}: ${line}`),
    ),
    "<h3>Purpose of each interface</h3>",
    purposesOf(trace),
    "</section>",
  ].join("\n");
}

const STEPPER = `<div class="stepper" hidden="">
<button type="button" data-action="back">Back</button>
<button type="button" data-action="next">Next</button>
<button type="button" data-action="first">Restart</button>
<p class="now" role="status"></p>
<p class="purpose"></p>
</div>`;

function factsOf(trace: Trace): string {
  const { probe } = trace;
  const facts: readonly (readonly [string, string])[] = [
    ["scenario", escaped(trace.title)],
    ["cluster", escaped(`${trace.cluster}, ${routingOf(trace)}, Cilium ${trace.version}`)],
    ["packet", escaped(`${probe.protocol} from ${probe.from} to ${probe.to}`)],
    ["command", `<code>${escaped(probe.command)}</code>`],
    ...(trace.notes ?? []).map((note) => ["settings", escaped(note)] as const),
    ["outcome", escaped(outcomeOf(trace))],
    ["started", escaped(trace.startedAt)],
  ];
  return `<dl class="facts">${facts.map(([name, value]) => `<dt>${name}</dt><dd>${value}</dd>`).join("")}</dl>`;
}

function differing(trace: Trace): boolean {
  return missingHops(trace).length > 0 || trace.legs.some(({ differences }) => differences.length > 0);
}

function timelineTable(trace: Trace, prefix: string): string {
  const drawing = `${prefix}-1`; // the only one in this picture
  const idOf = stationIds(trace, drawing);
  const cells = timeline(trace);
  return tableOf(
    "Each time that an interface saw the packet; µs since the first, by the clock of the node’s machine",
    TIMELINE_HEADS,
    stepsOf(trace).map(({ number, hop, unexpected }, index) =>
      rowOf(
        cells[index]!,
        ` data-step="${drawing}-step-${number}" data-station="${idOf(hop.station)}"${unexpected ? ' class="different"' : ""}`,
        "note",
      ),
    ),
  );
}

/** Interfaces by role, readable without hovering. */
function purposesOf({ nodes }: Trace): string {
  const stations = nodes.flatMap((node) => node.stations);
  const roles = (Object.keys(STATION_ROLES) as StationRole[]).flatMap((role) => {
    const own = stations.filter((station: Station) => station.role === role);
    return own.length === 0
      ? []
      : [`<dt>${escaped(own.map(placeOf).join(", "))}</dt><dd>${escaped(STATION_ROLES[role])}</dd>`];
  });
  return `<dl class="purposes">${roles.join("\n")}</dl>`;
}

const capitalized = (text: string) => text[0]!.toUpperCase() + text.slice(1);

function scrolling(label: string, content: string): string {
  return `<div class="scroll" tabindex="0" role="region" aria-label="${escaped(label)}">${content}</div>`;
}

function listOf(title: string, lines: readonly string[], different = false): string {
  if (lines.length === 0) return "";
  const items = lines.map((line) => `<li>${escaped(line)}</li>`).join("");
  return `<h3>${escaped(title)}</h3><ul${different ? ' class="different"' : ""}>${items}</ul>`;
}

function tableOf(caption: string, heads: readonly string[], rows: readonly string[]): string {
  const head = heads.map((text) => (text === "" ? "<td></td>" : `<th scope="col">${escaped(text)}</th>`)).join("");
  return `<table><caption>${escaped(caption)}</caption><thead><tr>${head}</tr></thead><tbody>\n${rows.join("\n")}\n</tbody></table>`;
}

/** A row whose first cell is its head, and whose last cell can have a class. */
function rowOf(cells: readonly string[], attributes = "", last?: string): string {
  const [head, ...rest] = cells.map(escaped);
  const tail = rest.map((cell, index) =>
    last !== undefined && index === rest.length - 1 ? `<td class="${last}">${cell}</td>` : `<td>${cell}</td>`,
  );
  return `<tr${attributes}><th scope="row">${head}</th>${tail.join("")}</tr>`;
}
