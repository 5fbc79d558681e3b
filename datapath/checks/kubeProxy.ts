import type { V1Pod } from "@kubernetes/client-node";
import { askAgents, CILIUM_NAMESPACE, SAVE_NAT, type AgentAnswer } from "../agents";
import type { ClusterReader } from "../cluster";
import { fail, inconclusive, pass, type Check, type Finding } from "./check";

/** Whether kube-proxy runs exactly where the mode has it. */
export const kubeProxyCheck: Check<readonly V1Pod[]> = {
  id: "kube-proxy",
  question: "Does kube-proxy run on every node, or on none, as the mode has it?",
  timeoutSeconds: 10,
  read: (cluster) => cluster.pods(CILIUM_NAMESPACE, "k8s-app=kube-proxy"),
  judge(pods, { evidence, nodeCount }) {
    const running = pods.filter(({ status }) => status?.phase === "Running");
    const seen = `${running.length} kube-proxy pods run`;
    if (evidence.kubeProxy.pods === "none") {
      return pods.length === 0
        ? [pass("cluster", seen)]
        : [
            fail(
              "cluster",
              `${seen}: ${pods.map(({ metadata }) => metadata?.name).join(", ")}`,
              "Cilium replaces kube-proxy in this mode, and both would translate services",
              "kubectl -n kube-system delete daemonset kube-proxy, then remove its rules on every node",
            ),
          ];
    }
    const wanted = nodeCount ?? pods.length;
    if (wanted > 0 && running.length === wanted) return [pass("cluster", seen)];
    const remedy = "kubectl -n kube-system get pods -l k8s-app=kube-proxy -o wide";
    return [
      fail(
        "cluster",
        seen,
        `this mode has one on every node${nodeCount === undefined ? "" : ` of ${nodeCount}`}`,
        remedy,
      ),
    ];
  },
};

/** Chains that kube-proxy alone makes. Cilium keeps chains of its own in every mode, and kubelet has KUBE-FIREWALL and its like. */
const CHAINS = /^:(KUBE-(?:SVC|SEP|NODEPORTS|EXT|NODE-PORT|LOAD-BALANCER)\S*)/gm;

/** The tables that kube-proxy has in its mode nftables. */
const TABLES = /^table (?:ip|ip6|inet) kube-proxy\b/gm;

/** Node images of Kubernetes before 1.31 have no nft, and their kube-proxy no such mode. */
const LIST_TABLES = "! command -v nft >/dev/null || nft list tables";

interface RulesEvidence {
  /** What {@link SAVE_NAT} printed. */
  readonly iptables: readonly AgentAnswer[];
  /** The nodes' nftables tables; empty where nodes are not to be had, whose agents have no `nft`. */
  readonly nftables: readonly AgentAnswer[];
  /** What kube-proxy itself says is wrong, by node. */
  readonly complaints: ReadonlyMap<string, string>;
}

/** klog's errors and fatal errors. */
const COMPLAINT = /^(?:[EF]\d{4} .*|.*too many open files.*)$/gm;

/** The last complaint of each kube-proxy; of most there is none. */
async function readComplaints(cluster: ClusterReader): Promise<Map<string, string>> {
  const pods = await cluster.pods(CILIUM_NAMESPACE, "k8s-app=kube-proxy");
  const each = pods.map(async ({ metadata, spec }) => {
    const log = await cluster.log(CILIUM_NAMESPACE, metadata!.name!, "kube-proxy").catch(() => "");
    return [spec?.nodeName ?? "", log.match(COMPLAINT)?.at(-1)?.trim()] as const;
  });
  return new Map((await Promise.all(each)).flatMap(([node, line]) => (line === undefined ? [] : [[node, line]])));
}

/** Whether the nodes have kube-proxy's rules exactly where it runs. */
export const kubeProxyRulesCheck: Check<RulesEvidence> = {
  id: "kube-proxy-rules",
  question: "Do the nodes have kube-proxy's rules, or none of them, as the mode has it?",
  timeoutSeconds: 20,
  async read(cluster) {
    const iptables = await askAgents(cluster, "sh", "-c", SAVE_NAT);
    const { onNode } = cluster;
    const nftables =
      onNode === undefined
        ? []
        : iptables.map(async ({ node }) => ({
            node,
            output: await onNode(node, ["sh", "-c", LIST_TABLES]).catch((error: Error) => error),
          }));
    // one that has written rules is not asked
    const isWritten = ({ output }: AgentAnswer) => !(output instanceof Error) && output.includes(":KUBE-SVC");
    const complaints = iptables.every(isWritten) ? new Map<string, string>() : await readComplaints(cluster);
    return { iptables, nftables: await Promise.all(nftables), complaints };
  },
  judge({ iptables, nftables, complaints }, { evidence, nodePort }) {
    if (iptables.length === 0) return [inconclusive("cluster", "there are no agents to ask on the nodes")];
    return iptables.map(({ node, output }): Finding => {
      const tables = nftables.find((answer) => answer.node === node)?.output ?? "";
      if (output instanceof Error) return inconclusive(node, output.message);
      if (tables instanceof Error) return inconclusive(node, tables.message);
      if (!output.includes("*nat")) return inconclusive(node, "iptables-save printed no nat table");
      const services = [...output.matchAll(CHAINS)].map(([, chain]) => chain!);
      const ofNftables = tables.match(TABLES) ?? [];
      const ofNodePort =
        nodePort === undefined ? [] : output.split("\n").filter((rule) => rule.includes(`--dport ${nodePort} `));
      const seen = `${services.length} chains of kube-proxy, ${ofNodePort.length} rules for the NodePort${nftables.length === 0 ? ", nftables not looked at" : ""}${ofNftables.length > 0 ? `, ${ofNftables.join(", ")}` : ""}`;
      if (evidence.kubeProxy.chains === "absent") {
        const left = [...services, ...ofNodePort, ...ofNftables];
        return left.length === 0
          ? pass(node, seen)
          : fail(
              node,
              `${seen}: ${left.slice(0, 3).join(", ")}`,
              "kube-proxy left them, or runs: packets may be translated before Cilium sees them",
              "kube-proxy --cleanup on that node, or make the node anew",
            );
      }
      const complete =
        services.some((chain) => chain.startsWith("KUBE-SVC")) && (nodePort === undefined || ofNodePort.length > 0);
      if (complete || ofNftables.length > 0) return pass(node, seen);
      if (nftables.length === 0) {
        return inconclusive(
          node,
          "kube-proxy has no rules in iptables, and what it has in nftables or IPVS is not seen",
        );
      }
      const complaint = complaints.get(node);
      return fail(
        node,
        seen,
        `kube-proxy has not written its services there${complaint === undefined ? "" : `: ${complaint}`}`,
        complaint?.includes("too many open files")
          ? "sudo sysctl fs.inotify.max_user_instances=512"
          : "kubectl -n kube-system logs -l k8s-app=kube-proxy",
      );
    });
  },
};
