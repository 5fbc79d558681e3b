import semver from "semver";
import { valueAt, type HelmValues } from "./ciliumValues";
import { MODE_CONTRACTS, type RoutingMode, type Tunnel } from "./contract";
import { usesDsr, type DatapathChoice } from "./datapathChoice";
import { kindKubeProxyMode, type KubeProxyMode } from "./kubeProxy";

/** Properties of a stack that decide which kernel features it needs. */
export interface KernelNeeds {
  readonly mode: RoutingMode;
  /** As the stack sets it. Default: `iptables`. */
  readonly kubeProxyMode?: KubeProxyMode | undefined;
  readonly tunnel: Tunnel;
  readonly extraValues: HelmValues;
  /** Default: nothing is chosen. */
  readonly choice?: DatapathChoice | undefined;
  /** Networks of the second family. Default: IPv4 only. */
  readonly ipv6?: object | undefined;
}

/** A kernel feature that Cilium can use. */
export interface KernelFeature {
  readonly title: string;
  /** First version of Linux with the feature; distributions may have it earlier. */
  readonly since?: string;
  /** Name of the probe for the feature; without one, the version decides. */
  readonly probe?: string;
  /** Modes or values that use it. */
  readonly matters: string;
  /** Whether a stack cannot work without it. */
  readonly isNeeded: (needs: KernelNeeds) => boolean;
  /** Whether only stacks that need this feature get a finding about it. Default: false. */
  readonly isRare?: true;
  /** Whether a `cilium-config` asks for it. Default: it does not tell. */
  readonly isConfigured?: (config: Config) => boolean;
}

type Config = Readonly<Record<string, string | undefined>>;

const always = () => true;
const withKubeProxy =
  (...modes: readonly KubeProxyMode[]) =>
  ({ mode, kubeProxyMode }: KernelNeeds) =>
    modes.some((each) => each === kindKubeProxyMode(mode, kubeProxyMode));
const configured =
  (...keys: readonly string[]) =>
  (config: Config) =>
    keys.some((key) => config[key] === "true");
const isOn =
  (key: string, wanted: unknown = true) =>
  ({ extraValues }: KernelNeeds) =>
    valueAt(extraValues, key) === wanted;

const dispatchesBy =
  (dispatch: string) =>
  ({ choice = {} }: KernelNeeds) =>
    usesDsr(choice) && choice.loadBalancer?.dsrDispatch === dispatch;

/**
 * Kernel features by first version, from Cilium's list
 * (https://docs.cilium.io/en/v1.18/operations/system_requirements/#required-kernel-versions-for-advanced-features and
 * https://docs.cilium.io/en/v1.18/operations/performance/tuning/), and those that this project's modes need.
 */
