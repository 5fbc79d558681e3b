import { MODE_CONTRACTS } from "../../modes/contract";
import type { Hop, Trace } from "../../datapath/trace/result";
import { escaped, themeColors } from "../../render/html";

const BOX = { width: 70, height: 28 };
const GAP = 16;
const PAD = 8;
const LEFT = 142;
const TOP = 44;
const LANE = 92;
const FOOT = 48;

const STYLE = `
.lanes text { fill: var(--ink); font-family: Helvetica, Arial, "Liberation Sans", Arimo, "Nimbus Sans", sans-serif; font-size: 12px; }
.lanes .paper { fill: var(--paper); }
.lanes .title { font-size: 15px; font-weight: bold; }
.lanes .mode { font-size: 14px; font-weight: bold; }
.lanes .muted { fill: var(--muted); }
.lanes .node { fill: var(--ground); stroke: var(--line); }
.lanes .node.kernel { stroke: var(--reply); stroke-width: 2; }
.lanes .kernel.muted { fill: var(--reply); }
.lanes .box { fill: var(--paper); stroke: var(--ink); }
.lanes .box.rewrites { stroke: var(--request); stroke-width: 2; }
.lanes .note { fill: var(--request); }
.lanes .path { fill: none; stroke: var(--ink); stroke-width: 1.6; }
.lanes .head { fill: var(--ink); }
`;

/** The requests of several traces at a glance, each as a chain of the interfaces that it passed. */
export function traceLanes(traces: readonly Trace[]): string {
  const lanes = traces.map((trace, index) => lane(trace, TOP + index * LANE));
  const width = Math.max(...lanes.map((each) => each.width)) + PAD;
  const height = TOP + traces.length * LANE + FOOT;
  const { title, version } = traces[0]!;
  const headline = `${title[0]!.toUpperCase()}${title.slice(1)}`;
  const description = traces
    .map((trace) => `${trace.mode}: ${hopsOf(trace, "request").map(nameOf).join(", ")}`)
    .join("; ");
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="lanes" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(`${headline}. ${description}`)}">`,
    `<title>${escaped(headline)}</title>`,
    `<style>${themeColors(".lanes")}${STYLE}</style>`,
    `<rect class="paper" width="${width}" height="${height}"/>`,
    text(PAD, 26, "title", headline),
    ...lanes.map(({ body }) => body),
    text(
      PAD,
      height - 28,
      "muted",
      `The request, captured on every interface that it passed, with Cilium ${version} and native routing.`,
    ),
    text(
      PAD,
      height - 11,
      "muted",
      "Thick frame: that node's netfilter saw the packet. Blue: its addresses were rewritten there.",
    ),
    "</svg>",
    "",
  ].join("\n");
}

function lane(trace: Trace, top: number): { readonly width: number; readonly body: string } {
  const request = hopsOf(trace, "request");
  const { hostRouting } = MODE_CONTRACTS[trace.mode];
  const counts = `${request.length} hops, ${hopsOf(trace, "reply").length} back`;
  const parts = [
    text(PAD, top + 28, "mode", trace.mode),
    text(PAD, top + 46, "muted", `host routing ${hostRouting}`),
    text(PAD, top + 62, "muted", counts),
  ];
  const order = [...new Set(request.map(({ station }) => station.node))];
  let [x, end] = [LEFT, 0];
  for (const visit of visitsOf(request)) {
    const node = visit[0]!.station.node;
    const seen = trace.nodes.find(({ name }) => name === node)?.netfilter === true;
    const width = visit.length * BOX.width + (visit.length - 1) * GAP + 2 * PAD;
    parts.push(
      `<rect class="node${seen ? " kernel" : ""}" x="${x}" y="${top + 4}" width="${width}" height="${BOX.height + 30}" rx="6"/>`,
      text(
        x + PAD,
        top + 18,
        seen ? "kernel muted" : "muted",
        `node ${order.indexOf(node) + 1}${seen ? ", netfilter" : ""}`,
      ),
    );
    for (const [index, hop] of visit.entries()) {
      const left = x + PAD + index * (BOX.width + GAP);
      const middle = top + 24 + BOX.height / 2;
      if (end > 0) parts.push(arrow(end, left, middle));
      parts.push(box(hop, left, top + 24));
      end = left + BOX.width;
    }
    x += width + GAP;
  }
  return { width: x - GAP, body: parts.join("\n") };
}

/** Consecutive hops on the same node. */
function visitsOf(hops: readonly Hop[]): readonly (readonly Hop[])[] {
  const visits: Hop[][] = [];
  for (const hop of hops) {
    const last = visits.at(-1);
    if (last?.[0]!.station.node === hop.station.node) last.push(hop);
    else visits.push([hop]);
  }
  return visits;
}

function box(hop: Hop, x: number, y: number): string {
  const changed = hop.rewritten.map(({ field }) => field).join(" and ");
  const by = [...new Set(hop.rewritten.map((rewrite) => rewrite.by))].join(", ");
  return [
    `<rect class="box${changed === "" ? "" : " rewrites"}" x="${x}" y="${y}" width="${BOX.width}" height="${BOX.height}" rx="4"/>`,
    `<text x="${x + BOX.width / 2}" y="${y + 18}" text-anchor="middle">${escaped(nameOf(hop))}</text>`,
    ...(changed === "" ? [] : [text(x, y + BOX.height + 24, "note", `${changed} by ${by}`)]),
  ].join("\n");
}

function arrow(from: number, to: number, y: number): string {
  return `<path class="path" d="M${from},${y}H${to - 6}"/><path class="head" d="M${to - 7},${y - 4}L${to},${y}L${to - 7},${y + 4}Z"/>`;
}

function nameOf({ station }: Hop): string {
  return station.role === "veth" ? "lxc" : station.role === "pod" ? `pod's ${station.interface}` : station.interface;
}

const hopsOf = ({ legs }: Trace, wanted: Trace["legs"][number]["name"]) =>
  legs.find(({ name }) => name === wanted)?.hops ?? [];

const text = (x: number, y: number, kind: string, words: string) =>
  `<text x="${x}" y="${y}" class="${kind}">${escaped(words)}</text>`;
