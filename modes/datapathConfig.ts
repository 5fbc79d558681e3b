import { valueAt, type HelmValues } from "./ciliumValues";

/** A key of `cilium-config` that changes the datapath, apart from the mode. */
interface Key {
  readonly key: string;
  /** Paths of the Helm values that set the key, in all versions: if one is set, the user decides. */
  readonly paths: readonly string[];
  /** Values that do not change the mode's datapath; an absent key does not either. */
  readonly neutral: readonly string[];
}

const off = (key: string, ...paths: string[]): Key => ({ key, paths, neutral: ["false", ""] });

/** From the templates of the packaged charts 1.12.4 to 1.20.2 (`cilium-configmap.yaml`) and the agents' defaults. */
export const DATAPATH_KEYS: readonly Key[] = [
  off("bpf-lb-sock-hostns-only", "socketLB.hostNamespaceOnly", "hostServices.hostNamespaceOnly", "gatewayAPI.enabled"),
  // it belongs to the replacement, and translates before kube-proxy does: the programs tell
  { key: "bpf-lb-sock", paths: ["socketLB.enabled", "hostServices.enabled"], neutral: ["false", "true", ""] },
  { key: "bpf-lb-mode", paths: ["loadBalancer.mode", "nodePort.mode"], neutral: ["snat"] },
  { key: "node-port-mode", paths: ["loadBalancer.mode", "nodePort.mode"], neutral: ["snat"] },
  { key: "bpf-lb-acceleration", paths: ["loadBalancer.acceleration", "nodePort.acceleration"], neutral: ["disabled"] },
  {
    key: "node-port-acceleration",
    paths: ["loadBalancer.acceleration", "nodePort.acceleration"],
    neutral: ["disabled"],
  },
  { key: "bpf-lb-algorithm", paths: ["loadBalancer.algorithm", "maglev"], neutral: ["random"] },
  { key: "node-port-algorithm", paths: ["loadBalancer.algorithm", "maglev"], neutral: ["random"] },
  { key: "bpf-lb-dsr-dispatch", paths: ["loadBalancer.dsrDispatch"], neutral: ["opt"] },
  off("bpf-lb-external-clusterip", "bpf.lbExternalClusterIP"),
  { key: "datapath-mode", paths: ["bpf.datapathMode", "datapathMode"], neutral: ["veth", "auto"] },
  off(
    "enable-endpoint-routes",
    "endpointRoutes.enabled",
    "gke.enabled",
    "eni.enabled",
    "azure.enabled",
    "aksbyocni.enabled",
  ),
  off("enable-ip-masq-agent", "ipMasqAgent.enabled"),
  off("enable-ipv6", "ipv6.enabled"),
  { key: "enable-ipv4", paths: ["ipv4.enabled"], neutral: ["true"] },
  off("enable-wireguard", "encryption.enabled"),
  off("enable-ipsec", "encryption.enabled"),
  off("enable-bandwidth-manager", "bandwidthManager"),
  off("enable-bbr", "bandwidthManager.bbr"),
  off("enable-bbr-hostns-only", "bandwidthManager.bbrHostNamespaceOnly"),
  off("enable-ipv4-big-tcp", "enableIPv4BIGTCP"),
  off("enable-ipv6-big-tcp", "enableIPv6BIGTCP"),
  off("enable-host-firewall", "hostFirewall.enabled", "hostFirewall"),
  off("enable-egress-gateway", "egressGateway.enabled"),
  off("enable-ipv4-egress-gateway", "egressGateway.enabled"),
  off("enable-local-redirect-policy", "localRedirectPolicy", "localRedirectPolicies.enabled"),
  off("enable-gateway-api", "gatewayAPI.enabled"),
  off("install-no-conntrack-iptables-rules", "installNoConntrackIptablesRules"),
  { key: "enable-ipv4-fragment-tracking", paths: ["fragmentTracking"], neutral: ["true"] },
  { key: "enable-source-ip-verification", paths: ["enableSourceIPVerification"], neutral: ["true"] },
  { key: "vlan-bpf-bypass", paths: ["bpf.vlanBypass"], neutral: [""] },
  off("enable-pmtu-discovery", "pmtuDiscovery.enabled"),
  off("enable-masquerade-to-route-source", "enableMasqueradeRouteSource"),
  off("policy-audit-mode", "policyAuditMode"),
  { key: "enable-policy", paths: ["policyEnforcementMode"], neutral: ["default"] },
  { key: "cni-chaining-mode", paths: ["cni.chainingMode"], neutral: ["none"] },
  { key: "devices", paths: ["devices"], neutral: [""] },
  { key: "direct-routing-device", paths: ["nodePort.directRoutingDevice"], neutral: [""] },
  { key: "mtu", paths: ["MTU"], neutral: ["0", ""] },
  { key: "egress-masquerade-interfaces", paths: ["egressMasqueradeInterfaces"], neutral: [""] },
  { key: "node-port-range", paths: ["nodePort.range"], neutral: ["30000,32767"] },
];

/** The keys that the user did not set, with the values that do not change the mode's datapath. */
export function datapathConfig(extraValues: HelmValues): Readonly<Record<string, readonly string[]>> {
  const own = DATAPATH_KEYS.filter(({ paths }) => paths.every((path) => valueAt(extraValues, path) === undefined));
  return Object.fromEntries(own.map(({ key, neutral }) => [key, neutral]));
}

/** Keys that say how agents log, count and tidy up; every other key may change what becomes of packets. */
const BESIDE_PACKETS =
  /^(debug|log-|metrics|prometheus|(enable-)?hubble|monitor|operator-|pprof|gops|identity-gc|cilium-endpoint-gc|nodes-gc)/;

/** Whether a key of `cilium-config` may change what becomes of packets. */
export function concernsPackets(key: string): boolean {
  return !BESIDE_PACKETS.test(key);
}
