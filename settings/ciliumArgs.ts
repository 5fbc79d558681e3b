import { ciliumValuesArgs, type CiliumCluster } from "../modes/ciliumArgs";
import { valueAt, type CiliumValuesArgs } from "../modes/ciliumValues";
import type { ModeSwitches, RoutingMode } from "../modes/contract";
import type { DatapathChoice } from "../modes/datapathChoice";
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
  { mode, tunnel, kubeProxy, cluster, cilium, hubble, ...others }: ModeSettings,
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
    },
    { ...cilium, tunnel, hubble, ...choiceOf(others) },
  );
}

/** What a stack chooses beside its mode. */
export function choiceOf({ loadBalancer, socketLB, bpf }: Pick<ReleasedSettings, "loadBalancer" | "socketLB" | "bpf">) {
  const { datapathMode, enableTCX } = bpf;
  return { loadBalancer, socketLB, datapathMode, enableTCX } satisfies DatapathChoice;
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
  return { mode, ...podNetworks, routed: tunnel === "disabled" ? cilium.nativeRoutingCIDR : undefined };
}