export const KERNEL_FEATURES: readonly KernelFeature[] = [
  { title: "BPF file system", probe: "bpffs", matters: "all modes", isNeeded: always },
  { title: "BPF at interfaces (clsact)", probe: "clsact", matters: "all modes", isNeeded: always },
  {
    title: "iptables with NAT",
    probe: "iptables-nat",
    matters: "kubeproxy: services; replacement: masquerading",
    isNeeded: (needs) =>
      MODE_CONTRACTS[needs.mode].masquerading === "iptables" || withKubeProxy("iptables", "ipvs")(needs),
  },
  {
    title: "IPv6",
    probe: "ipv6",
    matters: "cluster.ipFamily: dual",
    isNeeded: ({ ipv6 }) => ipv6 !== undefined,
    isRare: true,
  },
  {
    title: "ip6tables with NAT",
    probe: "ip6tables-nat",
    matters: "cluster.ipFamily: dual, for what iptables does by IPv4",
    isNeeded: (needs) =>
      needs.ipv6 !== undefined &&
      (MODE_CONTRACTS[needs.mode].masquerading === "iptables" || withKubeProxy("iptables", "ipvs")(needs)),
    isRare: true,
  },
  {
    title: "iptables statistic match",
    probe: "iptables-statistic",
    matters: "kubeproxy: kube-proxy selects endpoints with it",
    isNeeded: withKubeProxy("iptables"),
  },
  {
    title: "Linux for kube-proxy's nftables",
    since: "5.13",
    matters: "kubeProxy.mode: nftables, which kube-proxy refuses on older kernels",
    isNeeded: withKubeProxy("nftables"),
  },
  {
    title: "nftables with NAT and verdict maps",
    probe: "nftables",
    matters: "kubeProxy.mode: nftables",
    isNeeded: withKubeProxy("nftables"),
  },
  {
    title: "IPVS",
    probe: "ipvs",
    matters: "kubeProxy.mode: ipvs",
    isNeeded: withKubeProxy("ipvs"),
  },
  {
    title: "dummy devices",
    probe: "dummy",
    matters: "kubeProxy.mode: ipvs, whose kube-ipvs0 holds the Services' addresses",
    isNeeded: withKubeProxy("ipvs"),
  },
  {
    title: "socket LB in pods, session affinity",
    since: "5.7",
    probe: "bpf_get_netns_cookie_sock_addr",
    matters: "replacement, ebpf: Cilium works without it, with fewer features",
    isNeeded: () => false,
  },
  {
    title: "BPF host routing",
    since: "5.10",
    probe: "bpf_redirect_peer",
    matters: "ebpf: without it Cilium falls back to Legacy host routing",
    isNeeded: ({ mode }) => MODE_CONTRACTS[mode].hostRouting === "BPF",
    isConfigured: (config) =>
      config["enable-bpf-masquerade"] === "true" &&
      ["true", "strict", "probe"].includes(config["kube-proxy-replacement"] ?? "") &&
      config["enable-host-legacy-routing"] !== "true",
  },
  { title: "VXLAN", probe: "vxlan", matters: "tunnel: vxlan", isNeeded: ({ tunnel }) => tunnel === "vxlan" },
  {
    title: "Geneve",
    probe: "geneve",
    matters: "tunnel: geneve",
    isNeeded: (needs) => needs.tunnel === "geneve" || dispatchesBy("geneve")(needs),
  },
  {
    title: "IP in IP",
    probe: "ipip",
    matters: "loadBalancer.dsrDispatch: ipip",
    isNeeded: dispatchesBy("ipip"),
    isRare: true,
  },
  {
    title: "kernel type information (BTF)",
    probe: "btf",
    matters: "tools that inspect BPF programs",
    isNeeded: () => false,
  },
  {
    title: "bandwidth manager",
    since: "5.1",
    probe: "fq",
    matters: "cilium.values bandwidthManager.enabled",
    isNeeded: isOn("bandwidthManager.enabled"),
    isConfigured: configured("enable-bandwidth-manager"),
  },
  {
    title: "egress gateway",
    since: "5.2",
    matters: "cilium.values egressGateway.enabled",
    isNeeded: isOn("egressGateway.enabled"),
    isConfigured: configured("enable-egress-gateway", "enable-ipv4-egress-gateway"),
  },
  {
    title: "WireGuard",
    since: "5.6",
    probe: "wireguard",
    matters: "cilium.values encryption.type: wireguard",
    isNeeded: (needs) => isOn("encryption.enabled")(needs) && isOn("encryption.type", "wireguard")(needs),
    isConfigured: configured("enable-wireguard"),
  },
  {
    title: "BPF redirection to proxies",
    since: "5.7",
    probe: "bpf_sk_assign",
    matters: "cilium.values bpf.tproxy",
    isNeeded: isOn("bpf.tproxy"),
    isConfigured: configured("enable-bpf-tproxy"),
  },
  { title: "devices without Ethernet", since: "5.8", matters: "nodes with such devices", isNeeded: () => false },
  {
    title: "BIG TCP for IPv6",
    since: "5.19",
    probe: "big-tcp-6",
    matters: "cilium.values enableIPv6BIGTCP",
    isNeeded: isOn("enableIPv6BIGTCP"),
    isConfigured: configured("enable-ipv6-big-tcp"),
  },
  {
    title: "BIG TCP for IPv4",
    since: "6.3",
    probe: "big-tcp-4",
    matters: "cilium.values enableIPv4BIGTCP",
    isNeeded: isOn("enableIPv4BIGTCP"),
    isConfigured: configured("enable-ipv4-big-tcp"),
  },
  {
    title: "BPF links at interfaces (TCX)",
    since: "6.6",
    probe: "tcx_prog_attach",
    matters: "Cilium 1.16 and newer uses it if available",
    isNeeded: ({ choice }) => choice?.enableTCX === true,
  },
  {
    title: "netkit",
    since: "6.8",
    probe: "netkit",
    matters: "cilium.values bpf.datapathMode: netkit",
    isNeeded: ({ extraValues, choice }) =>
      /^netkit/.test(String(choice?.datapathMode ?? valueAt(extraValues, "bpf.datapathMode") ?? "")),
    isConfigured: (config) => config["datapath-mode"]?.startsWith("netkit") ?? false,
  },
];

/**
 * Oldest supported Linux, from a minor of Cilium on
 * (https://docs.cilium.io/en/v1.18/operations/system_requirements/#linux-kernel and other versions of this page; Red Hat
 * backports the features to older kernels).
 */
const OLDEST_KERNELS: readonly (readonly [cilium: string, kernel: string])[] = [
  ["1.12.0", "4.9.17"],
  ["1.14.0", "4.19.57"],
  ["1.17.0", "5.4.0"],
  ["1.18.0", "5.10.0"],
];

/** Oldest Linux that a version of Cilium supports. */
export function oldestKernelFor(cilium: string): string {
  const minor = `${semver.major(cilium)}.${semver.minor(cilium)}.0`;
  return OLDEST_KERNELS.findLast(([from]) => semver.gte(minor, from))?.[1] ?? OLDEST_KERNELS[0]![1];
}

/** Whether a kernel release such as `6.8.0-45-generic` is at least a version such as `5.10`. */
export function isKernelAtLeast(release: string, version: string): boolean {
  const own = semver.coerce(release);
  return own !== null && semver.gte(own, asVersion(version));
}

const asVersion = (text: string) => semver.coerce(text)!;
