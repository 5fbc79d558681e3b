import { ChartKeys } from "./chartKeys";
import { ipv4CidrProblem } from "./cidr";
import { expectedCiliumConfig } from "./ciliumConfig";
import { valueAt, type CiliumValuesArgs, type HelmValues } from "./ciliumValues";
import { has, type Since } from "./ciliumVersion";
import { DATAPATH_KEYS } from "./datapathConfig";
import type { ValueFinding } from "./valueFinding";

/** A `cilium-config`, as far as it is known. */
type Config = Readonly<Record<string, string | null | undefined>>;

/** Settings with which an agent ends, or does something else than they say. */
interface AgentRule {
  /** Keys of `cilium-config` to blame: the first that is set. */
  readonly keys: readonly string[];
  /** Whether the rule is broken. */
  readonly isBroken: (config: Config) => boolean;
  /** What the agent does, and the fix. */
  readonly rule: string;
  /** First versions with the rule. Default: all have it. */
  readonly since?: Since;
  /** First versions without the rule. Default: none. */
  readonly gone?: Since;
}

const on = (config: Config, key: string) => config[key] === "true";
const isSet = (config: Config, key: string) => !["", "false", null, undefined].includes(config[key]);
const masqueradesInBpf = (config: Config) => on(config, "enable-bpf-masquerade");
const replaces = (config: Config) => !["false", "disabled", null, undefined].includes(config["kube-proxy-replacement"]);
const tunnels = (config: Config) =>
  config["routing-mode"] === "tunnel" || !["disabled", null, undefined].includes(config["tunnel"]);
const protocol = (config: Config) => config["tunnel-protocol"] ?? config["tunnel"] ?? "vxlan";
/** Packets pass the host's network stack: https://docs.cilium.io/en/v1.18/operations/performance/tuning/#ebpf-host-routing */
const isLegacy = (config: Config) =>
  !masqueradesInBpf(config) || !replaces(config) || on(config, "enable-host-legacy-routing");
const mode = (config: Config) => config["bpf-lb-mode"] ?? config["node-port-mode"] ?? "snat";
const dispatch = (config: Config) => config["bpf-lb-dsr-dispatch"] ?? "opt";
const BIG_TCP = ["enable-ipv4-big-tcp", "enable-ipv6-big-tcp"];
const accelerates = (config: Config) => !["disabled", "", null, undefined].includes(config["bpf-lb-acceleration"]);
/** Whether an agent can parse a text as an IPv4 network, perhaps with host bits. */
const isNetwork = (text: string | null | undefined) => {
  const problem = ipv4CidrProblem(text ?? "");
  return problem === undefined || problem.suggestion !== undefined;
};
const bigTcp = (config: Config) => BIG_TCP.some((key) => isSet(config, key));

/** The smallest maps of connections (`LimitTableMin` in `pkg/option/config.go`). */
const MIN_ENTRIES = 1024;

/** Words of which an agent takes one, by key; in the chart's table of values they are texts. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  "bpf-lb-mode": ["snat", "dsr", "hybrid"],
  "bpf-lb-algorithm": ["random", "maglev"],
  "bpf-lb-dsr-dispatch": ["opt", "ipip", "geneve"],
  "bpf-lb-acceleration": ["disabled", "native", "best-effort", "testing-only"],
  "identity-allocation-mode": ["crd", "kvstore", "doublewrite-readcrd", "doublewrite-readkvstore"],
  "service-no-backend-response": ["reject", "drop"],
  "policy-deny-response": ["none", "icmp"],
  "monitor-aggregation": ["none", "disabled", "lowest", "low", "medium", "max", "maximum", "0", "1", "2", "3", "4"],
};

const NEEDS_BPF_HOST_ROUTING =
  "BPF host routing, which only mode ebpf has (bpf.masquerade: true, without bpf.hostLegacyRouting)";

/**
 * What agents refuse. Sources, all of Cilium 1.20.2 and alike in older versions unless `gone` says otherwise:
 * `pkg/datapath/linux/bandwidth/bandwidth.go`, `pkg/datapath/linux/bigtcp/bigtcp.go`, `pkg/datapath/connector/config.go`,
 * `pkg/egressgateway/manager.go`, `pkg/kpr/initializer/kube_proxy_replacement.go`, `pkg/loadbalancer/config.go`,
 * `pkg/option/config.go`, `daemon/cmd/daemon.go` and `daemon/cmd/daemon_main.go`. Rules that are gone: the last two, and
 * `daemon/cmd/kube_proxy_replacement.go`, of Cilium 1.12.4 to 1.15.19.
 */
