import { has, type Since } from "./ciliumVersion";

/** The three ways in which this project's stacks let Cilium route: who translates services, and who masquerades. */
export const ROUTING_MODES = ["kubeproxy", "replacement", "ebpf"] as const;

/**
 * Ways that old Ciliums know beside them, with kube-proxy and Cilium's services in one cluster: single features
 * (`partial`), or whatever the kernel can do (`probe`), with BPF masquerading too (`probe-ebpf`).
 */
export const COEXISTING_MODES = ["partial", "probe", "probe-ebpf"] as const;

/** A way in which Cilium routes, by its name. */
export type RoutingMode = (typeof ROUTING_MODES)[number] | (typeof COEXISTING_MODES)[number];

/** Every routing mode: those of the stacks, then those that only old Ciliums know. */
export const ALL_MODES: readonly RoutingMode[] = [...ROUTING_MODES, ...COEXISTING_MODES];

/** How pod traffic crosses nodes: not encapsulated (`disabled`: native routing), or in VXLAN or Geneve. */
export const TUNNELS = ["disabled", "vxlan", "geneve"] as const;
/** One of {@link TUNNELS}: `disabled` (native routing), `vxlan` or `geneve`. */
export type Tunnel = (typeof TUNNELS)[number];

/** Cilium instead of kube-proxy: wholly or not, or one of the two ways beside it that old Ciliums know. */
export type KubeProxyReplacement = boolean | "partial" | "probe";

/** The semantic switches that make a routing mode. */
export interface ModeSwitches {
  /** Whether Cilium stands in for kube-proxy. */
  readonly kubeProxyReplacement: KubeProxyReplacement;
  /** Pod traffic that leaves the cluster is masqueraded in BPF instead of iptables. */
  readonly bpfMasquerade: boolean;
}

/** What a routing mode asks of the cluster, and what must come of it in every version of Cilium. */
export interface ModeContract {
  /** By these the mode is asked for. */
  readonly switches: ModeSwitches;
  /** kind's `kubeProxyMode`: https://kind.sigs.k8s.io/docs/user/configuration/#kube-proxy-mode */
  readonly kubeProxyMode: "iptables" | "none";
  /**
   * Whether CoreDNS has to forward to resolvers that pods reach without the node's iptables. BPF host routing
   * passes by the rules that lead to Docker's resolver (https://github.com/cilium/cilium/issues/23330). A cluster
   * without kube-proxy can be switched to BPF masquerading in place, so it is prepared from the start.
   */
  readonly bypassDockerResolver: boolean;
  /** Who answers for NodePorts, and for ClusterIPs outside of pods. */
  readonly services: "kube-proxy" | "cilium";
  /** BPF passes packets between network namespaces itself; Legacy takes them through the host's stack. */
  readonly hostRouting: "BPF" | "Legacy";
  /** Who gives pods their node's address on the way out of the cluster. */
  readonly masquerading: "BPF" | "iptables";
}

/** The contract of each routing mode. */
export const MODE_CONTRACTS: Readonly<Record<RoutingMode, ModeContract>> = {
  kubeproxy: {
    switches: { kubeProxyReplacement: false, bpfMasquerade: false },
    kubeProxyMode: "iptables",
    bypassDockerResolver: false,
    services: "kube-proxy",
    hostRouting: "Legacy",
    masquerading: "iptables",
  },
  replacement: {
    switches: { kubeProxyReplacement: true, bpfMasquerade: false },
    kubeProxyMode: "none",
    bypassDockerResolver: true,
    services: "cilium",
    hostRouting: "Legacy",
    masquerading: "iptables",
  },
  ebpf: {
    switches: { kubeProxyReplacement: true, bpfMasquerade: true },
    kubeProxyMode: "none",
    bypassDockerResolver: true,
    services: "cilium",
    hostRouting: "BPF",
    masquerading: "BPF",
  },
  partial: {
    switches: { kubeProxyReplacement: "partial", bpfMasquerade: false },
    kubeProxyMode: "iptables",
    bypassDockerResolver: false,
    services: "kube-proxy",
    hostRouting: "Legacy",
    masquerading: "iptables",
  },
  probe: {
    switches: { kubeProxyReplacement: "probe", bpfMasquerade: false },
    kubeProxyMode: "iptables",
    bypassDockerResolver: false,
    services: "cilium",
    hostRouting: "Legacy",
    masquerading: "iptables",
  },
  "probe-ebpf": {
    switches: { kubeProxyReplacement: "probe", bpfMasquerade: true },
    kubeProxyMode: "iptables",
    bypassDockerResolver: true,
    services: "cilium",
    hostRouting: "BPF",
    masquerading: "BPF",
  },
};

/** The routing mode that these switches make; undefined for BPF masquerading where Cilium does not answer for NodePorts. */
export function routingModeOf(switches: ModeSwitches): RoutingMode | undefined {
  return ALL_MODES.find((mode) => {
    const own = MODE_CONTRACTS[mode].switches;
    return own.kubeProxyReplacement === switches.kubeProxyReplacement && own.bpfMasquerade === switches.bpfMasquerade;
  });
}

/** From these versions on, charts and agents say true and false instead of strict and disabled. */
const BOOLEAN_REPLACEMENT: Since = ["1.14.0-snapshot.0"];

/** What the `kube-proxy-replacement` of an agent reads: the word that its version has for a setting. */
export function replacementWord(setting: KubeProxyReplacement, version: string): string {
  if (typeof setting === "string") return setting;
  if (has(BOOLEAN_REPLACEMENT, version)) return String(setting);
  return setting ? "strict" : "disabled";
}

/** Where the words of old Ciliums end: first version without them, why, and what they were good for. */
const COEXISTING_WORDS: Readonly<Record<"partial" | "probe", { readonly gone: Since; readonly rule: string }>> = {
  partial: {
    gone: ["1.16.0-pre.1"],
    rule: "means something in Cilium 1.12 to 1.15 only; use false, which leaves kube-proxy in place",
  },
  probe: {
    // 1.12.11: the chart's check of values; 1.13: the agent, which its chart only follows with 1.13.4
    gone: ["1.12.11", "1.13.0-rc0"],
    rule: "means something in Cilium 1.12.0 to 1.12.10 only; use true or false",
  },
};

/** Why a version cannot do what `kubeProxyReplacement` asks for; undefined when it can. */
export function replacementProblem(setting: KubeProxyReplacement, version: string): string | undefined {
  if (typeof setting === "boolean") return undefined;
  const { gone, rule } = COEXISTING_WORDS[setting];
  return has(gone, version) ? rule : undefined;
}
