import type { V1ContainerStatus, V1Pod } from "@kubernetes/client-node";
import { apiErrorLine } from "./apiError";
import type { AttachableCluster, ClusterReader } from "./read";
import { lastLine, type ExecResult, type Session } from "./podExec";
import { limited } from "./limited";
import { within } from "./within";

/** Cilium's namespace, and the label of its agents. */
export const CILIUM_NAMESPACE = "kube-system";
export const AGENT_SELECTOR = "k8s-app=cilium";
/** The agent's container in its pod. */
export const AGENT_CONTAINER = "cilium-agent";
/** The ConfigMap that agents read when they start. */
export const CONFIG_MAP = "cilium-config";
const CONFIG_CONTAINER = "config";

/** An agent and its node. */
export interface Agent {
  readonly node: string;
  readonly pod: string;
  readonly ready: boolean;
  /** Why its container does not run, with the last error of its log; undefined while it does. */
  readonly trouble?: string | undefined;
  /** When it read its configuration; undefined while it is not running. */
  readonly configuredAt?: Date | undefined;
}

/** One agent's answer, or why there is none. */
export interface AgentAnswer {
  readonly node: string;
  readonly output: string | Error;
}

/** The agents of a cluster, sorted by node. */
export async function listAgents(cluster: ClusterReader): Promise<Agent[]> {
  const pods = await cluster.pods(CILIUM_NAMESPACE, AGENT_SELECTOR);
  return pods
    .filter(({ metadata }) => metadata?.deletionTimestamp === undefined)
    .map(agentOf)
    .sort((a, b) => a.node.localeCompare(b.node, "en", { numeric: true }));
}

/** Run a command in every agent, which shares its node's network. */
export async function askAgents(cluster: ClusterReader, ...command: string[]): Promise<AgentAnswer[]> {
  const agents = await listAgents(cluster);
  return limited(agents, async (agent) => ({ node: agent.node, output: await askAgent(cluster, agent, command) }));
}

/** Shell command that prints the rules of both iptables backends; neither backend shows the other's rules. */
export const saveRules = (...options: string[]) => rulesOf("iptables", options);

/** The same for IPv6. */
export const saveIpv6Rules = (...options: string[]) => rulesOf("ip6tables", options);

function rulesOf(program: string, options: readonly string[]): string {
  const [legacy, nft, other] = ["legacy-save", "nft-save", "save"].map((name) =>
    [`${program}-${name}`, ...options].join(" "),
  );
  return `${legacy} 2>/dev/null; ${nft} 2>/dev/null || ${other}`;
}

/** Seconds to wait for one agent's answer. */
const ANSWER_SECONDS = 12;

/** Run a command in one agent. @param seconds to wait for the answer, after which the command is killed */
export async function askAgent(
  cluster: ClusterReader,
  { node, pod }: Agent,
  command: readonly string[],
  seconds = ANSWER_SECONDS,
): Promise<string | Error> {
  try {
    const answer = cluster.exec(CILIUM_NAMESPACE, pod, AGENT_CONTAINER, command, seconds);
    return textOf(await within(seconds, answer, `${pod} on ${node} does not answer`), command);
  } catch (error) {
    return new Error(apiErrorLine(error as Error));
  }
}

/** Start a command in one agent. */
export function startInAgent(cluster: AttachableCluster, { pod }: Agent, command: readonly string[]): Session {
  return cluster.start(CILIUM_NAMESPACE, pod, AGENT_CONTAINER, command);
}

function textOf({ exitCode, stdout, stderr }: ExecResult, command: readonly string[]): string | Error {
  if (exitCode === 0) return stdout;
  return new Error(`${shortened(command)} failed with exit code ${exitCode}: ${lastLine(stderr || stdout) ?? ""}`);
}

/** A command, cut to 80 characters for messages. */
function shortened(command: readonly string[]): string {
  const text = command.join(" ").replace(/\s+/g, " ");
  return text.length <= 80 ? text : `${text.slice(0, 79)}…`;
}

/**
 * CRDs that an agent misses by the end of its log: agents since 1.16 tell while they wait for Cilium's operator to register
 * them, and all of them when they give up (pkg/k8s/synced of Cilium).
 */
export function missingCrds(log: string): string[] {
  const said = log
    .split("\n")
    .findLast((line) =>
      /(?:Still waiting for Cilium Operator|Unable to find all Cilium CRDs|All Cilium CRDs)/.test(line),
    );
  return [...(said ?? "").matchAll(/\bcrd:([\w.-]+\w)/g)].map(([, name]) => name!).sort();
}

/** Kubernetes keeps the end of a container's log where its agent ended with an error. */
function troubleOf({ state, lastState }: V1ContainerStatus): string {
  const ended = state?.terminated ?? lastState?.terminated;
  const said = [
    ...(ended?.message ?? "").matchAll(/level=(?:fatal|error) msg="?(.*?)"?(?: error="(.*?)"| subsys=|$)/gm),
  ].at(-1);
  const crds = missingCrds(ended?.message ?? "");
  const error =
    crds.length > 0
      ? `the cluster has no CRD ${crds.join(", ")}`
      : said?.slice(1).filter(Boolean).join(": ").slice(0, 200);
  const reason = state?.waiting?.reason ?? (ended === undefined ? "waiting" : `exit code ${ended.exitCode}`);
  return `the agent does not run: ${reason}${error === undefined ? "" : ` (${error})`}`;
}

function agentOf({ metadata, spec, status }: V1Pod): Agent {
  const container = status?.containerStatuses?.find(({ name }) => name === AGENT_CONTAINER);
  const started = container?.state?.running?.startedAt;
  const copied = status?.initContainerStatuses?.find(({ name }) => name === CONFIG_CONTAINER);
  return {
    node: spec?.nodeName ?? "",
    pod: metadata!.name!,
    ready: container?.ready ?? false,
    trouble: container === undefined || started !== undefined ? undefined : troubleOf(container),
    // newer agents read the copy that an init container made once for the pod, however often they restart
    configuredAt: started === undefined ? undefined : (copied?.state?.terminated?.startedAt ?? started),
  };
}
