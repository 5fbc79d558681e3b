import { flagFindings } from "./agentFlags";
import { ChartKeys } from "./chartKeys";
import { ipv4CidrProblem, isCidr, isIpv4Address } from "./cidr";
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

/**
 * Least and most entries of maps, by key (`pkg/option/config.go`, `pkg/maps/nodemap/cell.go` and `pkg/loadbalancer/config.go`).
 */
const ENTRIES: Readonly<Record<string, readonly [least: number, most: number]>> = {
  "bpf-ct-global-tcp-max": [2 ** 10, 2 ** 24],
  "bpf-ct-global-any-max": [2 ** 10, 2 ** 24],
  "bpf-nat-global-max": [2 ** 10, 2 ** 24],
  "bpf-auth-map-max": [2 ** 8, 2 ** 24],
  "bpf-node-map-max": [2 ** 14, Infinity],
  "bpf-fragments-map-max": [2 ** 8, 2 ** 16],
  "bpf-lb-map-max": [1, Infinity],
};

/** With this size, agents fit the table of NAT to those of connections. */
const DEFAULT_NAT_ENTRIES = 2 ** 19;

const entriesOf = (config: Config, key: string) => Number(config[key] || NaN);
const portsOf = (range: string | null | undefined) => (range ?? "").split(",").map(Number);
/** The words of a list in `cilium-config`: spaces part them. */
const wordsOf = (text: string | null | undefined) => (text ?? "").split(/\s+/).filter(Boolean);

