import { WORKLOAD, WORKLOAD_CONTAINER } from "../../modes/workload";
import type { AttachableCluster, ClusterReader } from "../../cluster/read";
import type { ServiceWriter } from "../../cluster/services";
import type { Session } from "../../cluster/podExec";
import { runInPod, type Place } from "../../datapath/probes";
import { within } from "../../cluster/within";
import { PATHS, type PathId } from "../results";
import { TOOLS } from "./tools";

/** Runs a script at the client and returns its output. @throws Error if it fails */
export type RunScript = (script: string) => Promise<string>;

/** A path on which requests are measured. */
export interface MeasuredPath {
  readonly id: PathId;
  readonly address: string;
  /** The port at this address for a server's port. */
  portOf(port: number): number;
  readonly run: RunScript;
}

/** The client and its servers. */
export interface PathEnds {
  readonly client: Place;
  /** Server on the client's node. */
  readonly near: Place | undefined;
  /** Server on another node. */
  readonly far: Place | undefined;
  /** Address of the node of {@link far}. */
  readonly farNodeAddress: string | undefined;
}

/** Choose client and servers; the choice is the same in clusters of the same shape. */
export function endsOf(
  servers: readonly Place[],
  all: readonly Place[],
  nodes: readonly { readonly node: string; readonly address: string }[],
): PathEnds {
  const client = all.find(({ pod }) => pod === WORKLOAD.clientPod);
  if (client === undefined)
    throw new Error(`the client pod ${WORKLOAD.clientPod} is not running; run pulumi up --refresh`);
  const near = servers.find(({ node }) => node === client.node);
  const far = servers.find(({ node }) => node !== client.node);
  const farNodeAddress = nodes.find(({ node }) => node === far?.node)?.address;
  return { client, near, far, farNodeAddress };
}

/**
 * The paths that can be measured, and why the others cannot.
 * @param outside runs scripts outside the cluster, or is the reason why that is impossible
 */
export function measuredPaths(
  cluster: AttachableCluster,
  { client, near, far, farNodeAddress }: PathEnds,
  service: BenchService | undefined,
  outside: RunScript | Error,
): { paths: MeasuredPath[]; omitted: string[] } {
  const paths: MeasuredPath[] = [];
  const omitted: string[] = [];
  const fromPod: RunScript = async (script) => {
    const output = await runInPod(cluster, client, script);
    if (output instanceof Error) throw output;
    return output;
  };
  const add = (id: PathId, reason: string, path: Omit<MeasuredPath, "id"> | undefined) => {
    if (path === undefined) omitted.push(`${PATHS[id]}: ${reason}`);
    else paths.push({ id, ...path });
  };
  const same = (port: number) => port;
  const onNode = (port: number) => service!.nodePorts.get(port)!;
  const oneNode = "the cluster has only one node";
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
  return { paths, omitted };
}

/** Name of the measured and traced Service, in the workload's namespace. */
export const BENCH_SERVICE = "nettool-bench";

/** A Service with a single server, so that every request reaches the same node. */
export interface BenchService {
  readonly clusterIp: string;
  /** The NodePort of each of its ports. */
  readonly nodePorts: ReadonlyMap<number, number>;
  remove(): Promise<void>;
}

/** Create the Service for a server, with NodePorts; one that a killed run left is replaced. */
export async function createBenchService(
  cluster: Pick<ClusterReader, "service">,
  writer: Pick<ServiceWriter, "createService" | "createEndpoints" | "deleteService">,
  { address, node }: Place,
): Promise<BenchService> {
  const { namespace } = WORKLOAD;
  // the workload's own port first, as in its Service
  const ports = [...new Set(TOOLS.map(({ port }) => port))]
    .sort((a, b) => a - b)
    .map((port) => ({ name: `p${port}`, port, protocol: "TCP" }));
  const remove = () => writer.deleteService(namespace, BENCH_SERVICE);
  await remove();
  await writer.createService({
    metadata: { namespace, name: BENCH_SERVICE },
    spec: { type: "NodePort", ports: ports.map((each) => ({ ...each, targetPort: each.port })) },
  });
  try {
    await writer.createEndpoints({
      addressType: "IPv4",
      metadata: { namespace, name: BENCH_SERVICE, labels: { "kubernetes.io/service-name": BENCH_SERVICE } },
      endpoints: [{ addresses: [address], conditions: { ready: true }, nodeName: node }],
      ports,
    });
    const created = await cluster.service(namespace, BENCH_SERVICE);
    const nodePorts = new Map((created?.spec?.ports ?? []).map(({ port, nodePort }) => [port, nodePort!] as const));
    return { clusterIp: created!.spec!.clusterIP!, nodePorts, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** The tools that exist where a script runs. */
export async function programsOf(run: RunScript): Promise<ReadonlySet<string>> {
  const programs = [...new Set(TOOLS.map(({ program }) => program))];
  const output = await run(`for each in ${programs.join(" ")}; do command -v "$each" || true; done`);
  return new Set(programs.filter((program) => new RegExp(`/${program}$`, "m").test(output)));
}

/** Timeout of the servers' start. */
const START_SECONDS = 10;

/** Start the tools' servers in a pod, until the session ends. */
export async function startServers(
  cluster: AttachableCluster,
  { pod }: Place,
  programs: ReadonlySet<string>,
): Promise<Session> {
  // several tools share one server
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
    session.stdout.once("close", () => reject(new Error(`${pod}: the servers of ${[...programs].join(", ")} exited`)));
    session.stdout.once("error", reject);
  });
  const late = `${pod}: the servers of ${[...programs].join(", ")} do not start`;
  await within(START_SECONDS, ready, late).catch((error: unknown) => {
    session.end();
    throw error;
  });
  return session;
}
