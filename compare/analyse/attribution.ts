import { unusualQueues } from "./differences";
import { BASIC_PATHS, METRICS, PATHS, type MetricId, type PathId, type Subject } from "../results";
import type { Ratio } from "./statistics";
import { listed, timesText } from "./words";

/** A subject's result on one path, relative to another subject or the baseline. */
export interface PathRatio {
  readonly path: PathId;
  readonly metric: MetricId;
  readonly better: "higher" | "lower" | "neither";
  readonly ratio: Ratio;
}

/** A path is slow if it takes this many times as long, or carries at most the inverse, by the nearer end of the interval. */
const SLOW = 1.5;

/** Metrics that indicate a slow path; the first that does decides. */
const TELLING: readonly MetricId[] = ["latency-p50", "throughput-1", "throughput-8"];

/** Where a subject is slow, derived from which paths are slow and which are not; undefined if none is. */
export function slowPath(subject: Subject, against: string, ratios: readonly PathRatio[]): string | undefined {
  const metric = TELLING.find((each) =>
    ratios.some((path) => path.metric === each && path.path in BASIC_PATHS && isSlow(path)),
  );
  if (metric === undefined) return undefined;
  const ofMetric = ratios.filter((path) => path.metric === metric);
  const telling = ofMetric.filter(({ path }) => path in BASIC_PATHS);
  const slow = telling.filter(isSlow);
  const paths = (of: readonly PathRatio[]) => new Set(of.map(({ path }) => path));
  const place = placeOf(paths(slow), paths(telling));
  const worst = slow.toSorted((left, right) => slownessOf(right) - slownessOf(left))[0]!;
  const worstText = `${METRICS[metric].title}: ${timesText(worst.ratio)}, ${PATHS[worst.path]}`;
  const causes = unusualQueues(subject.inventory.nodes).map(
    (queue) => `the queueing discipline ${queue.queueing} on ${queue.interface} of ${queue.node}`,
  );
  const cause = causes.length === 0 ? "" : `; likely cause: ${listed(causes)}`;
  const host = ofMetric.find(({ path }) => path === "host");
  return `${subject.name} is slower than ${against} ${place} (${worstText})${hostNote(host, paths(slow))}${cause}`;
}

/** What the path without pods says of a slow path between nodes. */
function hostNote(host: PathRatio | undefined, slow: ReadonlySet<PathId>): string {
  if (host === undefined || !slow.has("cross-node")) return "";
  return isSlow(host)
    ? "; the nodes are slower too, without pods, which points to their network"
    : "; the nodes are not slower without pods, which points to Cilium's datapath";
}

/** The reference's result on one path, relative to the nearest other subject. */
export function againstNearest(others: readonly PathRatio[]): readonly PathRatio[] {
  const nearestFirst = others.map(inverted).sort((left, right) => slownessOf(left) - slownessOf(right));
  return nearestFirst.slice(0, 1);
}

function inverted({ ratio, ...path }: PathRatio): PathRatio {
  const outcome = ({ better: "worse", worse: "better", "no difference": "no difference" } as const)[ratio.outcome];
  return { ...path, ratio: { ratio: 1 / ratio.ratio, low: 1 / ratio.high, high: 1 / ratio.low, p: ratio.p, outcome } };
}

/** How many times as long it takes at least, by the nearer end of the interval. */
function slownessOf({ better, ratio }: PathRatio): number {
  return better === "lower" ? ratio.low : 1 / ratio.high;
}

function isSlow(path: PathRatio): boolean {
  return path.ratio.outcome === "worse" && slownessOf(path) > SLOW;
}

/** Paths from a pod to another node. */
const BETWEEN_NODES: readonly PathId[] = ["cross-node", "cluster-ip", "node-port"];

function placeOf(slow: ReadonlySet<PathId>, measured: ReadonlySet<PathId>): string {
  const quick = [...measured].filter((path) => !slow.has(path));
  const crossing = BETWEEN_NODES.filter((path) => measured.has(path));
  const only = (...paths: readonly PathId[]) => [...slow].every((path) => paths.includes(path));
  if (quick.length === 0 && slow.has("same-node") && slow.size > 1)
    return "on every path, which points to the nodes or the machine";
  if (slow.has("cross-node") && !slow.has("same-node") && crossing.every((path) => slow.has(path))) {
    const within = measured.has("same-node") ? ", not within a node" : "; paths within a node were not measured";
    return `between the nodes${within}${sideOf(slow, measured)}`;
  }
  if (only("outside")) return "only on the path from outside the cluster";
  if (only("same-node")) return "within a node, not between nodes";
  const isDirectQuick = quick.includes("cross-node");
  if (isDirectQuick && only("cluster-ip", "node-port", "outside")) {
    return `in service translation: on ${listed([...slow])}, not from pod to pod`;
  }
  const but = quick.length === 0 ? "" : `, not on ${listed(quick)}`;
  return `on ${listed([...slow])}${but}, without a single explanation`;
}

/** Packets from outside pass the server's node, not the client's. */
function sideOf(slow: ReadonlySet<PathId>, measured: ReadonlySet<PathId>): string {
  if (!measured.has("outside")) return "";
  return slow.has("outside")
    ? ", and from outside too, which points to the server's node"
    : ", and not from outside, which points to the client's node";
}
