import type { CiliumValuesArgs } from "./ciliumValues";
import { has, type Since } from "./ciliumVersion";
import { MODE_CONTRACTS, replacementWord } from "./contract";

/** The status has `Routing: Network … Host …` instead of `Host Routing`, and its JSON both routing modes. */
const ROUTING_ROW: Since = ["1.16.0-pre.2"];

/** What a running cluster must show for its routing mode to be in force. */
export interface ExpectedEvidence {
  /** By JSON path of `cilium-dbg status -o json` (`cilium` up to 1.14), in every agent; compared without case. */
  readonly statusJson: Readonly<Record<string, string>>;
  /** Rows of `cilium-dbg status` (`cilium` up to 1.14), as regular expressions, in every agent. */
  readonly statusRows: readonly string[];
  /** The network that BPF masquerading leaves alone, in every agent's status; undefined where the agent chooses it. */
  readonly masqueradingCidr?: string | undefined;
  /** The device that Cilium answers for NodePorts on; undefined where it does not. */
  readonly nodePortDevice?: "eth0" | undefined;
  /** Who masquerades pods on their way out of the cluster. */
  readonly masquerading: "BPF" | "iptables";
  /** What pods' packets pass between the pod and its node's device: the host's stack with its iptables, or BPF alone. */
  readonly forwarding: "host" | "BPF" | "not promised";
  readonly kubeProxy: {
    /** A kube-proxy pod on every node. */
    readonly pods: "every node" | "none";
    /** Chains KUBE-SVC, KUBE-SEP and KUBE-NODEPORTS in the nodes' nat tables. */
    readonly chains: "present" | "absent";
  };
  /** Frontends of Cilium's service map beside those of type ClusterIP. */
  readonly serviceMap: { readonly nodePort: "present" | "absent" };
  /** How a node reaches the pods of another: by that node's address, by Cilium's own interface, or as somebody else decides. */
  readonly nodeRoutes:
    "via the other node dev eth0" | "via the other node" | "via cilium_host dev cilium_host" | "not Cilium's";
  /** The interface that encapsulates. */
  readonly tunnelDevice: "cilium_vxlan" | "cilium_geneve" | "none";
}

type EvidenceArgs = Pick<
  CiliumValuesArgs,
  "mode" | "tunnel" | "version" | "nativeRoutingCIDR" | "autoDirectNodeRoutes"
>;

/** What a routing mode and a tunnel must look like under a version of Cilium. */
export function expectedEvidence(args: EvidenceArgs): ExpectedEvidence {
  const { mode, tunnel, version, nativeRoutingCIDR } = args;
  const { switches, kubeProxyMode, services, hostRouting, masquerading } = MODE_CONTRACTS[mode];
  const replacement = capitalized(replacementWord(switches.kubeProxyReplacement, version));
  const network = tunnel === "disabled" ? "Native" : "Tunnel";
  const routingRow = has(ROUTING_ROW, version);
  const routing: Record<string, string> = routingRow
    ? { "routing.inter-host-routing-mode": network, "routing.intra-host-routing-mode": hostRouting }
    : { "host-routing.mode": hostRouting };
  const masqueradingRow =
    masquerading === "BPF"
      ? `BPF +\\[eth0\\] +${tunnel === "disabled" ? escaped(nativeRoutingCIDR) : "\\S+"}`
      : "IPTables";
  const networkRow = tunnel === "disabled" ? network : `${network} \\[${tunnel}\\]`;
  return {
    statusJson: {
      "kube-proxy-replacement.mode": replacement,
      ...routing,
      "masquerading.mode": masquerading,
    },
    statusRows: [
      `^KubeProxyReplacement: +${replacement}${services === "cilium" ? " +\\[eth0 .*\\(Direct Routing\\)" : ""}`,
      routingRow ? `^Routing: +Network: ${networkRow} +Host: ${hostRouting}` : `^Host Routing: +${hostRouting}`,
      `^Masquerading: +${masqueradingRow}`,
    ],
    masqueradingCidr: masquerading === "BPF" && tunnel === "disabled" ? nativeRoutingCIDR : undefined,
    nodePortDevice: services === "cilium" ? "eth0" : undefined,
    masquerading,
    forwarding: tunnel === "disabled" ? FORWARDING[hostRouting] : "not promised",
    kubeProxy:
      kubeProxyMode === "none" ? { pods: "none", chains: "absent" } : { pods: "every node", chains: "present" },
    serviceMap: { nodePort: services === "cilium" ? "present" : "absent" },
    nodeRoutes: nodeRoutes(args),
    tunnelDevice: tunnel === "disabled" ? "none" : `cilium_${tunnel}`,
  };
}

/** The same where nodes are not kind's, and their devices have names of their own. */
export function onAnyDevice(evidence: ExpectedEvidence): ExpectedEvidence {
  const direct = evidence.nodeRoutes === "via the other node dev eth0";
  return {
    ...evidence,
    nodePortDevice: undefined,
    nodeRoutes: direct ? "via the other node" : evidence.nodeRoutes,
  };
}

const FORWARDING = { BPF: "BPF", Legacy: "host" } as const;

function nodeRoutes({ tunnel, autoDirectNodeRoutes }: EvidenceArgs): ExpectedEvidence["nodeRoutes"] {
  if (tunnel !== "disabled") return "via cilium_host dev cilium_host";
  return (autoDirectNodeRoutes ?? true) ? "via the other node dev eth0" : "not Cilium's";
}

const capitalized = (word: string) => word[0]!.toUpperCase() + word.slice(1);

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&").replaceAll("\\/", "/");
