import { has, type Since } from "./ciliumVersion";

/** Routing modes of this project's stacks: they differ in who translates service addresses and who masquerades. */
export const ROUTING_MODES = ["kubeproxy", "replacement", "ebpf"] as const;

/** Variants of a stack's mode: `ebpf-legacy` masquerades in BPF, and packets pass the host's stack, as Talos needs it. */
export const VARIANT_MODES = ["ebpf-legacy"] as const;

/**
 * Routing modes of older Cilium versions in which kube-proxy and Cilium's services coexist: with single features
 * (`partial`), or with everything that the kernel supports (`probe`), also with BPF masquerading (`probe-ebpf`).
 */
export const COEXISTING_MODES = ["partial", "probe", "probe-ebpf"] as const;

/** A routing mode. */
export type RoutingMode =
  | (typeof ROUTING_MODES)[number]
  | (typeof VARIANT_MODES)[number]
  | (typeof COEXISTING_MODES)[number];

/** All routing modes: those of the stacks, their variants, then those of older Cilium versions. */
export const ALL_MODES: readonly RoutingMode[] = [...ROUTING_MODES, ...VARIANT_MODES, ...COEXISTING_MODES];

/** Encapsulation of pod traffic between nodes: none (`disabled`, native routing), VXLAN or Geneve. */
export const TUNNELS = ["disabled", "vxlan", "geneve"] as const;
/** One of {@link TUNNELS}: `disabled` (native routing), `vxlan` or `geneve`. */
export type Tunnel = (typeof TUNNELS)[number];

/** Whether Cilium replaces kube-proxy, or how both coexist in older Cilium versions. */
export type KubeProxyReplacement = boolean | "partial" | "probe";

/** The switches that select a routing mode. */
export interface ModeSwitches {
  /** Whether Cilium replaces kube-proxy. */
  readonly kubeProxyReplacement: KubeProxyReplacement;
  /** Pod traffic that leaves the cluster is masqueraded in BPF instead of iptables. */
  readonly bpfMasquerade: boolean;
  /** Packets pass the host's stack also with BPF masquerading; without it they always do. Default: false. */
  readonly hostLegacyRouting?: boolean | undefined;
}

/** Requirements of a routing mode, and its expected datapath in every version of Cilium. */
export interface ModeContract {
  /** Switches that select the mode. */
  readonly switches: ModeSwitches;
  /** kind's `kubeProxyMode` where no stack sets another: https://kind.sigs.k8s.io/docs/user/configuration/#kube-proxy-mode */
  readonly kubeProxyMode: "iptables" | "none";
  /**
   * Whether CoreDNS must forward to resolvers that pods can reach without the node's iptables. BPF host routing bypasses
   * the rules that lead to Docker's resolver (https://github.com/cilium/cilium/issues/23330). A cluster without
   * kube-proxy can switch to BPF masquerading in place, so it is prepared from the start.
   */
  readonly bypassDockerResolver: boolean;
  /** Who translates NodePorts, and ClusterIPs outside of pods. */
  readonly services: "kube-proxy" | "cilium";
  /** `BPF` forwards packets between network namespaces directly, `Legacy` through the host's network stack. */
  readonly hostRouting: "BPF" | "Legacy";
  /** Who replaces pod addresses with the node's address in traffic that leaves the cluster. */
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
  "ebpf-legacy": {
    switches: { kubeProxyReplacement: true, bpfMasquerade: true, hostLegacyRouting: true },
    kubeProxyMode: "none",
    bypassDockerResolver: true,
    services: "cilium",
    hostRouting: "Legacy",
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

/** The routing mode of these switches; undefined for BPF masquerading without Cilium's NodePorts. */
export function routingModeOf(switches: ModeSwitches): RoutingMode | undefined {
  const { kubeProxyReplacement, bpfMasquerade, hostLegacyRouting = false } = switches;
  return ALL_MODES.find((mode) => {
    const own = MODE_CONTRACTS[mode].switches;
    return (
      own.kubeProxyReplacement === kubeProxyReplacement &&
      own.bpfMasquerade === bpfMasquerade &&
      (own.hostLegacyRouting ?? false) === (bpfMasquerade && hostLegacyRouting)
    );
  });
}

/** From here on charts and agents have true and false instead of strict and disabled. */
const BOOLEAN_REPLACEMENT: Since = ["1.14.0-snapshot.0"];

/** Value of `kube-proxy-replacement` for a setting in a version of Cilium. */
export function replacementWord(setting: KubeProxyReplacement, version: string): string {
  if (typeof setting === "string") return setting;
  if (has(BOOLEAN_REPLACEMENT, version)) return String(setting);
  return setting ? "strict" : "disabled";
}

/** First version without each value of older Cilium versions, and the rule. */
const COEXISTING_WORDS: Readonly<Record<"partial" | "probe", { readonly gone: Since; readonly rule: string }>> = {
  partial: {
    gone: ["1.16.0-pre.1"],
    rule: "is a value of Cilium 1.12 to 1.15 only; use false, which keeps kube-proxy",
  },
  probe: {
    // 1.12.11: rejected by the chart; 1.13: rejected by the agent, by its chart from 1.13.4 on
    gone: ["1.12.11", "1.13.0-rc0"],
    rule: "is a value of Cilium 1.12.0 to 1.12.10 only; use true or false",
  },
};

/** Why a version does not support a value of `kubeProxyReplacement`; undefined if it does. */
export function replacementProblem(setting: KubeProxyReplacement, version: string): string | undefined {
  if (typeof setting === "boolean") return undefined;
  const { gone, rule } = COEXISTING_WORDS[setting];
  return has(gone, version) ? rule : undefined;
}
