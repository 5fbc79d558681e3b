import type { V1NodeSpec, V1NodeStatus, V1Pod } from "@kubernetes/client-node";
import type { ClusterOverview } from "../cluster/read";
import { ipv4CidrProblem, isIpv4Address, isIpv6Address } from "../modes/cidr";
import type { ClusterFacts, InstalledPodNetworks } from "./facts";

/** Derive the facts from the cluster's objects. */
export function factsOf(overview: ClusterOverview): ClusterFacts {
  const { identity, endpoint, nodes, systemPods, daemonSets, apiServers, serviceAddress } = overview;
  const slice = apiServers.find(({ addressType }) => addressType === "IPv4");
  const host = slice?.endpoints?.[0]?.addresses[0];
  const port = slice?.ports?.[0]?.port;
  return {
    identity,
    endpoint,
    apiServer: host === undefined || port === undefined ? undefined : { host, port },
    nodes: nodes
      .map(({ metadata, spec, status }) => ({
        name: metadata!.name!,
        role: isControlPlane(metadata!.labels ?? {}) ? ("control-plane" as const) : ("worker" as const),
        address: nodeAddress(status) ?? "",
        podCidrs: podCidrsOf(spec),
      }))
      .sort((a, b) => a.role.localeCompare(b.role) || a.name.localeCompare(b.name, "en", { numeric: true })),
    kubeProxy: systemPods.some(isKubeProxy),
    otherNetwork: daemonSets
      .filter(({ metadata }) => OTHER_NETWORKS.test(metadata!.name!))
      .map(({ metadata }) => `${metadata!.namespace}/${metadata!.name}`)[0],
    serviceAddress,
    serviceCidr: serviceCidrOf(systemPods),
    cilium: podNetworksOf(overview),
  };
}

/** IPv4 networks that Kubernetes gave a node's pods; undefined if none. */
export function podCidrsOf(spec: V1NodeSpec | undefined): string[] | undefined {
  const cidrs = spec?.podCIDRs ?? [spec?.podCIDR ?? ""];
  const ipv4 = cidrs.filter((cidr) => cidr.includes("."));
  return ipv4.length === 0 ? undefined : ipv4;
}

/** By the argument of the API server's pod, which installers based on kubeadm and Talos have. */
function serviceCidrOf(systemPods: readonly V1Pod[]): string | undefined {
  const args = systemPods
    .filter(({ metadata }) => metadata?.name?.startsWith("kube-apiserver-"))
    .flatMap(({ spec }) => spec?.containers.flatMap(({ command = [], args = [] }) => [...command, ...args]) ?? []);
  const ranges = args.flatMap((arg) => /^--service-cluster-ip-range=(.+)$/.exec(arg)?.[1]?.split(",") ?? []);
  return ranges.find((range) => ipv4CidrProblem(range) === undefined);
}

function podNetworksOf({ ciliumConfig, ciliumPodCidrs = [] }: ClusterOverview): InstalledPodNetworks | undefined {
  if (ciliumConfig === undefined) return undefined;
  const mask = Number(ciliumConfig["cluster-pool-ipv4-mask-size"] ?? undefined);
  return {
    ipam: ciliumConfig["ipam"] ?? "cluster-pool",
    podCidr: ciliumConfig["cluster-pool-ipv4-cidr"] ?? undefined,
    podCidrMaskSize: Number.isInteger(mask) ? mask : undefined,
    nodePodCidrs: ciliumPodCidrs,
    ...(ciliumConfig["enable-ipv6"] === "true" ? { hasIpv6: true } : {}),
  };
}

/** A node's IPv4 address in the nodes' network. */
export function nodeAddress(status: V1NodeStatus | undefined): string | undefined {
  return status?.addresses?.find(({ type, address }) => type === "InternalIP" && isIpv4Address(address))?.address;
}

/** A node's IPv6 address in the nodes' network. */
export function nodeIpv6Address(status: V1NodeStatus | undefined): string | undefined {
  return status?.addresses?.find(({ type, address }) => type === "InternalIP" && isIpv6Address(address))?.address;
}

/** DaemonSets of other network plugins. */
const OTHER_NETWORKS =
  /^(?:kindnet|calico-node|canal|kube-flannel(?:-ds.*)?|weave-net|aws-node|azure-cns|antrea-agent|kube-router|ovnkube-node.*|rke2-(?:canal|calico.*|flannel.*))$/;

/** By kubeadm's label, the label of other installers, or the name of a static pod. */
function isKubeProxy({ metadata }: V1Pod): boolean {
  const { "k8s-app": app, component } = metadata?.labels ?? {};
  return app === "kube-proxy" || component === "kube-proxy" || (metadata?.name?.startsWith("kube-proxy-") ?? false);
}

function isControlPlane(labels: Readonly<Record<string, string>>): boolean {
  return "node-role.kubernetes.io/control-plane" in labels || "node-role.kubernetes.io/master" in labels;
}