const RULES: readonly AgentRule[] = [
  {
    keys: ["enable-bbr"],
    isBroken: (config) => on(config, "enable-bbr") && isLegacy(config) && !on(config, "enable-bbr-hostns-only"),
    rule: `ends the agent: BBR needs ${NEEDS_BPF_HOST_ROUTING}`,
  },
  {
    keys: BIG_TCP,
    isBroken: (config) => bigTcp(config) && isLegacy(config) && !on(config, "enable-host-legacy-routing"),
    rule: `ends the agent: BIG TCP needs ${NEEDS_BPF_HOST_ROUTING}`,
    // later agents look at the setting alone, before they choose the host routing (seen with 1.20.2)
    gone: ["1.15.0-pre.0"],
  },
  {
    keys: BIG_TCP,
    isBroken: (config) => bigTcp(config) && on(config, "enable-host-legacy-routing"),
    rule: "ends the agent: BIG TCP does not work with bpf.hostLegacyRouting",
  },
  {
    keys: BIG_TCP,
    isBroken: (config) => bigTcp(config) && tunnels(config),
    rule: "ends the agent: BIG TCP in a tunnel needs Cilium 1.19.4 or newer; set tunnel: disabled",
    gone: ["1.19.4", "1.20.0-pre.0"],
  },
  {
    keys: BIG_TCP,
    isBroken: (config) => bigTcp(config) && on(config, "enable-ipsec"),
    rule: "ends the agent: BIG TCP does not work with IPsec",
  },
  {
    keys: ["datapath-mode"],
    isBroken: (config) => /^netkit/.test(config["datapath-mode"] ?? "") && isLegacy(config),
    rule: `leaves pods without a network: netkit needs ${NEEDS_BPF_HOST_ROUTING}`,
  },
  {
    keys: ["enable-egress-gateway"],
    isBroken: (config) =>
      (isSet(config, "enable-egress-gateway") || isSet(config, "enable-ipv4-egress-gateway")) &&
      !masqueradesInBpf(config),
    rule: "ends the agent: the egress gateway needs BPF masquerading (bpf.masquerade: true)",
  },
  {
    keys: ["enable-ip-masq-agent"],
    isBroken: (config) => isSet(config, "enable-ip-masq-agent") && !masqueradesInBpf(config),
    rule: "ends the agent: ip-masq-agent needs BPF masquerading (bpf.masquerade: true)",
  },
  {
    keys: ["install-no-conntrack-iptables-rules"],
    isBroken: (config) =>
      isSet(config, "install-no-conntrack-iptables-rules") && (!masqueradesInBpf(config) || tunnels(config)),
    rule: "ends the agent: packets can skip connection tracking only with BPF masquerading (bpf.masquerade: true) and tunnel: disabled",
  },
  {
    keys: ["egress-masquerade-interfaces"],
    isBroken: (config) => isSet(config, "egress-masquerade-interfaces") && masqueradesInBpf(config),
    rule: "ends the agent, or before Cilium 1.15 takes BPF masquerading away: set devices instead",
  },
  {
    keys: ["enable-masquerade-to-route-source"],
    isBroken: (config) => isSet(config, "enable-masquerade-to-route-source") && masqueradesInBpf(config),
    rule: "ends the agent: BPF masquerading cannot use a route's source address",
  },
  {
    keys: ["bpf-lb-mode"],
    isBroken: (config) =>
      mode(config) !== "snat" && tunnels(config) && (dispatch(config) !== "geneve" || protocol(config) !== "geneve"),
    rule: "ends the agent: DSR in a tunnel needs tunnel: geneve and loadBalancer.dsrDispatch: geneve",
  },
  {
    keys: ["bpf-lb-dsr-dispatch"],
    isBroken: (config) =>
      mode(config) !== "snat" && !tunnels(config) && dispatch(config) === "geneve" && protocol(config) !== "geneve",
    rule: "ends the agent: Geneve dispatch needs tunnelProtocol: geneve",
  },
  {
    keys: ["enable-ipsec"],
    isBroken: (config) => on(config, "enable-ipsec") && !isLegacy(config),
    rule: "takes BPF host routing away from mode ebpf in this version of Cilium; use 1.19 or newer, or bpf.masquerade: false",
    gone: ["1.19.0-pre.2"],
  },
  {
    keys: ["enable-wireguard"],
    isBroken: (config) => on(config, "enable-wireguard") && config["enable-l7-proxy"] !== "false",
    rule: "ends the agent: WireGuard does not work with the L7 proxy before Cilium 1.14; set l7Proxy: false",
    gone: ["1.14.0-snapshot.0"],
  },
  ...["enable-wireguard", "enable-endpoint-routes"].map((key) => ({
    keys: [key],
    isBroken: (config: Config) => on(config, key) && !isLegacy(config),
    rule: "takes BPF host routing away from mode ebpf in this version of Cilium; use 1.14 or newer, or bpf.masquerade: false",
    gone: ["1.14.0-snapshot.0"],
  })),
  {
    keys: ["enable-ipv6"],
    isBroken: (config) =>
      on(config, "enable-ipv6") && masqueradesInBpf(config) && config["enable-ipv6-masquerade"] !== "false",
    rule: "ends the agent: BPF masquerades IPv6 from Cilium 1.14 on; set enableIPv6Masquerade: false",
    gone: ["1.14.0-snapshot.0"],
  },
  {
    keys: ["enable-remote-node-identity"],
    isBroken: (config) => config["enable-remote-node-identity"] === "false" && masqueradesInBpf(config),
    rule: "ends the agent, or before Cilium 1.15 takes BPF masquerading away; remove it",
    gone: ["1.16.0-pre.0"],
  },
  {
    keys: ["bpf-lb-acceleration"],
    isBroken: (config) => accelerates(config) && replaces(config) && tunnels(config),
    rule: "ends the agent: XDP acceleration in a tunnel needs Cilium 1.13 or newer; set tunnel: disabled",
    gone: ["1.13.0-rc0"],
  },
  {
    keys: ["enable-host-firewall"],
    isBroken: (config) => on(config, "enable-host-firewall") && on(config, "enable-ipsec"),
    rule: "ends the agent: the host firewall does not work with IPsec",
  },
  {
    keys: ["dnsproxy-enable-transparent-mode"],
    isBroken: (config) =>
      config["dnsproxy-enable-transparent-mode"] === "false" &&
      on(config, "enable-ipsec") &&
      config["enable-l7-proxy"] !== "false",
    rule: "ends the agent: IPsec needs the DNS proxy in transparent mode; remove it",
  },
  {
    keys: ["enable-encryption-strict-mode-egress", "enable-encryption-strict-mode"],
    isBroken: (config) =>
      (on(config, "enable-encryption-strict-mode-egress") && !isNetwork(config["encryption-strict-egress-cidr"])) ||
      (on(config, "enable-encryption-strict-mode") &&
        on(config, "enable-wireguard") &&
        !isNetwork(config["encryption-strict-mode-cidr"])),
    rule: "ends the agent: it needs the IPv4 network that must be encrypted, in cidr beside it",
  },
  {
    keys: ["enable-cilium-endpoint-slice"],
    isBroken: (config) => on(config, "enable-cilium-endpoint-slice") && isSet(config, "enable-egress-gateway"),
    rule: "ends the agent: the egress gateway does not work with CiliumEndpointSlices",
    since: ["1.15.0-pre.0"],
  },
  {
    keys: ["direct-routing-skip-unreachable"],
    isBroken: (config) => on(config, "direct-routing-skip-unreachable") && !on(config, "auto-direct-node-routes"),
    rule: "ends the agent: there are no direct routes; set tunnel: disabled and cilium.autoDirectNodeRoutes: true, or remove it",
  },
  {
    keys: ["enable-nat46x64-gateway"],
    isBroken: (config) => on(config, "enable-nat46x64-gateway") && !on(config, "enable-ipv6"),
    rule: "ends the agent: translation between IPv4 and IPv6 needs ipv6.enabled: true",
  },
  {
    keys: ["bpf-map-dynamic-size-ratio"],
    isBroken: (config) => Number(config["bpf-map-dynamic-size-ratio"] ?? 0) > 1,
    rule: "ends the agent: it is a share of the memory, at most 1.0",
  },
  {
    keys: ["cluster-id"],
    isBroken: (config) => Number(config["cluster-id"] ?? 0) > Number(config["max-connected-clusters"] ?? 255),
    rule: "ends the agent: it must be at most clustermesh.maxConnectedClusters, 255 by default",
  },
  ...["bpf-ct-global-tcp-max", "bpf-ct-global-any-max", "bpf-nat-global-max"].map((key) => ({
    keys: [key],
    isBroken: (config: Config) => Number(config[key] ?? MIN_ENTRIES) < MIN_ENTRIES,
    rule: `ends the agent: the map must have at least ${MIN_ENTRIES} entries`,
  })),
  ...Object.entries(WORDS).map(([key, words]) => ({
    keys: [key],
    isBroken: (config: Config) => isSet(config, key) && !words.includes(config[key]!.toLowerCase()),
    rule: `ends the agent: it must be ${words.slice(0, -1).join(", ")} or ${words.at(-1)}`,
  })),
  {
    keys: ["enable-ipv4"],
    isBroken: (config) => config["enable-ipv4"] === "false",
    rule: "leaves the cluster without IPv4, which its networks have",
  },
];

