import { ChartKeys } from "./chartKeys";
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
  /** First versions without the rule. Default: all have it. */
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
const bigTcp = (config: Config) => BIG_TCP.some((key) => isSet(config, key));

const NEEDS_BPF_HOST_ROUTING =
  "BPF host routing, which only mode ebpf has (bpf.masquerade: true, without bpf.hostLegacyRouting)";

/**
 * What agents refuse. Sources, all of Cilium 1.20.2 and alike in older versions unless `gone` says otherwise:
 * `pkg/datapath/linux/bandwidth/bandwidth.go`, `pkg/datapath/linux/bigtcp/bigtcp.go`, `pkg/datapath/connector/config.go`,
 * `pkg/egressgateway/manager.go`, `pkg/kpr/initializer/kube_proxy_replacement.go`, `daemon/cmd/daemon.go` and
 * `daemon/cmd/daemon_main.go`.
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
    rule: "ends the agent: with BPF masquerading, devices are selected with the value devices",
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
    keys: ["enable-ipv4"],
    isBroken: (config) => config["enable-ipv4"] === "false",
    rule: "leaves the cluster without IPv4, which its networks have",
  },
];

/** What agents of a version refuse of a `cilium-config`. @param pathOf Helm value that sets a key */
export function agentFindings(config: Config, version: string, pathOf: (key: string) => string): ValueFinding[] {
  return RULES.filter(({ isBroken, gone }) => isBroken(config) && (gone === undefined || !has(gone, version))).map(
    ({ keys, rule }) => ({
      severity: "error",
      key: pathOf(keys.find((key) => isSet(config, key)) ?? keys[0]!),
      rule,
    }),
  );
}

/** The same of what values alone tell, without a chart. */
export function agentFindingsOf(args: CiliumValuesArgs): ValueFinding[] {
  const { extraValues, version } = args;
  const chart = new ChartKeys(version);
  const pathOf = (key: string) => {
    const paths = DATAPATH_KEYS.find((each) => each.key === key)?.paths ?? [];
    return paths.find((path) => valueAt(extraValues, path) !== undefined && chart.typesOf(path) !== undefined);
  };
  const byValues = DATAPATH_KEYS.flatMap(({ key }) => {
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
