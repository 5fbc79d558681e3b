import type { V1Pod } from "@kubernetes/client-node";
import { apiErrorLine } from "./apiError";
import type { AttachableCluster, ClusterReader } from "./cluster";
import { lastLine, type ExecResult, type Session } from "./podExec";
import { within } from "./within";

/** Where Cilium runs, and how its agents are found. */
export const CILIUM_NAMESPACE = "kube-system";
export const AGENT_SELECTOR = "k8s-app=cilium";
/** The agent among the containers of its pod. */
export const AGENT_CONTAINER = "cilium-agent";
const CONFIG_CONTAINER = "config";

/** One agent and the node that it serves. */
export interface Agent {
  readonly node: string;
  readonly pod: string;
  readonly ready: boolean;
  /** When it read its configuration; undefined while it does not run. */
  readonly configuredAt?: Date | undefined;
}

/** What one agent answered; an error where it did not. */
export interface AgentAnswer {
  readonly node: string;
  readonly output: string | Error;
}

/** The agents of a cluster, by node. */
export async function listAgents(cluster: ClusterReader): Promise<Agent[]> {
  const pods = await cluster.pods(CILIUM_NAMESPACE, AGENT_SELECTOR);
  return pods
    .filter(({ metadata }) => metadata?.deletionTimestamp === undefined)
    .map(agentOf)
    .sort((a, b) => a.node.localeCompare(b.node, "en", { numeric: true }));
}

/** Run a command in every agent: in its node's network, with the agent's tools. */
export async function askAgents(cluster: ClusterReader, ...command: string[]): Promise<AgentAnswer[]> {
  const agents = await listAgents(cluster);
  return Promise.all(
    agents.map(async (agent) => ({ node: agent.node, output: await askAgent(cluster, agent, command) })),
  );
}

/** For an agent's shell: prints the tables of both backends of iptables; rules that one made are not seen by the other. */
export function saveRules(...options: string[]): string {
  const [legacy, nft, other] = ["legacy-save", "nft-save", "save"].map((name) =>
    [`iptables-${name}`, ...options].join(" "),
  );
  return `${legacy} 2>/dev/null; ${nft} 2>/dev/null || ${other}`;
}

/** The same for the nat tables alone. */
export const SAVE_NAT = saveRules("-t nat");

/** How long one agent may take for an answer. */
const ANSWER_SECONDS = 12;

/** Run a command in one agent. @param seconds how long it may take */
export async function askAgent(
  cluster: ClusterReader,
  { node, pod }: Agent,
  command: readonly string[],
  seconds = ANSWER_SECONDS,
): Promise<string | Error> {
  try {
    const answer = cluster.exec(CILIUM_NAMESPACE, pod, AGENT_CONTAINER, command);
    return textOf(await within(seconds, answer, `${pod} on ${node} gives no answer`), command);
  } catch (error) {
    return new Error(apiErrorLine(error as Error));
  }
}

/** Leave a command at work in one agent. */
export function startInAgent(cluster: AttachableCluster, { pod }: Agent, command: readonly string[]): Session {
  return cluster.start(CILIUM_NAMESPACE, pod, AGENT_CONTAINER, command);
}

function textOf({ exitCode, stdout, stderr }: ExecResult, command: readonly string[]): string | Error {
  if (exitCode === 0) return stdout;
  return new Error(`${shortened(command)} ended with ${exitCode}: ${lastLine(stderr || stdout) ?? ""}`);
}

/** A command for a message: scripts have many lines. */
function shortened(command: readonly string[]): string {
  const text = command.join(" ");
  return text.length <= 80 ? text : `${text.slice(0, 79)}…`;
}

function agentOf({ metadata, spec, status }: V1Pod): Agent {
  const container = status?.containerStatuses?.find(({ name }) => name === AGENT_CONTAINER);
  const started = container?.state?.running?.startedAt;
  const copied = status?.initContainerStatuses?.find(({ name }) => name === CONFIG_CONTAINER);
  return {
    node: spec?.nodeName ?? "",
    pod: metadata!.name!,
    ready: container?.ready ?? false,
    // newer agents read what an init container copied once for the pod, however often they start
    configuredAt: started === undefined ? undefined : (copied?.state?.terminated?.startedAt ?? started),
  };
}
