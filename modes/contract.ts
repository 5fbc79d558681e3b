/** The three ways in which this project lets Cilium route: who translates services, and who masquerades. */
export const ROUTING_MODES = ["kubeproxy", "replacement", "ebpf"] as const;
export type RoutingMode = (typeof ROUTING_MODES)[number];

/** How pod traffic crosses nodes: not encapsulated (`disabled`: native routing), or in VXLAN or Geneve. */
export const TUNNELS = ["disabled", "vxlan", "geneve"] as const;
export type Tunnel = (typeof TUNNELS)[number];

/** The semantic switches that make a routing mode. */
export interface ModeSwitches {
  /** Cilium answers for services, and the cluster has no kube-proxy. */
  readonly kubeProxyReplacement: boolean;
  /** Pod traffic that leaves the cluster is masqueraded in BPF instead of iptables. */
  readonly bpfMasquerade: boolean;
}

/** What a routing mode asks of the cluster, and what its status must then say. */
export interface ModeContract {
  readonly switches: ModeSwitches;
  /** kind's `kubeProxyMode`: https://kind.sigs.k8s.io/docs/user/configuration/#kube-proxy-mode */
  readonly kubeProxyMode: "iptables" | "none";
  /**
   * Whether CoreDNS has to forward to resolvers that pods reach without the node's iptables. BPF host routing
   * passes by the rules that lead to Docker's resolver (https://github.com/cilium/cilium/issues/23330). A cluster
   * without kube-proxy can be switched to BPF masquerading in place, so it is prepared from the start.
   */
  readonly bypassDockerResolver: boolean;
  /** What `cilium-dbg status -o json` must say in every agent, from Cilium 1.16 on. */
  readonly status: {
    readonly kubeProxyReplacement: "True" | "False";
    readonly hostRouting: "BPF" | "Legacy";
    readonly masquerading: "BPF" | "iptables";
  };
}

/** The contract of each routing mode. */
export const MODE_CONTRACTS: Readonly<Record<RoutingMode, ModeContract>> = {
  kubeproxy: {
    switches: { kubeProxyReplacement: false, bpfMasquerade: false },
    kubeProxyMode: "iptables",
    bypassDockerResolver: false,
    status: { kubeProxyReplacement: "False", hostRouting: "Legacy", masquerading: "iptables" },
  },
  replacement: {
    switches: { kubeProxyReplacement: true, bpfMasquerade: false },
    kubeProxyMode: "none",
    bypassDockerResolver: true,
    status: { kubeProxyReplacement: "True", hostRouting: "Legacy", masquerading: "iptables" },
  },
  ebpf: {
    switches: { kubeProxyReplacement: true, bpfMasquerade: true },
    kubeProxyMode: "none",
    bypassDockerResolver: true,
    status: { kubeProxyReplacement: "True", hostRouting: "BPF", masquerading: "BPF" },
  },
};

/** The routing mode that these switches make; undefined for masquerading in BPF without kube-proxy replacement. */
export function routingModeOf(switches: ModeSwitches): RoutingMode | undefined {
  return ROUTING_MODES.find((mode) => {
    const own = MODE_CONTRACTS[mode].switches;
    return own.kubeProxyReplacement === switches.kubeProxyReplacement && own.bpfMasquerade === switches.bpfMasquerade;
  });
}
