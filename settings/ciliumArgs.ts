import type { CiliumValuesArgs } from "../modes/ciliumValues";
import type { RoutingMode } from "../modes/contract";
import type { ReleasedSettings } from "./release";

/** Settings with their mode. */
export interface ModeSettings extends ReleasedSettings {
  readonly mode: RoutingMode;
}

/** What Cilium's Helm values depend on of a cluster that exists. */
export interface ExistingClusterArgs {
  readonly nodeCount: number;
  /** Where agents reach the API server without kube-proxy. */
  readonly apiServer: { readonly host: string; readonly port: number };
}

/** The part of the settings that Cilium's Helm values depend on; with what a cluster that exists has beside it. */
export function ciliumArgs(
  { mode, tunnel, cluster, cilium }: ModeSettings,
  existing?: ExistingClusterArgs,
): CiliumValuesArgs {
  return {
    version: cilium.version,
    mode,
    tunnel,
    clusterName: cluster.name,
    nodeCount: existing?.nodeCount ?? cluster.workers + 1,
    apiServer: existing?.apiServer,
    podCidr: cluster.podCidr,
    nativeRoutingCIDR: cilium.nativeRoutingCIDR,
    autoDirectNodeRoutes: cilium.autoDirectNodeRoutes,
    images: cilium.images,
    extraValues: cilium.values,
  };
}
