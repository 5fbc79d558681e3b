import { ciliumValuesArgs, type CiliumCluster } from "../modes/ciliumArgs";
import type { CiliumValuesArgs } from "../modes/ciliumValues";
import type { RoutingMode } from "../modes/contract";
import type { ReleasedSettings } from "./release";

/** Settings with their routing mode. */
export interface ModeSettings extends ReleasedSettings {
  readonly mode: RoutingMode;
}

/**
 * Inputs of Cilium's Helm values.
 * @param external nodes and API server of an external cluster
 */
export function ciliumArgs(
  { mode, tunnel, cluster, cilium, hubble }: ModeSettings,
  external?: Pick<CiliumCluster, "nodeCount" | "apiServer">,
): CiliumValuesArgs {
  return ciliumValuesArgs(
    {
      mode,
      clusterName: cluster.name,
      nodeCount: external?.nodeCount ?? cluster.workers + 1,
      apiServer: external?.apiServer,
      podCidr: cluster.podCidr,
      nativeRoutingCIDR: cilium.nativeRoutingCIDR,
    },
    { ...cilium, tunnel, hubble },
  );
}