/** What agents of a version refuse of a `cilium-config`. @param pathOf Helm value that sets a key */
export function agentFindings(config: Config, version: string, pathOf: (key: string) => string): ValueFinding[] {
  const isInForce = ({ since, gone }: AgentRule) =>
    (since === undefined || has(since, version)) && (gone === undefined || !has(gone, version));
  return RULES.filter((rule) => isInForce(rule) && rule.isBroken(config)).map(({ keys, rule }) => ({
    severity: "error",
    key: pathOf(keys.find((key) => isSet(config, key)) ?? keys[0]!),
    rule,
  }));
}

/** Keys that only agents' rules need of values, in all versions. */
const FURTHER_PATHS: Readonly<Record<string, readonly string[]>> = {
  "enable-l7-proxy": ["l7Proxy"],
  "enable-ipv6-masquerade": ["enableIPv6Masquerade"],
  "enable-remote-node-identity": ["remoteNodeIdentity"],
  "dnsproxy-enable-transparent-mode": ["dnsProxy.enableTransparentMode"],
  "enable-encryption-strict-mode-egress": ["encryption.strictMode.egress.enabled"],
  "encryption-strict-egress-cidr": ["encryption.strictMode.egress.cidr"],
  "enable-encryption-strict-mode": ["encryption.strictMode.enabled"],
  "encryption-strict-mode-cidr": ["encryption.strictMode.cidr"],
  "enable-cilium-endpoint-slice": ["ciliumEndpointSlice.enabled", "enableCiliumEndpointSlice"],
  "direct-routing-skip-unreachable": ["directRoutingSkipUnreachable"],
  "enable-nat46x64-gateway": ["nat46x64Gateway.enabled"],
  "bpf-map-dynamic-size-ratio": ["bpf.mapDynamicSizeRatio"],
  "cluster-id": ["cluster.id"],
  "max-connected-clusters": ["clustermesh.maxConnectedClusters"],
  "bpf-ct-global-tcp-max": ["bpf.ctTcpMax"],
  "bpf-ct-global-any-max": ["bpf.ctAnyMax"],
  "bpf-nat-global-max": ["bpf.natMax"],
  "identity-allocation-mode": ["identityAllocationMode"],
  "service-no-backend-response": ["serviceNoBackendResponse"],
  "policy-deny-response": ["policyDenyResponse"],
  "monitor-aggregation": ["bpf.monitorAggregation"],
};

