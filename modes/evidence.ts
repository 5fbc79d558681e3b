import { masqueradesIpv6, type CiliumValuesArgs } from "./ciliumValues";
import { has, type Since } from "./ciliumVersion";
import { MODE_CONTRACTS, replacementWord } from "./contract";
import { expectedStatus, type DatapathChoice } from "./datapathChoice";
import type { KubeProxyMode } from "./kubeProxy";

/** From here on the status has `Routing: Network … Host …` instead of `Host Routing`, and its JSON both routing modes. */
const ROUTING_ROW: Since = ["1.16.0-pre.2"];

/** Evidence of a running cluster that its routing mode is in force. */
export interface ExpectedEvidence {
  /** Values in `cilium-dbg status -o json` (`cilium` up to 1.14) of every agent by JSON path; case does not matter. */
  readonly statusJson: Readonly<Record<string, string>>;
  /** Regular expressions for rows of `cilium-dbg status` (`cilium` up to 1.14) of every agent. */
  readonly statusRows: readonly string[];
  /** Network without BPF masquerading in every agent's status; undefined if the agent chooses it. */
  readonly masqueradingCidr?: string | undefined;
  /** Device on which Cilium translates NodePorts; undefined if it does not. */
  readonly nodePortDevice?: "eth0" | undefined;
  /** Who masquerades pod traffic that leaves the cluster. */
  readonly masquerading: "BPF" | "iptables";
  /** Forwarding of packets between a pod and its node's device: the host's network stack with iptables, or BPF alone. */
  readonly forwarding: "host" | "BPF" | "not promised";
  readonly kubeProxy: {
    /** Pods of kube-proxy. */
    readonly pods: "every node" | "none";
    /** kube-proxy's rules for Services: in iptables the chains KUBE-SVC, KUBE-SEP and KUBE-NODEPORTS of the nat table. */
    readonly chains: "present" | "absent";
    /** Where these rules are. Default: `iptables` in kind clusters; in external ones wherever kube-proxy says. */
    readonly mode?: KubeProxyMode | undefined;
  };
  /** Frontends of Cilium's service map, apart from ClusterIPs. */
  readonly serviceMap: { readonly nodePort: "present" | "absent" };
  /** Route of a node to the pods of another node: through that node's address, through Cilium's interface, or not set by Cilium. */
  readonly nodeRoutes:
    | "via the other node dev eth0"
    | "via the other node"
    | "via cilium_host dev cilium_host"
    | "not Cilium's";
  /** How programs are attached to devices; undefined where it is left to Cilium. */
  readonly attachment?: "tcx" | "tc" | undefined;
  /** Interface of the tunnel. */
  readonly tunnelDevice: "cilium_vxlan" | "cilium_geneve" | "none";
}

type EvidenceArgs = DatapathChoice &
  Pick<
    CiliumValuesArgs,
    "mode" | "tunnel" | "version" | "nativeRoutingCIDR" | "autoDirectNodeRoutes" | "kubeProxyMode" | "ipv6"
  > &
  Partial<Pick<CiliumValuesArgs, "extraValues">>;

/** Whether agents masquerade IPv6, which they leave out where they do not. */
export const IPV6_MASQUERADING = "masquerading.enabledProtocols.ipv6";

/** Expected evidence for a routing mode and a tunnel in a version of Cilium. */
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
      ...(args.ipv6 !== undefined && masqueradesIpv6(args) ? { [IPV6_MASQUERADING]: "true" } : {}),
      ...expectedStatus(args, version),
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
      kubeProxyMode === "none"
        ? { pods: "none", chains: "absent" }
        : {
            pods: "every node",
            chains: "present",
            ...(args.kubeProxyMode === undefined ? {} : { mode: args.kubeProxyMode }),
          },
    serviceMap: { nodePort: services === "cilium" ? "present" : "absent" },
    nodeRoutes: nodeRoutes(args),
    ...(args.enableTCX === undefined ? {} : { attachment: args.enableTCX ? "tcx" : "tc" }),
    tunnelDevice: tunnel === "disabled" ? "none" : `cilium_${tunnel}`,
  };
}

/** The evidence for an external cluster, whose nodes' devices have other names. */
export function onAnyDevice(evidence: ExpectedEvidence): ExpectedEvidence {
  const anyDevice = (row: string) => row.replace("\\[eth0 .*", "\\[.*").replace("\\[eth0\\]", "\\[.*\\]");
  const direct = evidence.nodeRoutes === "via the other node dev eth0";
  return {
    ...evidence,
    statusRows: evidence.statusRows.map(anyDevice),
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