/** Whether an agent cannot compile a pattern: Go knows no lookarounds and back references, and more flags than JavaScript. */
function isBadPattern(pattern: string): boolean {
  if (/(?<!\\)(?:\(\?<?[=!]|\\[1-9])/.test(pattern)) return true;
  if (/\(\?|(?:[$^]|\\b)[*+?{]/i.test(pattern)) return false;
  try {
    new RegExp(pattern);
    return false;
  } catch {
    return true;
  }
}

/** Words of which an agent takes one, by key; in the chart's table of values they are texts. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  "bpf-lb-mode": ["snat", "dsr", "hybrid"],
  "bpf-lb-algorithm": ["random", "maglev"],
  "bpf-lb-dsr-dispatch": ["opt", "ipip", "geneve"],
  "bpf-lb-acceleration": ["disabled", "native", "best-effort", "testing-only"],
  "identity-allocation-mode": ["crd", "kvstore", "doublewrite-readcrd", "doublewrite-readkvstore"],
  "service-no-backend-response": ["reject", "drop"],
  "packetization-layer-pmtud-mode": ["always", "blackhole", "disabled", "unset"],
  "underlay-protocol": ["ipv4", "ipv6", "auto"],
  "allow-localhost": ["auto", "always", "policy"],
  "policy-deny-response": ["none", "icmp"],
  "monitor-aggregation": ["none", "disabled", "lowest", "low", "medium", "max", "maximum", "0", "1", "2", "3", "4"],
};

/** The same of lists. */
const LISTED_WORDS: Readonly<Record<string, readonly string[]>> = {
  "monitor-aggregation-flags": ["none", "all", "fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"],
  "policy-cidr-match-mode": ["nodes", "pods"],
};

/** Metrics of Hubble in all versions; one that an agent does not know ends it. */
const HUBBLE_METRICS = [
  ...["dns", "drop", "flow", "flows-to-world", "http", "httpV2", "icmp", "kafka", "policy", "port-distribution"],
  ...["sctp", "tcp"],
];

/** Sizes of a table of Maglev, all prime (`pkg/maglev/maglev.go`). */
const MAGLEV_SIZES = [251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131071];

/** Whether a table of Maglev or its seed, which is the base64 of 12 bytes, is wrong. */
const isBadMaglev = (config: Config) => {
  const size = config["bpf-lb-maglev-table-size"];
  const seed = config["bpf-lb-maglev-hash-seed"];
  return (
    (isSet(config, "bpf-lb-maglev-table-size") && !MAGLEV_SIZES.includes(Number(size))) ||
    (isSet(config, "bpf-lb-maglev-hash-seed") && !/^[A-Za-z0-9+/]{16}$/.test(seed!))
  );
};
const MAGLEV = {
  keys: ["bpf-lb-maglev-table-size", "bpf-lb-maglev-hash-seed"],
  rule: `ends the agent: maglev.tableSize must be one of ${MAGLEV_SIZES.join(", ")}, and maglev.hashSeed the output of head -c12 /dev/urandom | base64 -w0`,
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
    isBroken: (config) => Math.abs(Number(config["bpf-map-dynamic-size-ratio"] ?? 0) - 0.5) > 0.5,
    rule: "ends the agent: it is a share of the memory, at most 1.0",
  },
  {
    keys: ["cluster-id"],
    isBroken: (config) => Number(config["cluster-id"] ?? 0) > Number(config["max-connected-clusters"] ?? 255),
    rule: "ends the agent: it must be at most clustermesh.maxConnectedClusters, 255 by default",
  },
  ...Object.entries(ENTRIES).map(([key, [least, most]]) => ({
    keys: [key],
    isBroken: (config: Config) => entriesOf(config, key) < least || entriesOf(config, key) > most,
    rule: `ends the agent: the map must have at least ${least}${most === Infinity ? "" : ` and at most ${most}`} entries`,
  })),
  {
    keys: ["bpf-nat-global-max"],
    isBroken: (config) => {
      const [nat, tcp, any] = ["nat-global", "ct-global-tcp", "ct-global-any"].map((map) =>
        entriesOf(config, `bpf-${map}-max`),
      );
      return nat !== DEFAULT_NAT_ENTRIES && nat! > tcp! + any!;
    },
    rule: "ends the agent: the table of NAT must not be larger than bpf.ctTcpMax and bpf.ctAnyMax together",
  },
  {
    keys: ["bpf-events-default-rate-limit", "bpf-events-default-burst-limit"],
    isBroken: (config) =>
      isSet(config, "bpf-events-default-rate-limit") !== isSet(config, "bpf-events-default-burst-limit"),
    rule: "ends the agent: bpf.events.default needs both rateLimit and burstLimit",
  },
  {
    ...MAGLEV,
    isBroken: (config) => isBadMaglev(config) && config["bpf-lb-algorithm"] === "maglev",
    gone: ["1.18.0-pre.0"],
  },
  { ...MAGLEV, isBroken: isBadMaglev, since: ["1.18.0-pre.0"] },
  {
    keys: ["nodeport-addresses"],
    // charts join them with commas, and agents take these beside spaces, as not for exclude-local-address
    isBroken: (config) => wordsOf(config["nodeport-addresses"]?.replaceAll(",", " ")).some((text) => !isCidr(text)),
    rule: "ends the agent: nodePort.addresses are networks such as 192.168.0.0/16, and no devices",
  },
  {
    keys: ["exclude-local-address"],
    isBroken: (config) => wordsOf(config["exclude-local-address"]).some((text) => !isCidr(text)),
    rule: "ends the agent: addresses that are not the node's own are networks such as 10.0.0.0/24, separated by spaces",
  },
  {
    keys: ["container-ip-local-reserved-ports"],
    isBroken: (config) =>
      !/^(?:auto|\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*)?$/.test(config["container-ip-local-reserved-ports"] ?? ""),
    rule: "ends the agent: it must be auto, or ports and ranges with commas, such as 80,8000-8100",
  },
  {
    // pkg/labelsfilter/filter.go
    keys: ["labels"],
    isBroken: (config) =>
      wordsOf(config["labels"]).some((word) => {
        const pattern = word.slice(word.indexOf(":") + 1);
        return pattern === "" || isBadPattern(pattern.replace(/^!/, ""));
      }),
    rule: "ends the agent: labels are patterns of Go, separated by spaces, each perhaps after a source and !, such as k8s:!kubernetes\\.io",
  },
  {
    // pkg/mtu; the kernel takes these for devices of pods
    keys: ["mtu"],
    isBroken: (config) => {
      const mtu = entriesOf(config, "mtu");
      return mtu !== 0 && (mtu < 68 || mtu > 2 ** 16 - 1);
    },
    rule: "leaves pods without a network: their devices take an MTU from 68 to 65535; remove it, to use that of the nodes' devices",
  },
  {
    keys: ["vlan-bpf-bypass"],
    isBroken: (config) => wordsOf(config["vlan-bpf-bypass"]).some((id) => !/^\d+$/.test(id)),
    rule: "ends the agent: VLANs are numbers",
  },
  {
    keys: ["node-port-range"],
    isBroken: (config) => {
      const [first = NaN, last = NaN, ...more] = portsOf(config["node-port-range"]);
      return isSet(config, "node-port-range") && !(first < last && last < 2 ** 16 && more.length === 0);
    },
    rule: "ends the agent: it must be two ports such as 30000,32767, the lower one first",
  },
  {
    keys: ["tunnel-port"],
    isBroken: (config) => Number(config["tunnel-port"] ?? 0) >= 2 ** 16,
    rule: "ends the agent: a port is at most 65535",
  },
  {
    keys: ["install-iptables-rules"],
    isBroken: (config) =>
      config["install-iptables-rules"] === "false" &&
      (replaces(config) || masqueradesInBpf(config) || config["enable-l7-proxy"] !== "false"),
    rule: "ends the agent: the replacement of kube-proxy, BPF masquerading and the L7 proxy need Cilium's iptables rules; remove it",
  },
  {
    keys: ["enable-bbr-hostns-only"],
    isBroken: (config) =>
      on(config, "enable-bandwidth-manager") && on(config, "enable-bbr-hostns-only") && !on(config, "enable-bbr"),
    rule: "ends the agent: it needs bandwidthManager.bbr: true",
  },
  {
    keys: BIG_TCP,
    isBroken: (config) => bigTcp(config) && dispatch(config) === "ipip",
    rule: "ends the agent: BIG TCP does not work with loadBalancer.dsrDispatch: ipip",
    since: ["1.20.0-pre.0"],
  },
  {
    keys: ["bpf-lb-mode-annotation"],
    isBroken: (config) => on(config, "bpf-lb-mode-annotation") && mode(config) === "hybrid",
    rule: "ends the agent: with modes by annotation, loadBalancer.mode must be snat or dsr",
  },
  {
    keys: ["bpf-lb-mode-annotation"],
    isBroken: (config) =>
      on(config, "bpf-lb-mode-annotation") &&
      replaces(config) &&
      tunnels(config) &&
      protocol(config) === "vxlan" &&
      dispatch(config) !== "ipip",
    rule: "ends the agent: modes by annotation in VXLAN need loadBalancer.dsrDispatch: ipip",
  },
  {
    keys: ["underlay-protocol"],
    isBroken: (config) => tunnels(config) && config["underlay-protocol"] === "ipv6" && !on(config, "enable-ipv6"),
    rule: "ends the agent: a tunnel over IPv6 needs ipv6.enabled: true",
  },
  {
    keys: ["enable-l2-pod-announcements"],
    isBroken: (config) =>
      on(config, "enable-l2-pod-announcements") &&
      !isSet(config, "l2-pod-announcements-interface") &&
      !isSet(config, "l2-pod-announcements-interface-pattern"),
    rule: "ends the agent: it needs the devices, such as l2podAnnouncements.interfacePattern: eth0",
  },
  {
    keys: ["enable-encryption-strict-mode-ingress"],
    isBroken: (config) => on(config, "enable-encryption-strict-mode-ingress") && on(config, "enable-ipsec"),
    rule: "ends the agent: IPsec has no strict mode for ingress; remove it, or set encryption.type: wireguard",
  },
  {
    keys: ["enable-vtep"],
    isBroken: (config) => {
      const [endpoints, ...others] = ["endpoint", "cidr", "mac"].map((part) => wordsOf(config[`vtep-${part}`]));
      return (
        on(config, "enable-vtep") &&
        (endpoints!.length === 0 ||
          others.some(({ length }) => length !== endpoints!.length) ||
          others[1]!.some((mac) => !/^[\da-f]{2}(?::[\da-f]{2}){5}$/i.test(mac)) ||
          !isIpv4Address(config["vtep-mask"] ?? ""))
      );
    },
    rule: "ends the agent: vtep needs endpoint, cidr and mac with as many entries each, separated by spaces, and a mask such as 255.255.255.0",
  },
  {
    keys: ["hubble-event-buffer-capacity"],
    isBroken: (config) => {
      const capacity = entriesOf(config, "hubble-event-buffer-capacity");
      return !Number.isNaN(capacity) && (capacity > 2 ** 16 - 1 || !Number.isInteger(Math.log2(capacity + 1)));
    },
    rule: "keeps Hubble from starting: it must be one less than a power of two, such as 8191, and at most 65535",
  },
  {
    keys: ["hubble-metrics"],
    isBroken: (config) =>
      wordsOf(config["hubble-metrics"]).some((metric) => !HUBBLE_METRICS.includes(metric.split(":")[0]!)),
    rule: `ends the agent, or in older versions keeps Hubble from starting: metrics are ${HUBBLE_METRICS.join(", ")}`,
  },
  {
    keys: ["hubble-dynamic-metrics-config-path"],
    isBroken: (config) => isSet(config, "hubble-metrics") && isSet(config, "hubble-dynamic-metrics-config-path"),
    rule: "ends the agent: Hubble's metrics are in hubble.metrics.enabled or in hubble.metrics.dynamic, not in both",
  },
  ...Object.entries(LISTED_WORDS).map(([key, words]) => ({
    keys: [key],
    isBroken: (config: Config) => wordsOf(config[key]).some((word) => !words.includes(word.toLowerCase())),
    rule: `ends the agent: it must be a list, separated by spaces, of ${words.join(", ")}`,
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
  const broken = RULES.filter((rule) => isInForce(rule) && rule.isBroken(config)).map(
    ({ keys, rule }): ValueFinding => ({
      severity: "error",
      key: pathOf(keys.find((key) => isSet(config, key)) ?? keys[0]!),
      rule,
    }),
  );
  return [...broken, ...flagFindings(config, pathOf)];
}

/** Keys that only agents' rules need of values, in all versions. */
const FURTHER_PATHS: Readonly<Record<string, readonly string[]>> = {
  labels: ["labels"],
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
  "bpf-auth-map-max": ["bpf.authMapMax"],
  "bpf-node-map-max": ["bpf.nodeMapMax"],
  "bpf-lb-map-max": ["bpf.lbMapMax"],
  "bpf-events-default-rate-limit": ["bpf.events.default.rateLimit"],
  "bpf-events-default-burst-limit": ["bpf.events.default.burstLimit"],
  "bpf-lb-mode-annotation": ["bpf.lbModeAnnotation"],
  "bpf-lb-maglev-table-size": ["maglev.tableSize"],
  "bpf-lb-maglev-hash-seed": ["maglev.hashSeed"],
  "tunnel-port": ["tunnelPort"],
  "underlay-protocol": ["underlayProtocol"],
  "l2-announcements-lease-duration": ["l2announcements.leaseDuration"],
  "l2-announcements-renew-deadline": ["l2announcements.leaseRenewDeadline"],
  "l2-announcements-retry-period": ["l2announcements.leaseRetryPeriod"],
  "enable-encryption-strict-mode-ingress": ["encryption.strictMode.ingress.enabled"],
  "hubble-event-buffer-capacity": ["hubble.eventBufferCapacity"],
  "monitor-aggregation-flags": ["bpf.monitorFlags"],
  "packetization-layer-pmtud-mode": ["pmtuDiscovery.packetizationLayerPMTUDMode"],
  "install-iptables-rules": ["installIptablesRules"],
  "identity-allocation-mode": ["identityAllocationMode"],
  "service-no-backend-response": ["serviceNoBackendResponse"],
  "policy-deny-response": ["policyDenyResponse"],
  "monitor-aggregation": ["bpf.monitorAggregation"],
};

/** Path of the value that is set and known to render a key; undefined if there is none. */
export function knownPathOf(key: string, extraValues: HelmValues): string | undefined {
  const paths = DATAPATH_KEYS.find((each) => each.key === key)?.paths ?? FURTHER_PATHS[key] ?? [];
  return paths.find((path) => valueAt(extraValues, path) !== undefined);
}

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
