import type { Graph, Subgraph } from "@viz-js/viz";
import type { Station, Trace, TraceNode } from "../../datapath/trace/result";
import { STATION_ROLES } from "../../modes/tracePaths";
import { escaped } from "../../render/html";
import { endNode, endsOf, hopEdges, rowsLabel, turnNodes, type Drawn } from "./graphEdges";
import { outcomeOf, routingOf, verdictText } from "./sentences";
import { missingHops, placeOf, stationKey, stepsOf } from "./steps";

/** A trace for Graphviz, with a title for each element by its id. */
export interface TraceGraph {
  readonly graph: Graph;
  readonly titles: ReadonlyMap<string, string>;
}

/** Nodes, pods and interfaces as nested boxes, hops as numbered edges; ids start with the prefix. */
export function traceGraph(trace: Trace, prefix: string): TraceGraph {
  const steps = stepsOf(trace);
  const missing = missingHops(trace);
  const idOf = stationIds(trace, prefix);
  const titles = new Map<string, string>();
  const ends = endsOf(trace, prefix);
  const drawn = { trace, steps, missing, idOf, titles, ends, prefix };
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
        `<B>${escaped(`mode ${trace.mode}`)}</B>`,
        escaped(`${routingOf(trace)}, Cilium ${trace.version}, ${trace.cluster}`),
        escaped(`${trace.title}: ${verdictText(trace.verdict)}`),
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
    subgraphs: trace.nodes.map((node, index) => machine(node, index, drawn)),
    nodes: ends.filter(({ node }) => node === undefined).map((end) => endNode(end, trace, titles)),
    edges: [...hopEdges(drawn), ...fillers(drawn)],
  };
  titles.set(`${prefix}-graph`, `${trace.title}, mode ${trace.mode}: ${outcomeOf(trace)}`);
  return { graph, titles };
}

/** Ids of a trace's interfaces in its picture. */
export function stationIds(trace: Trace, prefix: string): (station: Station) => string {
  const keys = trace.nodes.flatMap(({ stations }) => stations.map(stationKey));
  return (station) => `${prefix}-station-${keys.indexOf(stationKey(station)) + 1}`;
}

function machine(node: TraceNode, index: number, drawn: Drawn): Subgraph {
  const own = node.stations.filter(({ pod }) => pod === undefined);
  // on the side that no edge crosses
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
    node.netfilter === undefined
      ? "netfilter unknown"
      : node.netfilter
        ? "netfilter saw it"
        : "netfilter did not see it";
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

function endsIn({ trace, ends, titles }: Drawn, node: string, pod: string | undefined) {
  return ends.filter((end) => end.node === node && end.pod === pod).map((end) => endNode(end, trace, titles));
}

function stationNode(station: Station, { steps, missing, idOf, titles }: Drawn) {
  const id = idOf(station);
  const seen = steps.some(({ hop }) => stationKey(hop.station) === stationKey(station));
  const unmet = missing.filter(
    (each) => each.station !== undefined && stationKey(each.station) === stationKey(station),
  );
  titles.set(id, `${placeOf(station)}: ${STATION_ROLES[station.role]}${seen ? "" : " (saw nothing)"}`);
  const words = unmet.map(({ leg, expected }) => escaped(`MISSING: ${leg} ${expected.direction}`));
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

/** Invisible edges that keep interfaces without hops in one column. */
function fillers({ trace, steps, idOf }: Drawn) {
  const passed = new Set(steps.map(({ hop }) => idOf(hop.station)));
  return trace.nodes.flatMap(({ stations }) => {
    const unseen = stations
      .filter(({ pod }) => pod === undefined)
      .map(idOf)
      .filter((id) => !passed.has(id));
    return unseen.slice(1).map((head, index) => ({ tail: unseen[index]!, head, attributes: { style: "invis" } }));
  });
}
