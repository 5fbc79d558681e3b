import semver from "semver";
import { MODE_CONTRACTS, type RoutingMode } from "./contract";

/** How kube-proxy translates Services: https://kubernetes.io/docs/reference/networking/virtual-ips/#proxy-modes */
export const KUBE_PROXY_MODES = ["iptables", "nftables", "ipvs"] as const;

/** One of {@link KUBE_PROXY_MODES}: rules of `iptables` or `nftables`, or the kernel's load balancer (`ipvs`). */
export type KubeProxyMode = (typeof KUBE_PROXY_MODES)[number];

/** kube-proxy's mode where no setting chooses one. */
export const DEFAULT_KUBE_PROXY_MODE: KubeProxyMode = "iptables";

/** The mode that kind gets: `none` where Cilium replaces kube-proxy. */
export function kindKubeProxyMode(mode: RoutingMode, wanted: KubeProxyMode | undefined): KubeProxyMode | "none" {
  return MODE_CONTRACTS[mode].kubeProxyMode === "none" ? "none" : (wanted ?? DEFAULT_KUBE_PROXY_MODE);
}

/**
 * First Kubernetes whose kube-proxy has a mode without a feature gate
 * (https://kubernetes.io/docs/reference/command-line-tools-reference/feature-gates/NFTablesProxyMode/). Every kind that this
 * project accepts knows all modes: nftables since 0.23.
 */
const FIRST_KUBERNETES: Partial<Record<KubeProxyMode, string>> = { nftables: "1.31.0" };

/** From here on kube-proxy warns that the mode will be removed: https://github.com/kubernetes/enhancements/issues/5495 */
const IPVS_DEPRECATED = "1.35.0";

/** Why kube-proxy of a Kubernetes version does not have a mode; undefined if it does. */
export function kubeProxyModeProblem(proxyMode: KubeProxyMode, kubernetes: string): string | undefined {
  const first = FIRST_KUBERNETES[proxyMode];
  return first === undefined || semver.gte(kubernetes, first)
    ? undefined
    : `requires Kubernetes ${first.replace(/\.0$/, "")} or newer, and the nodes run ${kubernetes}; set cluster.kubernetesVersion, or remove kubeProxy.mode`;
}

/** What is to say about a mode that works; undefined if nothing is. */
export function kubeProxyModeWarning(proxyMode: KubeProxyMode, kubernetes: string): string | undefined {
  return proxyMode === "ipvs" && semver.gte(kubernetes, IPVS_DEPRECATED)
    ? "ipvs is deprecated since Kubernetes 1.35, and a later one will remove it; set nftables"
    : undefined;
}
