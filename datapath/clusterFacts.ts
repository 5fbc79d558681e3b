import type { V1NodeStatus, V1Pod } from "@kubernetes/client-node";
import type { ClusterOverview } from "../cluster/read";
import { isIpv4Address } from "../modes/cidr";
import type { ClusterFacts } from "./facts";

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
      .map(({ metadata, status }) => ({
        name: metadata!.name!,
        role: isControlPlane(metadata!.labels ?? {}) ? ("control-plane" as const) : ("worker" as const),
        address: nodeAddress(status) ?? "",
      }))
      .sort((a, b) => a.role.localeCompare(b.role) || a.name.localeCompare(b.name, "en", { numeric: true })),
    kubeProxy: systemPods.some(isKubeProxy),
    otherNetwork: daemonSets
      .filter(({ metadata }) => OTHER_NETWORKS.test(metadata!.name!))
      .map(({ metadata }) => `${metadata!.namespace}/${metadata!.name}`)[0],
    serviceAddress,
  };
}

/** A node's IPv4 address in the nodes' network. */
export function nodeAddress(status: V1NodeStatus | undefined): string | undefined {
  return status?.addresses?.find(({ type, address }) => type === "InternalIP" && isIpv4Address(address))?.address;
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
