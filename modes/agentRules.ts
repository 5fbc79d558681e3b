import { isSet, on, wordsOf, type AgentRule, type Config } from "./agentConfig";
import { flagFindings } from "./agentFlags";
import { KEY_RULES } from "./agentKeyRules";
import { ipv4CidrProblem, isIpv4Address } from "./cidr";
import { has } from "./ciliumVersion";
import type { ValueFinding } from "./valueFinding";

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

const NEEDS_BPF_HOST_ROUTING =
  "BPF host routing, which only mode ebpf has (bpf.masquerade: true, without bpf.hostLegacyRouting)";

/**
 * Combinations that agents refuse. Sources, all of Cilium 1.20.2 and alike in older versions unless `gone` says otherwise:
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
    keys: ["hubble-dynamic-metrics-config-path"],
    isBroken: (config) => isSet(config, "hubble-metrics") && isSet(config, "hubble-dynamic-metrics-config-path"),
    rule: "ends the agent: Hubble's metrics are in hubble.metrics.enabled or in hubble.metrics.dynamic, not in both",
  },
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
  const broken = [...RULES, ...KEY_RULES]
    .filter((rule) => isInForce(rule) && rule.isBroken(config))
    .map(({ keys, rule }): ValueFinding => ({
      severity: "error",
      key: pathOf(keys.find((key) => isSet(config, key)) ?? keys[0]!),
      rule,
    }));
  return [...broken, ...flagFindings(config, pathOf)];
}
