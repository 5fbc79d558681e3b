import { agentFindings } from "./agentRules";
import { ChartKeys } from "./chartKeys";
import { expectedCiliumConfig } from "./ciliumConfig";
import { valueAt, type CiliumValuesArgs, type HelmValues } from "./ciliumValues";
import { optionOf } from "./datapathChoice";
import { DATAPATH_KEYS } from "./datapathConfig";
import type { ValueFinding } from "./valueFinding";

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
  return agentFindings(config, version, (key) => pathOf(key) ?? optionOf(key, args)?.path ?? "");
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
