import { createInterface } from "node:readline";
import { listAgents, startInAgent, type Agent } from "../../cluster/agents";
import type { AttachableCluster } from "../../cluster/read";
import { untilEnded, type Session } from "../../cluster/podExec";
import { hubbleFlow, monitorFlow, type Flow, type Names } from "./flow";

/** Source of an agent's flows: Hubble's buffer of recent flows, or the monitor's live stream. */
export type Source = "hubble" | "monitor";

/** Which flows to read from agents. */
export interface Question {
  /** Continue with new flows. */
  readonly follow: boolean;
  /** Number of recent flows to read from each agent with Hubble. */
  readonly last: number;
}

/** A running observation. */
export interface Observation {
  /** Source of each node's flows, known from the agent's first line. */
  readonly sources: ReadonlyMap<string, Source>;
  /** Resolves when every agent has printed its first line. */
  readonly started: Promise<void>;
  /** Resolves when all agents have finished, or were ended. */
  readonly ended: Promise<void>;
  end(): void;
}

/** The first line names the source. */
const SCRIPT = `if command -v hubble >/dev/null; then
  echo hubble
  set -- hubble observe -o json "$@"
else
  echo monitor
  set -- $(command -v cilium-dbg || command -v cilium) monitor -j --type trace --type drop
fi
${untilEnded('"$@"')}`;

/** Read the flows of every agent. @param onFlow called with each flow */
export async function observe(
  cluster: AttachableCluster,
  { follow, last }: Question,
  onFlow: (flow: Flow) => void,
): Promise<Observation> {
  const [agents, names] = await Promise.all([listAgents(cluster), addressNames(cluster)]);
  const sources = new Map<string, Source>();
  const command = ["sh", "-c", SCRIPT, "sh", "--last", String(last), ...(follow ? ["--follow"] : [])];
  const sessions = agents.map((agent) => ({ agent, session: startInAgent(cluster, agent, command) }));
  const readings = sessions.map(({ agent, session }) => read(agent, session, names, sources, onFlow));
  const ended = Promise.all(readings.map(({ ended }) => ended)).then(() => undefined);
  ended.catch(() => undefined); // reported by the caller, who waits for it
  return {
    sources,
    started: Promise.all(readings.map(({ started }) => Promise.race([started, ended]))).then(() => undefined),
    ended,
    end: () => sessions.forEach(({ session }) => session.end()),
  };
}

/** Read an agent's lines until it ends. */
function read(
  { node }: Agent,
  { stdout }: Session,
  names: Names,
  sources: Map<string, Source>,
  onFlow: (flow: Flow) => void,
): { started: Promise<void>; ended: Promise<void> } {
  let start: () => void = () => undefined;
  const started = new Promise<void>((resolve) => (start = resolve));
  const readLine = (line: string) => {
    const source = sources.get(node);
    if (source === undefined) {
      sources.set(node, line.trim() as Source);
      return start();
    }
    const flow = source === "hubble" ? hubbleFlow(line, node, names) : monitorFlow(line, node, names, new Date());
    if (flow !== undefined) onFlow(flow);
  };
  const ended = (async () => {
    for await (const line of createInterface({ input: stdout, crlfDelay: Infinity })) readLine(line);
  })();
  return { started, ended };
}

/** Names of pods, nodes and services by address. */
async function addressNames(cluster: AttachableCluster): Promise<Names> {
  const [pods, nodes, services] = await Promise.all([cluster.allPods(), cluster.nodes(), cluster.services()]);
  const names = new Map<string, string>();
  for (const { metadata, spec } of services) {
    if (spec?.clusterIP !== undefined) names.set(spec.clusterIP, `service ${metadata!.namespace}/${metadata!.name}`);
  }
  for (const { metadata, status } of nodes) {
    for (const { type, address } of status?.addresses ?? [])
      if (type === "InternalIP") names.set(address, metadata!.name!);
  }
  for (const { metadata, spec, status } of pods) {
    if (status?.podIP !== undefined && !spec?.hostNetwork) {
      names.set(status.podIP, `${metadata!.namespace}/${metadata!.name}`);
    }
  }
  return names;
}
