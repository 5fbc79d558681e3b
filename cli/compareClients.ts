import type { Session } from "../cluster/podExec";
import type { OutsideClient } from "../cluster/read";
import type { Origin } from "../compare/measure/growthProbes";
import type { PathEnds } from "../compare/measure/paths";
import { programsOf, scriptsAt, startServers, type RunScript } from "../compare/measure/servers";
import type { Tool } from "../compare/measure/tools";
import { startOutside } from "../host/outside";
import { WORKLOAD } from "../modes/workload";
import type { StackCluster } from "./stackCluster";
import { traceable } from "./traceable";

/** Start a client outside a stack's cluster, or return why that is impossible. */
export async function startOutsideClient({
  cluster,
  nodesAreContainers,
}: StackCluster): Promise<OutsideClient | Error> {
  if (!nodesAreContainers) return new Error("no client outside the cluster has the tools");
  const [pod] = await cluster.pods(WORKLOAD.namespace, `run=${WORKLOAD.clientPod}`);
  return startOutside(pod!.spec!.containers[0]!.image!).catch(
    ({ message }: Error) => new Error(message.split("\n")[0]),
  );
}

/** A client in the network of the client pod's node, and servers in that of the far server's node. */
export interface NodeEnds {
  readonly run: RunScript;
  readonly servers: Session;
}

/** Start a client and servers on two nodes, or return why that is impossible; undefined if there is only one node. */
export async function startOnNodes(
  name: string,
  stack: StackCluster,
  { client, far }: PathEnds,
  tools: readonly Tool[],
): Promise<NodeEnds | Error | undefined> {
  if (far === undefined) return undefined;
  if (!stack.nodesAreContainers)
    return new Error("the cluster is external, and others could reach servers on its nodes");
  const { startOnNode } = (await traceable(name, stack)).cluster;
  const originOn = (node: string): Origin => ({ name: node, start: (command) => startOnNode(node, command) });
  try {
    const run = scriptsAt(originOn(client.node));
    const programs = await programsOf(run, tools);
    return { run, servers: await startServers({ ...originOn(far.node), isNode: true }, programs, tools) };
  } catch (error) {
    return error as Error;
  }
}
