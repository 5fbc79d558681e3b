import { ciliumValuesArgs, type CiliumCluster } from "../modes/ciliumArgs";
import type { CiliumValuesArgs } from "../modes/ciliumValues";
import type { RoutingMode } from "../modes/contract";
import type { ReleasedSettings } from "./release";

/** Settings with their mode. */
export interface ModeSettings extends ReleasedSettings {
  readonly mode: RoutingMode;
}

/** The part of the settings that Cilium's Helm values depend on; with what a cluster that exists has beside it. */
export function ciliumArgs(
  { mode, tunnel, cluster, cilium, hubble }: ModeSettings,
  existing?: Pick<CiliumCluster, "nodeCount" | "apiServer">,
): CiliumValuesArgs {
  return ciliumValuesArgs(
    {
      mode,
      clusterName: cluster.name,
      nodeCount: existing?.nodeCount ?? cluster.workers + 1,
      apiServer: existing?.apiServer,
      podCidr: cluster.podCidr,
      nativeRoutingCIDR: cilium.nativeRoutingCIDR,
    },
    { ...cilium, tunnel, hubble },
  );
}
