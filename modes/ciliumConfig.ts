import { ciliumValues, ROUTING_MODE, valueAt, type CiliumValuesArgs, type HelmValue } from "./ciliumValues";
import { has, type Since } from "./ciliumVersion";
import { MODE_CONTRACTS, replacementWord, TUNNELS, type Tunnel } from "./contract";
import { datapathOptions } from "./datapathChoice";
import { ipamConfig } from "./ipam";

/** In native routing `tunnel-protocol` is absent from 1.14.2 on, and present without effect from 1.17 on. */
const NO_IDLE_PROTOCOL: Since = ["1.14.2", "1.15.0-pre.0"];
const IDLE_PROTOCOL_AGAIN: Since = ["1.17.0-pre.0"];

/** Values of the ConfigMap `cilium-config` by key; null for a key that must be absent. */
export type CiliumConfig = Readonly<Record<string, string | null>>;

/** Expected `cilium-config` for the mode to be in force, as far as this project sets it. */
export function expectedCiliumConfig(args: CiliumValuesArgs): CiliumConfig {
  const native = args.tunnel === "disabled";
  // keys that the mode does not decide follow the values
  const values = ciliumValues(args);
  // charts have "" for "not set"
  const { tunnelProtocol, ipv4NativeRoutingCIDR } = values;
  const isText = (value: HelmValue | undefined): value is string => typeof value === "string" && value !== "";
  // null removes a chart's default
  const set = (path: string) => {
    const value = valueAt(values, path) ?? null;
    return value === null ? null : String(value);
  };
  const legacy = set("bpf.hostLegacyRouting");
  const { "enable-host-legacy-routing": ofMode = null, ...mode } = modeConfig(args);
  // newer charts render it with chaining, which changes nothing where packets pass the host's stack anyway
  const isOpen = set("cni.chainingMode") !== null && MODE_CONTRACTS[args.mode].hostRouting === "Legacy";
  return {
    "cluster-name": args.clusterName,
    ...mode,
    ...(isOpen && ofMode === null ? {} : { "enable-host-legacy-routing": ofMode }),
    // a value of the user agrees with the mode, which the settings' rules ensure
    ...(legacy === null ? {} : { "enable-host-legacy-routing": legacy }),
    // charts render these two also where they have no effect
    ...(native && isText(tunnelProtocol) ? { "tunnel-protocol": tunnelProtocol } : {}),
    "ipv4-native-routing-cidr": isText(ipv4NativeRoutingCIDR) ? ipv4NativeRoutingCIDR : null,
    ...(args.ipv6 === undefined
      ? {}
      : {
          "enable-ipv6": "true",
          "enable-ipv6-masquerade": set("enableIPv6Masquerade") ?? "true",
          "ipv6-native-routing-cidr": set("ipv6NativeRoutingCIDR"),
        }),
    "auto-direct-node-routes": String(args.autoDirectNodeRoutes ?? native),
    ...ipamConfig(args),
    ...Object.fromEntries(datapathOptions(args).map(({ key, value }) => [key, String(value)])),
    "monitor-aggregation": set("bpf.monitorAggregation"),
    debug: set("debug.enabled"),
  };
}

/** Expected `cilium-config` keys of a mode in any cluster. */
export function modeConfig(args: Pick<CiliumValuesArgs, "mode" | "tunnel" | "version">): CiliumConfig {
  const { switches } = MODE_CONTRACTS[args.mode];
  return {
    ...tunnelKeys(args),
    "kube-proxy-replacement": replacementWord(switches.kubeProxyReplacement, args.version),
    "enable-bpf-masquerade": String(switches.bpfMasquerade),
    "enable-ipv4-masquerade": "true",
    // absent: the agent uses BPF if the mode allows it
    "enable-host-legacy-routing": switches.hostLegacyRouting ? "true" : null,
  };
}

/** The tunnel in a `cilium-config` of any version. */
export function tunnelOf(data: Readonly<Record<string, string>>): Tunnel {
  const old = TUNNELS.find((tunnel) => tunnel === data["tunnel"]);
  if (old !== undefined) return old;
  if (data["routing-mode"] === "native") return "disabled";
  return TUNNELS.find((tunnel) => tunnel === data["tunnel-protocol"]) ?? "vxlan";
}

function tunnelKeys({ tunnel, version }: Pick<CiliumValuesArgs, "tunnel" | "version">): CiliumConfig {
  if (!has(ROUTING_MODE, version)) return { tunnel, "routing-mode": null, "tunnel-protocol": null };
  if (tunnel !== "disabled") return { tunnel: null, "routing-mode": "tunnel", "tunnel-protocol": tunnel };
  const idle = !has(NO_IDLE_PROTOCOL, version) || has(IDLE_PROTOCOL_AGAIN, version);
  return { tunnel: null, "routing-mode": "native", "tunnel-protocol": idle ? "vxlan" : null };
}
