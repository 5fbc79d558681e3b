import { askAgents, type AgentAnswer } from "../agents";
import type { V1Pod } from "@kubernetes/client-node";
import { fail, inconclusive, pass, skipped, type Check, type Finding } from "./check";

/** One frontend of Cilium's service map. */
export interface ServiceEntry {
  /** `address:port` without protocol. */
  readonly frontend: string;
  /** `ClusterIP`, `NodePort`, `HostPort` and so on. */
  readonly type: string;
  readonly backends: readonly { readonly address: string; readonly active: boolean }[];
}

/** Read `cilium service list`, of every version from 1.12 on. */
export function parseServiceList(text: string): ServiceEntry[] {
  const entries: { frontend: string; type: string; backends: { address: string; active: boolean }[] }[] = [];
  for (const line of text.split("\n")) {
    const head = /^\d+\s+(\S+)\s+(\w+)\s*(.*)$/.exec(line);
    if (head !== null) entries.push({ frontend: head[1]!.replace(/\/\w+$/, ""), type: head[2]!, backends: [] });
    const backend = /(?:^|\s)\d+ => (\S+?)(?:\/\w+)?(?:\s+\((\w+)\))?\s*$/.exec(head === null ? line : head[3]!);
    // versions without the state list active backends only
    if (backend !== null)
      entries.at(-1)?.backends.push({ address: backend[1]!, active: (backend[2] ?? "active") === "active" });
  }
  return entries;
}

/** Whether Cilium's service map has the NodePort exactly where Cilium answers for it. */
export const serviceMapCheck: Check<readonly AgentAnswer[]> = {
  id: "service-map",
  question: "Does Cilium's service map hold ClusterIPs, and the NodePort exactly where Cilium answers for it?",
  timeoutSeconds: 20,
  read: (cluster) => askAgents(cluster, "cilium", "service", "list"),
  judge(answers, { evidence, nodePort }) {
    if (answers.length === 0) return [inconclusive("cluster", "there are no agents")];
    return answers.map(({ node, output }): Finding => {
      if (output instanceof Error) return inconclusive(node, output.message);
      const entries = parseServiceList(output);
      const clusterIps = entries.filter(({ type }) => type === "ClusterIP");
      if (clusterIps.length === 0)
        return inconclusive(node, "the service map has no ClusterIP, not even the API server's");
      const nodePorts = entries.filter(
        ({ type, frontend }) => type === "NodePort" && (nodePort === undefined || frontend.endsWith(`:${nodePort}`)),
      );
      const active = nodePorts.map(
        ({ frontend, backends }) => `${frontend} with ${backends.filter((each) => each.active).length}`,
      );
      const seen = `${clusterIps.length} ClusterIPs, NodePorts: ${active.join(", ") || "none"}`;
      if (evidence.serviceMap.nodePort === "absent") {
        return nodePorts.length === 0
          ? pass(node, seen)
          : fail(node, seen, "kube-proxy answers for NodePorts in this mode", "see the checks config and status");
      }
      if (nodePort === undefined) {
        return nodePorts.length > 0 ? pass(node, seen) : skipped(node, "there is no NodePort service to look for");
      }
      const dead = nodePorts.filter(({ backends }) => !backends.some((each) => each.active));
      const everywhere = nodePorts.some(({ frontend }) => frontend.startsWith("0.0.0.0:"));
      if (everywhere && dead.length === 0) return pass(node, seen);
      return fail(
        node,
        seen,
        !everywhere
          ? `the map must have NodePort ${nodePort} on every address, 0.0.0.0`
          : `${dead.map(({ frontend }) => frontend).join(", ")} has no active backend`,
        "kubectl -n nettool get endpointslices -l kubernetes.io/service-name=serversvc; does the service's selector match its pods?",
      );
    });
  },
};

interface HostPortEvidence {
  /** Pods whose containers ask for a port of their node. */
  readonly pods: readonly V1Pod[];
  readonly answers: readonly AgentAnswer[];
}

/** Whether Cilium's service map holds every HostPort, where Cilium answers for them. */
export const hostPortsCheck: Check<HostPortEvidence> = {
  id: "host-ports",
  question: "Does Cilium's service map hold the HostPorts of every node's pods?",
  timeoutSeconds: 20,
  skip: ({ evidence }) =>
    evidence.serviceMap.nodePort === "absent" ? "HostPorts are the CNI plugin portmap's in this mode" : undefined,
  async read(cluster) {
    const [pods, answers] = await Promise.all([cluster.allPods(), askAgents(cluster, "cilium", "service", "list")]);
    return { pods: pods.filter(({ spec, status }) => !spec?.hostNetwork && status?.phase === "Running"), answers };
  },
  judge({ pods, answers }) {
    const wanted = pods.flatMap((pod) =>
      hostPortsOf(pod).map((port) => ({ pod: pod.metadata!.name!, node: pod.spec!.nodeName, port })),
    );
    if (answers.length === 0) return [inconclusive("cluster", "there are no agents")];
    if (wanted.length === 0) return [skipped("cluster", "no pod asks for a HostPort")];
    return answers.flatMap(({ node, output }): Finding[] => {
      const own = wanted.filter((each) => each.node === node);
      if (own.length === 0) return [];
      if (output instanceof Error) return [inconclusive(node, output.message)];
      const held = parseServiceList(output).filter(({ type }) => type === "HostPort");
      const missing = own.filter(({ port }) => !held.some(({ frontend }) => frontend.endsWith(`:${port}`)));
      const seen = `${own.length - missing.length} of ${own.length} HostPorts`;
      if (missing.length === 0) return [pass(node, seen)];
      const names = missing.map(({ pod, port }) => `${port} of ${pod}`).join(", ");
      return [fail(node, seen, `the map lacks ${names}`, "restart the node's agent; see the check service-map")];
    });
  },
};

function hostPortsOf({ spec }: V1Pod): number[] {
  return (spec?.containers ?? []).flatMap(({ ports }) => (ports ?? []).flatMap(({ hostPort }) => hostPort ?? []));
}
