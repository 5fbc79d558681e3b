import type { Graph, Subgraph } from "@viz-js/viz";
import type { Station, Walk, WalkNode } from "../../datapath/trace/walk";
import { STATION_ROLES } from "../../modes/tracePaths";
import { rowsLabel } from "./graphLabel";
import { escaped } from "./markup";
import { endNode, endsOf } from "./walkGraphEnds";
import { hopEdges, turnNodes, type Drawn } from "./walkGraphHops";
import { outcomeOf, routingOf } from "./walkSentences";
import { missingHops, placeOf, stationKey, stepsOf } from "./walkSteps";

/** A walk as Graphviz draws it, and what each element of the drawing is, by the element's id. */
export interface WalkGraph {
  readonly graph: Graph;
  readonly titles: ReadonlyMap<string, string>;
}

/** The walk's nodes, pods and interfaces as nested boxes, its hops as numbered edges; ids start with the prefix. */
export function walkGraph(walk: Walk, prefix: string): WalkGraph {
  const steps = stepsOf(walk);
  const missing = missingHops(walk);
  const idOf = stationIds(walk, prefix);
  const titles = new Map<string, string>();
  const ends = endsOf(walk, prefix);
  const drawn = { walk, steps, missing, idOf, titles, ends, prefix };
  const graph: Graph = {
    name: `${prefix}-graph`,
    graphAttributes: {
      rankdir: "TB",
      nodesep: 0.45,
      ranksep: 0.32,
      pad: 0.1,
      bgcolor: "transparent",
      fontname: "Helvetica",
      fontsize: 13,
      labelloc: "t",
      labeljust: "l",
      id: `${prefix}-graph`,
      label: rowsLabel([
        `<B>${escaped(`mode ${walk.mode}`)}</B>`,
        escaped(`${routingOf(walk)}, Cilium ${walk.version}, ${walk.cluster}`),
        escaped(`${walk.title}: ${walk.verdict}`),
      ]),
    },
    nodeAttributes: {
      shape: "box",
      style: "rounded",
      fontname: "Helvetica",
      fontsize: 12,
      margin: "0.12,0.06",
      height: 0.3,
    },
    edgeAttributes: { fontname: "Helvetica", fontsize: 12, arrowsize: 0.7 },
    subgraphs: walk.nodes.map((node, index) => machine(node, index, drawn)),
    nodes: ends.filter(({ node }) => node === undefined).map((end) => endNode(end, walk, titles)),
    edges: [...hopEdges(drawn), ...fillers(drawn)],
  };
  titles.set(`${prefix}-graph`, `${walk.title}, mode ${walk.mode}: ${outcomeOf(walk)}`);
  return { graph, titles };
}

/** How the drawing of a walk calls its interfaces. */
export function stationIds(walk: Walk, prefix: string): (station: Station) => string {
  const keys = walk.nodes.flatMap(({ stations }) => stations.map(stationKey));
  return (station) => `${prefix}-station-${keys.indexOf(stationKey(station)) + 1}`;
}

function machine(node: WalkNode, index: number, drawn: Drawn): Subgraph {
  const own = node.stations.filter(({ pod }) => pod === undefined);
  // where no edge comes in from above, or else they would cross it
  const labelloc = drawn.ends.some((end) => end.kind === "sender" && end.node === node.name) ? "t" : "b";
  const cluster = (id: string, kind: string, title: string, rows: readonly string[]) => {
    drawn.titles.set(id, title);
    return {
      id,
      class: `frame ${kind}`,
      label: rowsLabel(rows),
      labeljust: "l",
      labelloc,
      style: "rounded",
      fontname: "Helvetica",
      fontsize: 12,
      margin: 10,
    };
  };
  const netfilter =
    node.netfilter === undefined ? "netfilter unknown" : node.netfilter ? "netfilter saw it" : "no netfilter";
  const id = `${drawn.prefix}-node-${index + 1}`;
  return {
    name: `cluster_${id}`,
    graphAttributes: cluster(id, "machine", `node ${node.name}`, [
      `<B>${escaped(node.name)}</B> ${escaped(node.address)}`,
      escaped(netfilter),
    ]),
    nodes: [
      ...own.map((station) => stationNode(station, drawn)),
      ...endsIn(drawn, node.name, undefined),
      ...turnNodes(node.name, drawn),
    ],
    subgraphs: node.pods.map(({ name, address }, position) => ({
      name: `cluster_${id}-pod-${position + 1}`,
      graphAttributes: cluster(`${id}-pod-${position + 1}`, "pod", `pod ${name}`, [
        `<B>${escaped(name)}</B> ${escaped(address)}`,
      ]),
      nodes: [
        ...node.stations.filter(({ pod }) => pod === name).map((station) => stationNode(station, drawn)),
        ...endsIn(drawn, node.name, name),
      ],
    })),
  };
}

function endsIn({ walk, ends, titles }: Drawn, node: string, pod: string | undefined) {
  return ends.filter((end) => end.node === node && end.pod === pod).map((end) => endNode(end, walk, titles));
}

function stationNode(station: Station, { steps, missing, idOf, titles }: Drawn) {
  const id = idOf(station);
  const seen = steps.some(({ hop }) => stationKey(hop.station) === stationKey(station));
  const unmet = missing.filter(
    (each) => each.station !== undefined && stationKey(each.station) === stationKey(station),
  );
  titles.set(id, `${placeOf(station)}: ${STATION_ROLES[station.role]}${seen ? "" : " (saw nothing)"}`);
  const words = unmet.map(({ leg, promised }) => escaped(`PROMISED, NOT SEEN: ${leg} ${promised.direction}`));
  return {
    name: id,
    attributes: {
      id,
      class: ["station", seen ? "seen" : "unseen", ...(unmet.length > 0 ? ["different"] : [])].join(" "),
      style: unmet.length > 0 ? "bold,dashed" : seen ? "rounded" : "rounded,dotted",
      label: rowsLabel([escaped(station.interface), ...words]),
    },
  };
}

/** Invisible edges that keep interfaces without a hop in a column beside those with. */
function fillers({ walk, steps, idOf }: Drawn) {
  const passed = new Set(steps.map(({ hop }) => idOf(hop.station)));
  return walk.nodes.flatMap(({ stations }) => {
    const unseen = stations
      .filter(({ pod }) => pod === undefined)
      .map(idOf)
      .filter((id) => !passed.has(id));
    return unseen.slice(1).map((head, index) => ({ tail: unseen[index]!, head, attributes: { style: "invis" } }));
  });
}
