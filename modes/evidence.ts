import { has, type Since } from "./ciliumVersion";
import { MODE_CONTRACTS, replacementWord, type RoutingMode, type Tunnel } from "./contract";

/** The status has `Routing: Network … Host …` instead of `Host Routing`, and its JSON both routing modes. */
const ROUTING_ROW: Since = ["1.16.0-pre.2"];

/** What a running cluster must show for its routing mode to be in force. */
export interface ExpectedEvidence {
  /** By JSON path of `cilium-dbg status -o json` (`cilium` up to 1.14), in every agent; compared without case. */
  readonly statusJson: Readonly<Record<string, string>>;
  /** Rows of `cilium-dbg status` (`cilium` up to 1.14), as regular expressions, in every agent. */
  readonly statusRows: readonly string[];
  readonly kubeProxy: {
    /** A kube-proxy pod on every node. */
    readonly pods: "every node" | "none";
    /** Chains KUBE-SVC, KUBE-SEP and KUBE-NODEPORTS in the nodes' nat tables. */
    readonly chains: "present" | "absent";
  };
  /** Frontends of Cilium's service map beside those of type ClusterIP. */
  readonly serviceMap: { readonly nodePort: "present" | "absent" };
  /** How a node reaches the pods of another: a route to each by its address, or all by the tunnel's device. */
  readonly nodeRoutes: "via the other node's address" | `dev cilium_${Exclude<Tunnel, "disabled">}`;
}

/** What a routing mode and a tunnel must look like under a version of Cilium. */
export function expectedEvidence(args: {
  readonly mode: RoutingMode;
  readonly tunnel: Tunnel;
  readonly version: string;
  readonly nativeRoutingCIDR: string;
}): ExpectedEvidence {
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
    kubeProxy:
      kubeProxyMode === "none" ? { pods: "none", chains: "absent" } : { pods: "every node", chains: "present" },
    serviceMap: { nodePort: services === "cilium" ? "present" : "absent" },
    nodeRoutes: tunnel === "disabled" ? "via the other node's address" : `dev cilium_${tunnel}`,
  };
}

const capitalized = (word: string) => word[0]!.toUpperCase() + word.slice(1);

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&").replaceAll("\\/", "/");
