import { setTimeout as sleep } from "node:timers/promises";
import { apiErrorLine } from "../cluster/apiError";
import { CILIUM_NAMESPACE, CONFIG_MAP, listAgents } from "../cluster/agents";
import { connect, type ClusterReader } from "../cluster/read";
import { restartDaemonSet } from "../cluster/write";
import { span, steps } from "../host/timings.cjs";
import { newsOf, nodeFacts, pendingReadiness, readReadiness } from "../datapath/readiness";
import { required } from "./environment";

const POLL_MILLISECONDS = 1000;

/**
 * Wait until Cilium is ready on every node with its configuration, then print the nodes' facts as JSON. Agents that run
 * with an older configuration are restarted, such as after an edit of the ConfigMap that Helm reverted.
 * @throws Error listing everything that is not ready
 */
export async function awaitCilium(): Promise<void> {
  const kubeconfig = required("CILIUM_MODES_KUBECONFIG");
  const cluster = connect(kubeconfig);
  const nodeCount = Number(required("CILIUM_MODES_NODES"));
  const timeoutSeconds = Number(required("CILIUM_MODES_TIMEOUT_SECONDS"));
  const deadline = Date.now() + timeoutSeconds * 1000;
  const shown = new Set<string>();
  const record = recordPending();
  let restarted = false;
  for (;;) {
    const evidence = await readReadiness(cluster).catch((error: Error) => error);
    const pending = evidence instanceof Error ? [apiErrorLine(evidence)] : pendingReadiness(evidence, nodeCount);
    const outdated = pending.length > 0 || restarted ? [] : await outdatedAgents(cluster).catch(() => []);
    if (outdated.length > 0) {
      console.error(`Restarting the agents on ${outdated.join(", ")}, which run with an older cilium-config`);
      await span("Waiting for Cilium: restart", "restart", () =>
        restartDaemonSet(kubeconfig, CILIUM_NAMESPACE, "cilium"),
      );
      restarted = true;
      continue;
    }
    record(evidence instanceof Error ? [`API server: ${pending[0]}`] : pending);
    if (pending.length === 0 && !(evidence instanceof Error)) {
      console.log(JSON.stringify({ nodes: nodeFacts(evidence) }));
      return;
    }
    if (Date.now() >= deadline) {
      record([]);
      throw new Error(
        [`Cilium did not become ready within ${timeoutSeconds} s:`, ...pending.map((line) => `  - ${line}`)].join("\n"),
      );
    }
    for (const line of newsOf(pending, shown)) console.error(line);
    await sleep(POLL_MILLISECONDS);
  }
}

/** Record how long each thing is pending, in a row of its own: nodes, agents, operator, CoreDNS and pod networks. */
function recordPending(): (pending: readonly string[]) => void {
  const rows = new Map<string, ReturnType<typeof steps>>();
  return (pending) => {
    // last words of containers may hold values
    const lines = pending.filter((line) => !line.startsWith("pod "));
    const states = new Map(lines.map((line) => [line.split(": ", 1)[0]!, line.replace(/^.*?: /, "")]));
    for (const what of states.keys()) if (!rows.has(what)) rows.set(what, steps(`Waiting for Cilium: ${what}`));
    for (const [what, step] of rows) step(states.get(what));
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