/** Where values of strict encryption are since Cilium 1.19, and before. */
const [EGRESS, EGRESS_OLD] = ["encryption.strictMode.egress.", "encryption.strictMode."];

/** The same of what values alone tell, without a chart. */
export function agentFindingsOf(args: CiliumValuesArgs): ValueFinding[] {
  const { extraValues, version } = args;
  const chart = new ChartKeys(version);
  const pathOf = (key: string) => {
    const known = DATAPATH_KEYS.find((each) => each.key === key)?.paths ?? FURTHER_PATHS[key] ?? [];
    // a chart that knows the newer value renders the older one under the newer key
    const isRenamed = known.some((path) => path.startsWith(EGRESS) && chart.typesOf(path) !== undefined);
    const paths = isRenamed ? [...known, ...known.map((path) => path.replace(EGRESS, EGRESS_OLD))] : known;
    return paths.find((path) => valueAt(extraValues, path) !== undefined && chart.typesOf(path) !== undefined);
  };
  const keys = [...DATAPATH_KEYS.map(({ key }) => key), ...Object.keys(FURTHER_PATHS)];
  const byValues = keys.flatMap((key) => {
    const path = pathOf(key);
    const value = path === undefined ? undefined : textAt(extraValues, path);
    // one value turns either on
    const isOther = key === OTHER_ENCRYPTION[String(valueAt(extraValues, "encryption.type") ?? "ipsec")];
    return value === undefined || isOther ? [] : [[key, value] as const];
  });
  const idleProtocol = textAt(extraValues, "tunnelProtocol");
  const config = {
    ...expectedCiliumConfig(args),
    ...Object.fromEntries(byValues),
    ...(idleProtocol === undefined ? {} : { "tunnel-protocol": idleProtocol }),
  };
  return agentFindings(config, version, (key) => pathOf(key) ?? "");
}

const OTHER_ENCRYPTION: Readonly<Record<string, string>> = {
  ipsec: "enable-wireguard",
  wireguard: "enable-ipsec",
};

/** A value that is no object or list, as charts render it. */
function textAt(values: HelmValues, path: string): string | undefined {
  const value = valueAt(values, path);
  return value === undefined || value === null || typeof value === "object" ? undefined : String(value);
}
