import { createInterface } from "node:readline";
import { listAgents, startInAgent, type Agent } from "../../cluster/agents";
import type { AttachableCluster } from "../../cluster/read";
import { untilEnded, type Session } from "../../cluster/podExec";
import { hubbleFlow, monitorFlow, type Flow, type Names } from "./flow";

/** Where an agent's flows come from: its record of the last thousands, or what passes from now on. */
export type Source = "hubble" | "monitor";

/** What is asked of agents. */
export interface Question {
  /** Go on with what passes from now on. */
  readonly follow: boolean;
  /** How many flows of before are asked of each agent, where it has a record. */
  readonly last: number;
}

/** Flows under way. */
export interface Observation {
  /** Where the flows of each node's agent come from, known with its first word. */
  readonly sources: ReadonlyMap<string, Source>;
  /** There when every agent has said its first word. */
  readonly started: Promise<void>;
  /** There when all agents have said all, or were ended. */
  readonly ended: Promise<void>;
  end(): void;
}

/** The first word of an agent tells which of the two it is. */
const SCRIPT = `if command -v hubble >/dev/null; then
  echo hubble
  set -- hubble observe -o json "$@"
else
  echo monitor
  set -- $(command -v cilium-dbg || command -v cilium) monitor -j --type trace --type drop
fi
${untilEnded('"$@"')}`;

/** Let every agent tell its flows. @param tell called with each, as it comes */
export async function observe(
  cluster: AttachableCluster,
  { follow, last }: Question,
  tell: (flow: Flow) => void,
): Promise<Observation> {
  const [agents, names] = await Promise.all([listAgents(cluster), addressNames(cluster)]);
  const sources = new Map<string, Source>();
  const command = ["sh", "-c", SCRIPT, "sh", "--last", String(last), ...(follow ? ["--follow"] : [])];
  const sessions = agents.map((agent) => ({ agent, session: startInAgent(cluster, agent, command) }));
  const readings = sessions.map(({ agent, session }) => read(agent, session, names, sources, tell));
  const ended = Promise.all(readings.map(({ ended }) => ended)).then(() => undefined);
  ended.catch(() => undefined); // told by whoever waits for it
  return {
    sources,
    started: Promise.all(readings.map(({ started }) => Promise.race([started, ended]))).then(() => undefined),
    ended,
    end: () => sessions.forEach(({ session }) => session.end()),
  };
}

/** Read an agent's lines to their end. */
function read(
  { node }: Agent,
  { stdout }: Session,
  names: Names,
  sources: Map<string, Source>,
  tell: (flow: Flow) => void,
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
    if (flow !== undefined) tell(flow);
  };
  const ended = (async () => {
    for await (const line of createInterface({ input: stdout, crlfDelay: Infinity })) readLine(line);
  })();
  return { started, ended };
}

/** Who has which address: pods, nodes and services. */
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
