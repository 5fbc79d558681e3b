import { isIpv6Address } from "../../modes/cidr";
import { WORKLOAD } from "../../modes/workload";
import type { AttachableCluster, ClusterReader, OutsideClient } from "../../cluster/read";
import { nodeIpv6Address } from "../../datapath/clusterFacts";
import { runInPod, type Place } from "../../datapath/probes";
import { ASKED_NODES, BASIC_PATHS, isIpv6Path, PATHS, type PathId, type SeenClient } from "../results";
import type { BenchService, ServerPort } from "./benchService";
import { HTTP_PORT } from "./growthServices";
import { NODE_HTTP_PORT, type RunScript } from "./servers";

/** A path on which requests are measured. */
export interface MeasuredPath {
  readonly id: PathId;
  readonly address: string;
  /** The port at this address for a tool's server. */
  portOf(server: ServerPort): number;
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
  /** Address of the client's node. */
  readonly clientNodeAddress: string | undefined;
}

/** IPv6 addresses of the servers and of the far one's node; undefined where they have none. */
export type Ipv6Ends = Readonly<Record<"near" | "far" | "farNode", string | undefined>>;

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
  const addressOf = (wanted: string | undefined) => nodes.find(({ node }) => node === wanted)?.address;
  return {
    ...{ client, near, far },
    farNodeAddress: addressOf(far?.node),
    clientNodeAddress: addressOf(client.node),
  };
}

/** Read the IPv6 addresses of servers and their nodes. */
export async function ipv6EndsOf(
  cluster: Pick<ClusterReader, "pods" | "nodes">,
  { near, far }: PathEnds,
): Promise<Ipv6Ends> {
  const [pods, nodes] = await Promise.all([
    cluster.pods(WORKLOAD.namespace, `app=${WORKLOAD.daemonSet}`),
    cluster.nodes(),
  ]);
  const addressOf = (place: Place | undefined) =>
    pods
      .find(({ metadata }) => metadata?.name === place?.pod)
      ?.status?.podIPs?.map(({ ip }) => ip)
      .find(isIpv6Address);
  const farNode = nodes.find(({ metadata }) => metadata?.name === far?.node);
  return { near: addressOf(near), far: addressOf(far), farNode: nodeIpv6Address(farNode?.status) };
}

/** Who sends requests besides pods, or why that is impossible; undefined where it is not asked for. */
export interface OtherClients {
  readonly outside: RunScript | Error;
  /** On the client's node, with the tools. */
  readonly node?: RunScript | Error | undefined;
}

/** What further paths need. */
export interface PathOptions {
  /** Which paths to measure. Default: the basic ones */
  readonly wanted?: readonly PathId[] | undefined;
  /** Undefined in clusters without IPv6. */
  readonly ipv6?: Ipv6Ends | undefined;
}

const BASIC = Object.keys(BASIC_PATHS) as PathId[];

/** The paths that can be measured, and why the others cannot. */
export function measuredPaths(
  cluster: AttachableCluster,
  { client, near, far, farNodeAddress, clientNodeAddress }: PathEnds,
  service: BenchService | undefined,
  { outside, node }: OtherClients,
  { wanted = BASIC, ipv6 }: PathOptions = {},
): { paths: MeasuredPath[]; omitted: string[] } {
  const paths: MeasuredPath[] = [];
  const omitted: string[] = [];
  const fromPod: RunScript = async (script) => {
    const output = await runInPod(cluster, client, script);
    if (output instanceof Error) throw output;
    return output;
  };
  const add = (
    id: PathId,
    where: { readonly address: string | undefined; readonly portOf: MeasuredPath["portOf"] } | undefined,
    missing: string,
    run: RunScript | Error | undefined = fromPod,
  ) => {
    if (!wanted.includes(id)) return;
    if (where?.address === undefined) omitted.push(`${PATHS[id]}: ${missing}`);
    else if (run instanceof Error) omitted.push(`${PATHS[id]}: ${run.message}`);
    else paths.push({ id, address: where.address, portOf: where.portOf, run });
  };
  const direct = (address: string | undefined) => ({ address, portOf: ({ port }: ServerPort) => port });
  const onNode = (address: string | undefined) =>
    service && { address, portOf: (server: ServerPort) => service.nodePortOf(server)! };
  const oneNode = "the cluster has only one node";
  const noServer = "the client's node has no server";
  add("same-node", direct(near?.address), noServer);
  add("cross-node", direct(far?.address), oneNode);
  add("cluster-ip", direct(service?.clusterIp), oneNode);
  add("node-port", onNode(farNodeAddress), oneNode);
  add("outside", onNode(farNodeAddress), oneNode, outside);
  add("outside-other", service && onNode(clientNodeAddress), oneNode, outside);
  const atNode = ({ port }: ServerPort) => (port === HTTP_PORT ? NODE_HTTP_PORT : port);
  add("host", far && { address: farNodeAddress, portOf: atNode }, oneNode, node);
  if (ipv6 === undefined) {
    if (wanted.some(isIpv6Path)) omitted.push("all paths by IPv6: cluster.ipFamily is not dual");
    return { paths, omitted };
  }
  const none = far === undefined ? oneNode : "there is no IPv6 address";
  add("same-node-ipv6", direct(ipv6.near), near === undefined ? noServer : none);
  add("cross-node-ipv6", direct(ipv6.far), none);
  add("cluster-ip-ipv6", direct(service?.clusterIpv6), none);
  add("node-port-ipv6", onNode(ipv6.farNode), none);
  add("outside-ipv6", onNode(ipv6.farNode), none, outside);
  return { paths, omitted };
}

/** Whose address the server sees of a client outside, through its own node and another one. Nodes that do not answer are left out. */
export async function seenClients(
  { far, farNodeAddress, clientNodeAddress }: PathEnds,
  service: BenchService | undefined,
  outside: Pick<OutsideClient, "address" | "run">,
): Promise<SeenClient[]> {
  const port = service?.nodePortOf({ port: HTTP_PORT });
  if (far === undefined || port === undefined) return [];
  const nodes = [farNodeAddress, clientNodeAddress];
  const seen = await Promise.all(
    ASKED_NODES.map(async (node, at): Promise<SeenClient[]> => {
      const ask = `curl --silent --max-time 3 http://${nodes[at]}:${port}/probe`;
      const answer = await outside.run(ask).catch(() => "");
      const address = /client=([\d.]+):\d+/.exec(answer)?.[1];
      if (address === undefined) return [];
      return [{ node, address: address === outside.address ? "client" : nodes.includes(address) ? "node" : "other" }];
    }),
  );
  return seen.flat();
}
