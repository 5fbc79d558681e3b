import type { CiliumValuesArgs } from "../modes/ciliumValues";
import type { RoutingMode } from "../modes/contract";
import type { ReleasedSettings } from "./release";

/** Settings with their mode. */
export interface ModeSettings extends ReleasedSettings {
  readonly mode: RoutingMode;
}

/** The part of the settings that Cilium's Helm values depend on. */
export function ciliumArgs({ mode, tunnel, cluster, cilium }: ModeSettings): CiliumValuesArgs {
  return {
    version: cilium.version,
    mode,
    tunnel,
    clusterName: cluster.name,
    nodeCount: cluster.workers + 1,
    podCidr: cluster.podCidr,
    nativeRoutingCIDR: cilium.nativeRoutingCIDR,
    autoDirectNodeRoutes: cilium.autoDirectNodeRoutes,
    images: cilium.images,
    extraValues: cilium.values,
  };
}
