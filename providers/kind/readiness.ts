import { setTimeout as sleep } from "node:timers/promises";
import { CILIUM_NAMESPACE, CONFIG_MAP, listAgents } from "../../cluster/agents";
import { apiErrorLine } from "../../cluster/apiError";
import type { ClusterReader } from "../../cluster/read";
import type { NodeFacts } from "../../datapath/facts";
import { newsOf, nodeFacts, pendingReadiness, pendingWorkload, readReadiness } from "../../datapath/readiness";
import { span, steps } from "../../host/timings.cjs";
import type { Log, ResourceHandler } from "./handler";
import type { CiliumReadinessInputs, ReadinessInputs, WorkloadReadinessInputs } from "./inputs";

/** Interval between two looks at the cluster. */
const PAUSE_MILLISECONDS = 1000;

/** The cluster of Cilium's readiness. */
export interface CiliumCluster extends ClusterReader {
  /** Replace the agents one by one. */
  restartAgents(): Promise<void>;
}

export interface CiliumReadinessState extends CiliumReadinessInputs {
  /** Nodes as Cilium sees them. */
  readonly nodes: readonly NodeFacts[];
}

/**
 * The resource `kind:index:CiliumReadiness`: it exists when Cilium is ready on every node with its configuration. Agents that
 * run with an older configuration are restarted, such as after an edit of the ConfigMap that Helm reverted.
 */
export function ciliumReadinessHandler(
  connect: (kubeconfig: string) => Promise<CiliumCluster>,
): ResourceHandler<CiliumReadinessInputs, CiliumReadinessState> {
  return readinessHandler(async (inputs, log, signal) => {
    const cluster = await connect(inputs.kubeconfig);
    let restarted = false;
    const late = `Cilium did not become ready within ${inputs.timeoutSeconds} s:`;
    const nodes = await untilReady("Cilium", { ...inputs, late }, log, signal, async () => {
      const evidence = await readReadiness(cluster);
      const pending = pendingReadiness(evidence, inputs.nodeCount, inputs.isDual);
      const outdated = pending.length > 0 || restarted ? [] : await outdatedAgents(cluster).catch(() => []);
      if (outdated.length === 0) return { pending, ready: nodeFacts(evidence) };
      const repair = async () => {
        log.status(`Restarting the agents on ${outdated.join(", ")}, which run with an older cilium-config`);
        await span("Waiting for Cilium: restart", "restart", () => cluster.restartAgents());
        restarted = true;
      };
      return { pending: ["agents: restarting"], ready: [], repair };
    });
    return { ...inputs, nodes };
  }, "cilium");
}

/**
 * The resource `kind:index:WorkloadReadiness`: it exists when the workload's pods are ready. The engine's own wait warns of
 * each pod that waits for Cilium, and takes ten seconds for a Service.
 */
export function workloadReadinessHandler(
  connect: (kubeconfig: string) => Promise<Pick<ClusterReader, "daemonSet" | "pods">>,
): ResourceHandler<WorkloadReadinessInputs, WorkloadReadinessInputs> {
  return readinessHandler(async (inputs, log, signal) => {
    const { namespace, daemonSets, pods } = inputs;
    const cluster = await connect(inputs.kubeconfig);
    const late = `The workload did not become ready within ${inputs.timeoutSeconds} s:`;
    await untilReady("the workload", { ...inputs, late }, log, signal, async () => {
      const [found, all] = await Promise.all([
        Promise.all(daemonSets.map((name) => cluster.daemonSet(namespace, name))),
        cluster.pods(namespace, ""),
      ]);
      return { pending: pendingWorkload(found, all, pods), ready: undefined };
    });
    return inputs;
  }, "workload");
}

/** A resource without an object of its own, which waits again when an input changes. */
function readinessHandler<Inputs extends ReadinessInputs, State extends Inputs>(
  wait: (inputs: Inputs, log: Log, signal: AbortSignal) => Promise<State>,
  name: string,
): ResourceHandler<Inputs, State> {
  return {
    check: async () => [],
    async diff(olds, news) {
      const differs = (key: keyof Inputs) => JSON.stringify(olds[key]) !== JSON.stringify(news[key]);
      return {
        changes: (Object.keys(news) as (keyof Inputs)[]).some(differs),
        replaces: differs("clusterInstance") ? ["clusterInstance"] : [],
      };
    },
    create: async (inputs, log, signal) => ({
      id: `${inputs.clusterInstance}/${name}`,
      state: await wait(inputs, log, signal),
    }),
    read: async (olds) => olds,
    update: (_olds, news, log, signal) => wait(news, log, signal),
    async delete() {
      // nothing was created
    },
  };
}

/** What a look at the cluster has found. */
interface Seen<T> {
  /** What is not ready, one line each. */
  readonly pending: readonly string[];
  readonly ready: T;
  /** Does something about what is pending. A failure ends the wait. */
  readonly repair?: () => Promise<void>;
}

/**
 * Look until nothing is pending. An API server that does not answer is pending too.
 * @param late first line of the error
 * @throws Error listing what is pending, that of a repair, or when the run is cancelled
 */
async function untilReady<T>(
  what: string,
  { timeoutSeconds, late }: { readonly timeoutSeconds: number; readonly late: string },
  log: Log,
  signal: AbortSignal,
  look: () => Promise<Seen<T>>,
): Promise<T> {
  const deadline = Date.now() + timeoutSeconds * 1000;
  const shown = new Set<string>();
  const record = recordPending(what);
  for (;;) {
    const unread = (error: Error) => ({ pending: [`API server: ${apiErrorLine(error)}`], ready: undefined });
    const seen: Seen<T | undefined> = await look().catch(unread);
    record(seen.pending);
    if (seen.pending.length === 0) return seen.ready as T;
    await seen.repair?.();
    if (Date.now() >= deadline) {
      record([]);
      throw new Error([late, ...seen.pending.map((line) => `  - ${line}`)].join("\n"));
    }
    for (const line of newsOf(seen.pending, shown)) log.status(line);
    await sleep(PAUSE_MILLISECONDS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

/** Record how long each thing is pending, in a row of its own: nodes, agents, operator, CoreDNS and pod networks. */
function recordPending(what: string): (pending: readonly string[]) => void {
  const rows = new Map<string, ReturnType<typeof steps>>();
  return (pending) => {
    // last words of containers may hold values
    const lines = pending.filter((line) => !line.startsWith("pod "));
    const states = new Map(lines.map((line) => [line.split(": ", 1)[0]!, line.replace(/^.*?: /, "")]));
    for (const each of states.keys()) if (!rows.has(each)) rows.set(each, steps(`Waiting for ${what}: ${each}`));
    for (const [each, step] of rows) step(states.get(each));
  };
}

/** Nodes whose agents have read an older configuration than the one that is there. */
async function outdatedAgents(cluster: ClusterReader): Promise<string[]> {
  const [configMap, agents] = await Promise.all([cluster.configMap(CILIUM_NAMESPACE, CONFIG_MAP), listAgents(cluster)]);
  const times = (configMap?.metadata?.managedFields ?? []).flatMap(({ time, fieldsV1 }) =>
    time !== undefined && fieldsV1 !== undefined && "f:data" in fieldsV1 ? [time] : [],
  );
  const changed = times.sort((a, b) => b.getTime() - a.getTime())[0];
  return agents
    .filter(({ configuredAt }) => changed !== undefined && configuredAt !== undefined && configuredAt < changed)
    .map(({ node }) => node);
}
