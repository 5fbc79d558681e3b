import { at } from "./tree";

/** A datapath feature in `cilium-config`, apart from the mode. */
export interface Feature {
  readonly name: string;
  /** Configured value. */
  readonly value: string;
  /** Pattern of the value that agents report. */
  readonly expected: RegExp;
  /** Value that an agent reports; undefined if its version does not report it. */
  reported(status: unknown): string | undefined;
  /** Why the datapath is not tested for it; undefined if it is, or if the feature is off. */
  readonly unverified?: string | undefined;
}

interface Row {
  readonly name: string;
  /** Keys of `cilium-config`, newest name first. */
  readonly keys: readonly string[];
  /** Path in `cilium status -o json`. */
  readonly path?: string;
  /** Pattern of the reported value for a configured one. Default: the same value, in any case. */
  readonly expected?: (value: string) => RegExp;
  /** Applies only if Cilium replaces kube-proxy. */
  readonly replacement?: true;
  /** Values that mean off. */
  readonly off?: readonly string[];
  /** Why the datapath is not tested for it. */
  readonly unverified?: string;
}

const word = (value: string) => new RegExp(`^${value.replace(/[^\w]/g, ".?")}$`, "i");
const enabled = (value: string) => (value === "true" ? /^(?!.*(disabled|false))/i : /disabled|false|^$/i);
/** Name of the second family among the features. */
export const IPV6_FEATURE = "IPv6";
const OFF = ["false", "", "disabled", "none"] as const;
const NODE_PORT = "kube-proxy-replacement.features.nodePort";

/**
 * Datapath features by their keys. Sources: `api/v1/models/status_response.go` and `kube_proxy_replacement_features.go` of
 * Cilium, and the status of agents of version 1.20.2.
 */
const ROWS: readonly Row[] = [
  {
    name: "socket LB in the host namespace only",
    keys: ["bpf-lb-sock-hostns-only"],
    path: "kube-proxy-replacement.features.bpfSocketLBHostnsOnly",
    replacement: true,
  },
  { name: "load balancer mode", keys: ["bpf-lb-mode", "node-port-mode"], path: `${NODE_PORT}.mode`, replacement: true },
  {
    name: "load balancer algorithm",
    keys: ["bpf-lb-algorithm", "node-port-algorithm"],
    path: `${NODE_PORT}.algorithm`,
    replacement: true,
  },
  {
    name: "XDP acceleration",
    keys: ["bpf-lb-acceleration", "node-port-acceleration"],
    path: `${NODE_PORT}.acceleration`,
    replacement: true,
  },
  {
    name: "device mode",
    keys: ["datapath-mode"],
    path: "datapath-mode",
    expected: (value) => (value === "auto" ? /./ : word(value)),
  },
  {
    name: "bandwidth manager",
    keys: ["enable-bandwidth-manager"],
    path: "bandwidth-manager.enabled",
    expected: enabled,
    unverified: "rates are not measured",
  },
  {
    name: "host firewall",
    keys: ["enable-host-firewall"],
    path: "host-firewall.mode",
    expected: enabled,
    unverified: "no denied connection to a node is tested",
  },
  {
    name: "WireGuard encryption",
    keys: ["enable-wireguard"],
    path: "encryption.mode",
    expected: (value) => (value === "true" ? /wireguard/i : /^(?!.*wireguard)/i),
    unverified: "packets on the wire are not captured",
  },
  {
    name: "IPsec encryption",
    keys: ["enable-ipsec"],
    path: "encryption.mode",
    expected: (value) => (value === "true" ? /ipsec/i : /^(?!.*ipsec)/i),
    unverified: "packets on the wire are not captured",
  },
  {
    name: "IPv4 BIG TCP",
    keys: ["enable-ipv4-big-tcp"],
    path: "ipv4-big-tcp.enabled",
    expected: enabled,
    unverified: "segment sizes are not measured",
  },
  {
    name: "IPv6 BIG TCP",
    keys: ["enable-ipv6-big-tcp"],
    path: "ipv6-big-tcp.enabled",
    expected: enabled,
    unverified: "segment sizes are not measured",
  },
  {
    name: IPV6_FEATURE,
    keys: ["enable-ipv6"],
    unverified: "its connection tracking is not read",
  },
  {
    name: "egress gateway",
    keys: ["enable-egress-gateway", "enable-ipv4-egress-gateway"],
    unverified: "no egress policy is tested",
  },
  { name: "ip-masq-agent", keys: ["enable-ip-masq-agent"], unverified: "its networks are not tested" },
  { name: "L7 proxy", keys: ["enable-l7-proxy"], unverified: "no L7 policy is tested" },
  {
    name: "local redirect policies",
    keys: ["enable-local-redirect-policy"],
    unverified: "no redirected address is tested",
  },
  { name: "BGP control plane", keys: ["enable-bgp-control-plane"], unverified: "peers are not queried" },
  { name: "L2 announcements", keys: ["enable-l2-announcements"], unverified: "no announced address is tested" },
  { name: "Gateway API", keys: ["enable-gateway-api"], unverified: "no gateway is tested" },
  { name: "CNI chaining", keys: ["cni-chaining-mode"], unverified: "the other plugin's part of the path is unknown" },
  { name: "cluster mesh", keys: ["enable-clustermesh-apiserver"], unverified: "other clusters are not tested" },
];

/** The features in a `cilium-config`. */
export function featuresOf(data: Readonly<Record<string, string>>): Feature[] {
  const isReplacement = !["false", "disabled", ""].includes(data["kube-proxy-replacement"] ?? "");
  return ROWS.flatMap(({ name, keys, path, expected = word, replacement, off = OFF, unverified }) => {
    const value = keys.map((key) => data[key]).find((each) => each !== undefined);
    if (value === undefined || (replacement && !isReplacement)) return [];
    return [
      {
        name,
        value,
        expected: expected(value),
        reported(status: unknown) {
          const steps = path?.split(".") ?? [];
          const found = path === undefined ? undefined : at(status, steps);
          // agents leave out a switch that is off
          const isOff = steps.at(-1) === "enabled" && typeof at(status, steps.slice(0, -1)) === "object";
          if (found === undefined && isOff) return "false";
          return found === undefined || typeof found === "object" ? undefined : String(found);
        },
        unverified: off.includes(value) ? undefined : unverified,
      },
    ];
  });
}
