import { isIpv4Address, isIpv6Address } from "../modes/cidr";
import type { AddressFamily } from "../modes/ipFamily";
import { WORKLOAD, WORKLOAD_CONTAINER } from "../modes/workload";
import { apiErrorLine } from "../cluster/apiError";
import type { Expectation } from "./checks/check";
import type { ClusterReader } from "../cluster/read";
import { nodeAddress, nodeIpv6Address } from "./clusterFacts";

/** One pod of the workload. */
export interface Place {
  /** Default: the stack's own workload's. */
  readonly namespace?: string;
  readonly pod: string;
  readonly node: string;
  readonly address: string;
}

/**
 * The servers, one on every node, and all pods with tools.
 * @param family of their addresses; pods without one are left out
 * @throws Error if a node has no server, since probes would not cover it
 */
export async function places(
  cluster: ClusterReader,
  { nodeCount, workload = WORKLOAD }: Pick<Expectation, "nodeCount" | "workload">,
  family: AddressFamily = "ipv4",
): Promise<{ servers: Place[]; all: Place[] }> {
  const [servers, clients] = await Promise.all([
    cluster.pods(workload.namespace, `app=${workload.daemonSet}`),
    cluster.pods(workload.namespace, `run=${workload.clientPod}`),
  ]);
  const isOfFamily = family === "ipv4" ? isIpv4Address : isIpv6Address;
  const placed = (pods: typeof servers): Place[] =>
    pods
      .filter(({ metadata }) => metadata?.deletionTimestamp === undefined)
      .map(({ metadata, spec, status }) => ({
        namespace: workload.namespace,
        pod: metadata!.name!,
        node: spec?.nodeName ?? "",
        address: [status?.podIP ?? "", ...(status?.podIPs ?? []).map(({ ip }) => ip)].find(isOfFamily) ?? "",
      }))
      // addresses become part of shell commands
      .filter(({ address }) => address !== "")
      .sort((a, b) => a.node.localeCompare(b.node, "en", { numeric: true }));
  const [placedServers, placedClients] = [placed(servers), placed(clients)];
  if (placedServers.length < (nodeCount ?? 1)) {
    throw new Error(`the workload's server runs on ${placedServers.length} of ${nodeCount ?? "the"} nodes`);
  }
  return { servers: placedServers, all: [...placedServers, ...placedClients] };
}

/** Every node's address of a family in the nodes' network. */
export async function nodeAddresses(
  cluster: ClusterReader,
  family: AddressFamily = "ipv4",
): Promise<{ node: string; address: string }[]> {
  const nodes = await cluster.nodes();
  return nodes.flatMap(({ metadata, status }) => {
    const address = family === "ipv4" ? nodeAddress(status) : nodeIpv6Address(status);
    return address === undefined ? [] : [{ node: metadata!.name!, address }];
  });
}

/** Run a script in a pod of the workload. @returns its output, or an error */
export async function runInPod(
  cluster: ClusterReader,
  { pod, namespace = WORKLOAD.namespace }: Place,
  script: string,
): Promise<string | Error> {
  try {
    const { exitCode, stdout, stderr } = await cluster.exec(namespace, pod, WORKLOAD_CONTAINER, ["sh", "-c", script]);
    return exitCode === 0 ? stdout : new Error(`${pod}: ${stderr.trim() || `exit code ${exitCode}`}`);
  } catch (error) {
    return new Error(apiErrorLine(error as Error));
  }
}
