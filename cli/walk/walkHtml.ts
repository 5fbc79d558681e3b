import type { Station, Walk } from "../../datapath/trace/walk";
import { STATION_ROLES, type StationRole } from "../../modes/tracePaths";
import { escaped, page } from "./markup";
import { comparison, ways } from "./walkComparison";
import { stationIds } from "./walkGraph";
import { WALK_HTML_SCRIPT } from "./walkHtmlScript";
import { WALK_HTML_STYLE } from "./walkHtmlStyle";
import { clockNote, differenceLines, netfilterLines, outcomeOf, reasonsOf, routingOf } from "./walkSentences";
import { missingHops, placeOf, stepsOf } from "./walkSteps";
import { walksPicture } from "./walkSvg";
import { WALK_SVG_STYLE, walkColours } from "./walkSvgStyle";
import { timeline, TIMELINE_HEADS } from "./walkTimeline";

/** A page about walks that needs nothing else: drawings to step through, timelines, and for several a comparison. */
export async function walkHtml(walks: readonly Walk[]): Promise<string> {
  const sections: string[] = [];
  const titles = [...new Set(walks.map(({ title }) => title))];
  for (const [index, walk] of walks.entries())
    sections.push(await walkSection(walk, `walk${index + 1}`, titles.length === 1));
  const modes = walks.map(({ mode }) => mode).join(", ");
  return page({
    title: `${titles.join("; ")} (${modes})`,
    style: `${walkColours(":root")}${WALK_SVG_STYLE}${WALK_HTML_STYLE}`,
    main: [
      `<h1>${escaped(titles.join("; "))}</h1>`,
      ...(walks.length > 1 && new Set(walks.map(({ scenario }) => scenario)).size === 1
        ? [await comparisonSection(walks)]
        : []),
      ...sections,
    ],
    script: WALK_HTML_SCRIPT,
  });
}

async function comparisonSection(walks: readonly Walk[]): Promise<string> {
  const { heads, rows } = comparison(walks);
  return [
    "<section>",
    "<h2>Compared</h2>",
    scrolling(
      "Comparison",
      tableOf(
        "What the walks have in common and what separates them",
        ["", ...heads],
        rows.map(({ label, cells }) => rowOf([label, ...cells])),
      ),
    ),
    ...ways(walks).flatMap(({ leg, rows: places }) => [
      `<h3>The ${leg}’s way</h3>`,
      scrolling(
        `The ${leg}'s way`,
        tableOf(
          places.some(({ parts }) => parts)
            ? "Step and interface at each place; ≠: not all pass here"
            : "Step and interface at each place: the same way in all",
          ["", ...heads, ""],
          places.map(({ place, cells, parts }) =>
            rowOf([place, ...cells, parts ? "≠" : ""], parts ? ' class="parts"' : ""),
          ),
        ),
      ),
    ]),
    "<h3>Side by side</h3>",
    scrolling("Drawings side by side", await walksPicture(walks, { prefix: "compared" })),
    "</section>",
  ].join("\n");
}

async function walkSection(walk: Walk, prefix: string, isAlone: boolean): Promise<string> {
  const bad = walk.verdict === "pass" ? "" : " bad";
  const clocks = clockNote(walk);
  const steps = stepsOf(walk);
  return [
    `<section class="walk" aria-labelledby="${prefix}-title">`,
    `<h2 id="${prefix}-title">${isAlone ? "Mode" : escaped(`${walk.title}: mode`)} ${escaped(walk.mode)} <span class="verdict${bad}">${escaped(walk.verdict)}</span></h2>`,
    factsOf(walk),
    '<div class="stage">',
    scrolling("Drawing of the walk", await walksPicture([walk], { prefix })),
    '<div class="beside">',
    STEPPER,
    '<div class="findings">',
    listOf("Promised and seen", differenceLines(walk), differing(walk)),
    listOf("What to make of it", reasonsOf(walk)),
    listOf("Netfilter", netfilterLines(walk)),
    "</div>",
    "</div>",
    "</div>",
    "<h3>Timeline</h3>",
    ...(steps.length === 0
      ? ["<p>The packet was not seen anywhere.</p>"]
      : [scrolling("Timeline", timelineTable(walk, prefix))]),
    ...(clocks === undefined ? [] : [`<p>${escaped(clocks)}</p>`]),
    listOf(
      "What decided about the packet",
      walk.lookups.map(({ node, table, line }) => `${table} of ${node}: ${line}`),
    ),
    "<h3>What each interface is for</h3>",
    purposesOf(walk),
    "</section>",
  ].join("\n");
}

const STEPPER = `<div class="stepper" hidden="">
<button type="button" data-action="back">Back</button>
<button type="button" data-action="next">Next</button>
<button type="button" data-action="first">From the start</button>
<p class="now" role="status"></p>
<p class="purpose">Hover over an interface, or focus it, to read what it is for.</p>
</div>`;

function factsOf(walk: Walk): string {
  const { probe } = walk;
  const facts: readonly (readonly [string, string])[] = [
    ["experiment", escaped(walk.title)],
    ["cluster", escaped(`${walk.cluster}, ${routingOf(walk)}, Cilium ${walk.version}`)],
    ["packet", escaped(`${probe.protocol} from ${probe.from} to ${probe.to}`)],
    ["command", `<code>${escaped(probe.command)}</code>`],
    ["outcome", escaped(outcomeOf(walk))],
    ["started", escaped(walk.startedAt)],
  ];
  return `<dl class="facts">${facts.map(([name, value]) => `<dt>${name}</dt><dd>${value}</dd>`).join("")}</dl>`;
}

function differing(walk: Walk): boolean {
  return missingHops(walk).length > 0 || walk.legs.some(({ differences }) => differences.length > 0);
}

function timelineTable(walk: Walk, prefix: string): string {
  // the first drawing of the picture of this prefix
  const drawing = `${prefix}-1`;
  const idOf = stationIds(walk, drawing);
  const cells = timeline(walk);
  return tableOf(
    "Each sighting of the packet; µs since the first, by the clock of the node’s machine",
    TIMELINE_HEADS,
    stepsOf(walk).map(({ number, hop, unpromised }, index) =>
      rowOf(
        cells[index]!,
        ` data-step="${drawing}-step-${number}" data-station="${idOf(hop.station)}"${unpromised ? ' class="different"' : ""}`,
        "note",
      ),
    ),
  );
}

/** Interfaces by their role, in words that need no hovering. */
function purposesOf({ nodes }: Walk): string {
  const stations = nodes.flatMap((node) => node.stations);
  const roles = (Object.keys(STATION_ROLES) as StationRole[]).flatMap((role) => {
    const own = stations.filter((station: Station) => station.role === role);
    return own.length === 0
      ? []
      : [`<dt>${escaped(own.map(placeOf).join(", "))}</dt><dd>${escaped(STATION_ROLES[role])}</dd>`];
  });
  return `<dl class="purposes">${roles.join("\n")}</dl>`;
}

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

/** Its first cell is the row's head; the last may have a class. */
function rowOf(cells: readonly string[], attributes = "", last?: string): string {
  const [head, ...rest] = cells.map(escaped);
  const tail = rest.map((cell, index) =>
    last !== undefined && index === rest.length - 1 ? `<td class="${last}">${cell}</td>` : `<td>${cell}</td>`,
  );
  return `<tr${attributes}><th scope="row">${head}</th>${tail.join("")}</tr>`;
}
