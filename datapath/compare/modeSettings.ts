import type { Settings } from "../../settings/parse";
import { isExternal } from "../../settings/release";

/** The settings that decide what a cluster is, by their names in the stack file. Of Helm values the names alone: some are secret. */
export function settingsOf(settings: Settings): Record<string, string> {
  const { kubeProxyReplacement, bpf, tunnel, cluster, cilium } = settings;
  const isNative = tunnel === "disabled";
  const values = leafPaths(cilium.values);
  return {
    kubeProxyReplacement: String(kubeProxyReplacement),
    "bpf.masquerade": String(bpf.masquerade),
    tunnel,
    "cilium.version": cilium.version,
    ...(isNative
      ? {
          "cilium.autoDirectNodeRoutes": String(cilium.autoDirectNodeRoutes ?? true),
          "cilium.nativeRoutingCIDR": cilium.nativeRoutingCIDR,
        }
      : {}),
    ...(values.length === 0 ? {} : { "cilium.values": values.join(", ") }),
    "cluster.podCidr": cluster.podCidr,
    ...(isExternal(cluster)
      ? {}
      : {
          "cluster.nodeImage": cluster.nodeImage,
          "cluster.serviceCidr": cluster.serviceCidr,
          "cluster.workers": String(cluster.workers),
        }),
  };
}

function leafPaths(value: object, above = ""): string[] {
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? leafPaths(inner, `${above}${key}.`)
      : [above + key],
  );
}
