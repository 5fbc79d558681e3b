import { WORKLOAD, WORKLOAD_CONTAINER } from "../../modes/workload";
import type { AttachableCluster } from "../../cluster/read";
import type { Session } from "../../cluster/podExec";
import { runInPod, type Place } from "../probes";
import { within } from "../../cluster/within";
import { PATHS, type PathId } from "./results";
import { TOOLS } from "./tools";

/** Who runs a script where a client is, and returns what it printed. @throws Error when it fails */
export type RunScript = (script: string) => Promise<string>;

/** The Service before one server, by which ways through services are measured. */
export interface BenchService {
  readonly clusterIp: string;
  /** The NodePort of each of its ports. */
  readonly nodePorts: ReadonlyMap<number, number>;
}

/** A way that requests take. */
export interface Lane {
  readonly path: PathId;
  readonly address: string;
  /** The port there of a server's port. */
  portOf(port: number): number;
  readonly run: RunScript;
}

/** Who asks, and whom. */
export interface LaneEnds {
  readonly client: Place;
  /** On the client's node. */
  readonly near: Place | undefined;
  /** On another node. */
  readonly far: Place | undefined;
  /** Of the node of {@link far}. */
  readonly farNodeAddress: string | undefined;
}

/** Choose who asks and whom, of a workload's servers and its client pod; the same in every cluster of the same shape. */
export function endsOf(
  servers: readonly Place[],
  all: readonly Place[],
  nodes: readonly { readonly node: string; readonly address: string }[],
): LaneEnds {
  const client = all.find(({ pod }) => pod === WORKLOAD.clientPod);
  if (client === undefined)
    throw new Error(`the client pod ${WORKLOAD.clientPod} does not run; run pulumi up --refresh`);
  const near = servers.find(({ node }) => node === client.node);
  const far = servers.find(({ node }) => node !== client.node);
  const farNodeAddress = nodes.find(({ node }) => node === far?.node)?.address;
  return { client, near, far, farNodeAddress };
}

/**
 * The ways that can be measured, and why the others cannot.
 * @param outside runs scripts outside the cluster, or tells why nobody can
 */
export function lanesOf(
  cluster: AttachableCluster,
  { client, near, far, farNodeAddress }: LaneEnds,
  service: BenchService | undefined,
  outside: RunScript | Error,
): { lanes: Lane[]; omitted: string[] } {
  const lanes: Lane[] = [];
  const omitted: string[] = [];
  const fromPod: RunScript = async (script) => {
    const output = await runInPod(cluster, client, script);
    if (output instanceof Error) throw output;
    return output;
  };
  const add = (path: PathId, reason: string, lane: Omit<Lane, "path"> | undefined) => {
    if (lane === undefined) omitted.push(`${PATHS[path]}: ${reason}`);
    else lanes.push({ path, ...lane });
  };
  const same = (port: number) => port;
  const onNode = (port: number) => service!.nodePorts.get(port)!;
  const oneNode = "the cluster has one node";
  add("same-node", "the client's node has no server", near && { address: near.address, portOf: same, run: fromPod });
  add("cross-node", oneNode, far && { address: far.address, portOf: same, run: fromPod });
  add("cluster-ip", oneNode, service && { address: service.clusterIp, portOf: same, run: fromPod });
  const nodePort = service && farNodeAddress !== undefined ? { address: farNodeAddress, portOf: onNode } : undefined;
  add("node-port", oneNode, nodePort && { ...nodePort, run: fromPod });
  add(
    "outside",
    nodePort !== undefined && outside instanceof Error ? outside.message : oneNode,
    nodePort && !(outside instanceof Error) ? { ...nodePort, run: outside } : undefined,
  );
  return { lanes, omitted };
}

/** Which of the tools a script's surroundings have. */
export async function programsOf(run: RunScript): Promise<ReadonlySet<string>> {
  const programs = [...new Set(TOOLS.map(({ program }) => program))];
  const output = await run(`for each in ${programs.join(" ")}; do command -v "$each" || true; done`);
  return new Set(programs.filter((program) => new RegExp(`/${program}$`, "m").test(output)));
}

/** How long servers may take to listen. */
const START_SECONDS = 10;

/** Start the tools' servers in a pod; they end with the session. */
export async function startServers(
  cluster: AttachableCluster,
  { pod }: Place,
  programs: ReadonlySet<string>,
): Promise<Session> {
  // several measurements share one
  const servers = new Map(
    TOOLS.flatMap(({ program, server, port }) =>
      server !== undefined && programs.has(program) ? [[server, port] as const] : [],
    ),
  );
  const started = [...servers.keys()].map((server) => `${server} >/dev/null 2>&1 & pids="$pids $!"`);
  const listens = [...servers.values()].map((port) => `ss -ltn | grep -q ":${port} "`).join(" && ") || "true";
  const script = [
    "pids=",
    ...started,
    `for try in $(seq 50); do if ${listens}; then echo ready; break; fi; sleep 0.1; done`,
    "read -r _",
    "kill $pids",
  ].join("\n");
  const session = cluster.start(WORKLOAD.namespace, pod, WORKLOAD_CONTAINER, ["sh", "-c", script]);
  const ready = new Promise<void>((resolve, reject) => {
    session.stdout.on("data", (chunk: Buffer) => {
      if (chunk.toString().includes("ready")) resolve();
    });
    session.stdout.once("close", () => reject(new Error(`${pod}: the servers of ${[...programs].join(", ")} ended`)));
    session.stdout.once("error", reject);
  });
  const late = `${pod}: the servers of ${[...programs].join(", ")} do not start`;
  await within(START_SECONDS, ready, late).catch((error: unknown) => {
    session.end();
    throw error;
  });
  return session;
}
