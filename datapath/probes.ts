import { isIpv4Address } from "../modes/cidr";
import { WORKLOAD, WORKLOAD_CONTAINER } from "../modes/workload";
import { type Agent, askAgent, listAgents } from "../cluster/agents";
import { apiErrorLine } from "../cluster/apiError";
import type { Expectation } from "./checks/check";
import type { ClusterReader } from "../cluster/read";
import { nodeAddress } from "./clusterFacts";

/** One pod of the workload. */
export interface Place {
  /** Default: the stack's own workload's. */
  readonly namespace?: string;
  readonly pod: string;
  readonly node: string;
  readonly address: string;
}

/** Each target's command; success is an answer. */
export type Targets = readonly { readonly name: string; readonly command: string }[];

/** What one pod or node found out about its targets: target to `ok` or a failure; an error if the pod or node did not run the probes. */
export interface Asked {
  readonly from: string;
  /** Name of the probing pod: the workload's or the agent's. */
  readonly pod: string;
  readonly answers: ReadonlyMap<string, string> | Error;
}

/** Timeout of one probe in seconds; resolvers retry unknown names for long. */
const TARGET_SECONDS = 8;

/**
 * The servers, one on every node, and all pods with tools.
 * @throws Error if a node has no server, since probes would not cover it
 */
export async function places(
  cluster: ClusterReader,
  { nodeCount, workload = WORKLOAD }: Pick<Expectation, "nodeCount" | "workload">,
): Promise<{ servers: Place[]; all: Place[] }> {
  const [servers, clients] = await Promise.all([
    cluster.pods(workload.namespace, `app=${workload.daemonSet}`),
    cluster.pods(workload.namespace, `run=${workload.clientPod}`),
  ]);
  const placed = (pods: typeof servers): Place[] =>
    pods
      .filter(({ metadata }) => metadata?.deletionTimestamp === undefined)
      .map(({ metadata, spec, status }) => ({
        namespace: workload.namespace,
        pod: metadata!.name!,
        node: spec?.nodeName ?? "",
        address: status?.podIP ?? "",
      }))
      // addresses become part of shell commands
      .filter(({ address }) => isIpv4Address(address))
      .sort((a, b) => a.node.localeCompare(b.node, "en", { numeric: true }));
  const [placedServers, placedClients] = [placed(servers), placed(clients)];
  if (placedServers.length < (nodeCount ?? 1)) {
    throw new Error(`the workload's server runs on ${placedServers.length} of ${nodeCount ?? "the"} nodes`);
  }
  return { servers: placedServers, all: [...placedServers, ...placedClients] };
}

/** Every node's IPv4 address in the nodes' network. */
export async function nodeAddresses(cluster: ClusterReader): Promise<{ node: string; address: string }[]> {
  const nodes = await cluster.nodes();
  return nodes.flatMap(({ metadata, status }) => {
    const address = nodeAddress(status);
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

/** Have every pod probe its targets, all at once. */
export function askFromPods(
  cluster: ClusterReader,
  from: readonly Place[],
  targetsOf: (place: Place) => Targets,
): Promise<Asked[]> {
  return Promise.all(
    from.map(async (place) => {
      const targets = targetsOf(place);
      const output = await runInPod(cluster, place, scriptOf(targets));
      return { from: `${place.pod} on ${place.node}`, pod: place.pod, answers: answersOf(targets, output) };
    }),
  );
}

/** Have every agent, which shares its node's network, probe the targets, all at once. */
export async function askFromNodes(cluster: ClusterReader, targets: Targets): Promise<Asked[]> {
  const agents = await listAgents(cluster);
  return Promise.all(
    agents.map(async (agent: Agent) => {
      const output = await askAgent(cluster, agent, ["sh", "-c", scriptOf(targets)]);
      return { from: agent.node, pod: agent.pod, answers: answersOf(targets, output) };
    }),
  );
}

/** Probes all targets at once, and prints `<number> <exit code>` of each. */
function scriptOf(targets: Targets): string {
  const tries = targets.map(
    ({ command }, index) => `(timeout ${TARGET_SECONDS} ${command} >/dev/null 2>&1; echo "${index} $?") &`,
  );
  return [...tries, "wait"].join("\n");
}

function answersOf(targets: Targets, output: string | Error): Map<string, string> | Error {
  if (output instanceof Error) return output;
  const codes = new Map([...output.matchAll(/^(\d+) (\d+)$/gm)].map(([, index, code]) => [Number(index), code!]));
  return new Map(targets.map(({ name }, index) => [name, said(codes.get(index))] as const));
}

function said(code: string | undefined): string {
  if (code === undefined) return "the probe did not finish";
  return code === "0" ? "ok" : "no answer";
}
