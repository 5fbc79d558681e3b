import type { V1ConfigMap } from "@kubernetes/client-node";
import { listAgents, CILIUM_NAMESPACE, type Agent } from "../agents";
import type { ClusterReader } from "../cluster";
import { fail, inconclusive, pass, type Check, type Finding } from "./check";

const CONFIG_MAP = "cilium-config";

/** Whether `cilium-config` holds what the mode needs. */
export const configCheck: Check<V1ConfigMap | undefined> = {
  id: "config",
  question: "Does cilium-config hold what was asked for?",
  timeoutSeconds: 10,
  read: (cluster) => cluster.configMap(CILIUM_NAMESPACE, CONFIG_MAP),
  judge(configMap, { ciliumConfig }) {
    if (configMap?.data === undefined) {
      return [inconclusive("cluster", `there is no ConfigMap ${CONFIG_MAP} in ${CILIUM_NAMESPACE}`, "install Cilium")];
    }
    const { data } = configMap;
    const wrong = Object.entries(ciliumConfig).filter(([key, value]) => (data[key] ?? null) !== value);
    if (wrong.length === 0) return [pass("cluster", `${Object.keys(ciliumConfig).length} keys as asked for`)];
    return [
      fail(
        "cluster",
        wrong.map(([key]) => `${key}: ${shown(data[key])}`).join(", "),
        `asked for ${wrong.map(([key, value]) => `${key}: ${shown(value)}`).join(", ")}`,
        "run pulumi up --refresh; if it stays, look for another who changes the ConfigMap or the Helm release",
      ),
    ];
  },
};

interface Configured {
  readonly configMap: V1ConfigMap | undefined;
  readonly agents: readonly Agent[];
}

async function readConfigured(cluster: ClusterReader): Promise<Configured> {
  const [configMap, agents] = await Promise.all([cluster.configMap(CILIUM_NAMESPACE, CONFIG_MAP), listAgents(cluster)]);
  return { configMap, agents };
}

/** Whether every agent has been started since its configuration was last changed: agents read it only then. */
export const agentsCheck: Check<Configured> = {
  id: "agents",
  question: "Does every node have a ready agent that has read the configuration?",
  timeoutSeconds: 10,
  read: readConfigured,
  judge({ configMap, agents }, { nodeCount }) {
    const changed = changedAt(configMap);
    const findings = agents.map((agent): Finding => {
      if (!agent.ready || agent.configuredAt === undefined) {
        const remedy = `kubectl -n ${CILIUM_NAMESPACE} describe pod ${agent.pod}`;
        return fail(agent.node, `${agent.pod} is not ready`, "the node's datapath is nobody's", remedy);
      }
      if (changed === undefined) return inconclusive(agent.node, `nobody knows when ${CONFIG_MAP} was changed`);
      if (agent.configuredAt < changed) {
        return fail(
          agent.node,
          `${agent.pod} read it at ${agent.configuredAt.toISOString()}`,
          `${CONFIG_MAP} was changed after that, at ${changed.toISOString()}, and agents read it only when they start`,
          `kubectl -n ${CILIUM_NAMESPACE} rollout restart daemonset/cilium`,
        );
      }
      return pass(agent.node, `${agent.pod} read it at ${agent.configuredAt.toISOString()}`);
    });
    const missing = (nodeCount ?? agents.length) - agents.length;
    if (agents.length === 0) return [inconclusive("cluster", "there are no agents", "install Cilium")];
    if (missing <= 0) return findings;
    const seen = `${agents.length} agents`;
    return [
      ...findings,
      fail(
        "cluster",
        seen,
        `the cluster has ${nodeCount} nodes`,
        "kubectl get nodes; kubectl -n kube-system get pods -l k8s-app=cilium -o wide",
      ),
    ];
  },
};

/** Nodes whose agents have read an older configuration than the one that is there. */
export async function outdatedAgents(cluster: ClusterReader): Promise<string[]> {
  const { configMap, agents } = await readConfigured(cluster);
  const changed = changedAt(configMap);
  return agents
    .filter(({ configuredAt }) => changed !== undefined && configuredAt !== undefined && configuredAt < changed)
    .map(({ node }) => node);
}

/** When the ConfigMap's data was last changed, as the API server has recorded it. */
function changedAt(configMap: V1ConfigMap | undefined): Date | undefined {
  const times = (configMap?.metadata?.managedFields ?? []).flatMap(({ time }) => time ?? []);
  return times.sort((a, b) => b.getTime() - a.getTime())[0];
}

function shown(value: string | null | undefined): string {
  return value === null || value === undefined ? "(not set)" : JSON.stringify(value);
}
