import { ciliumValuesArgs, type CiliumCluster } from "../modes/ciliumArgs";
import { valueAt, type CiliumValuesArgs } from "../modes/ciliumValues";
import type { ModeSwitches, RoutingMode } from "../modes/contract";
import type { DatapathChoice } from "../modes/datapathChoice";
import { pairText } from "../modes/ipFamily";
import type { PodNetworks } from "../modes/ipam";
import type { ReleasedSettings } from "./release";

/** Settings with their routing mode. */
export interface ModeSettings extends ReleasedSettings {
  readonly mode: RoutingMode;
}

/**
 * Inputs of Cilium's Helm values.
 * @param external nodes, API server and pod networks of an external cluster
 */
export function ciliumArgs(
  { mode, tunnel, kubeProxy, cluster, cilium, hubble, ipv6, ...others }: ModeSettings,
  external?: Pick<CiliumCluster, "nodeCount" | "apiServer" | keyof PodNetworks>,
): CiliumValuesArgs {
  return ciliumValuesArgs(
    {
      mode,
      clusterName: cluster.name,
      nodeCount: external?.nodeCount ?? cluster.workers + 1,
      apiServer: external?.apiServer,
      ipam: external?.ipam ?? cilium.ipam.mode,
      podCidr: external?.podCidr ?? cluster.podCidr,
      podCidrMaskSize: external?.podCidrMaskSize,
      nativeRoutingCIDR: cilium.nativeRoutingCIDR,
      kubeProxyMode: kubeProxy.mode,
      ipv6: external === undefined ? ipv6 : undefined,
    },
    { ...cilium, tunnel, hubble, ...choiceOf(others) },
  );
}

/** What a stack chooses beside its mode. */
export function choiceOf({ loadBalancer, socketLB, bpf }: Pick<ReleasedSettings, "loadBalancer" | "socketLB" | "bpf">) {
  const { datapathMode, enableTCX } = bpf;
  return { loadBalancer, socketLB, datapathMode, enableTCX } satisfies DatapathChoice;
}

/** The networks of a new kind cluster, as kind and the component take them. */
export function kindNetworks({ cluster, cilium, ipv6 }: ReleasedSettings) {
  return {
    ipFamily: ipv6 === undefined ? ("ipv4" as const) : ("dual" as const),
    podCidr: pairText(cluster.podCidr, ipv6?.podCidr),
    serviceCidr: pairText(cluster.serviceCidr, ipv6?.serviceCidr),
    nativeRoutingCIDR: pairText(cilium.nativeRoutingCIDR, ipv6?.nativeRoutingCIDR),
  };
}

/** The switches that select a stack's routing mode. */
export function switchesOf({ kubeProxyReplacement, bpf, cilium }: ReleasedSettings): ModeSwitches {
  const isLegacy = String(valueAt(cilium.values, "bpf.hostLegacyRouting")) === "true";
  return {
    kubeProxyReplacement,
    bpfMasquerade: bpf.masquerade,
    hostLegacyRouting: bpf.hostLegacyRouting || isLegacy,
  };
}

/** What a stack wants of an external cluster. */
export function wantedOfCluster({ mode, tunnel, cilium, podNetworks }: ModeSettings) {
  return {
    mode,
    ...podNetworks,
    routed: tunnel === "disabled" ? cilium.nativeRoutingCIDR : undefined,
    decidesIpv6: valueAt(cilium.values, "ipv6.enabled") !== undefined,
  };
}
