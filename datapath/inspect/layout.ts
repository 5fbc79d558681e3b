import type { V1Node, V1Pod } from "@kubernetes/client-node";
import { AGENT_CONTAINER, AGENT_SELECTOR, CILIUM_NAMESPACE } from "../../cluster/agents";
import type { EvidenceCluster } from "../../cluster/read";

/** Where a cluster has its Cilium, and who made the cluster. */
export interface Layout {
  readonly namespace: string;
  /** Name of the agents' DaemonSet. */
  readonly daemonSet: string;
  /** Undefined where the nodes do not tell. */
  readonly distribution?: string | undefined;
}

/** Where the chart and most guides install Cilium. */
export const USUAL_LAYOUT: Layout = { namespace: CILIUM_NAMESPACE, daemonSet: "cilium" };

/** How nodes show who made the cluster, by the labels and versions that its owner documents. */
const DISTRIBUTIONS: readonly (readonly [name: string, isOf: (node: V1Node) => boolean])[] = [
  // https://kind.sigs.k8s.io/
  ["kind", ({ spec }) => spec?.providerID?.startsWith("kind://") ?? false],
  // https://docs.k3s.io/, https://docs.rke2.io/: their versions end so
  ["k3s", ({ status }) => /\+k3s/.test(status?.nodeInfo?.kubeletVersion ?? "")],
  ["RKE2", ({ status }) => /\+rke2/.test(status?.nodeInfo?.kubeletVersion ?? "")],
  // https://docs.aws.amazon.com/eks/latest/userguide/platform-versions.html
  ["EKS", ({ status }) => /-eks-/.test(status?.nodeInfo?.kubeletVersion ?? "")],
  // https://cloud.google.com/kubernetes-engine/docs/release-notes
  ["GKE", ({ status }) => /-gke\./.test(status?.nodeInfo?.kubeletVersion ?? "")],
  // https://learn.microsoft.com/azure/aks/use-labels
  ["AKS", ({ metadata }) => metadata?.labels?.["kubernetes.azure.com/cluster"] !== undefined],
  // https://docs.redhat.com/en/documentation/openshift_container_platform/
  ["OpenShift", ({ metadata }) => metadata?.labels?.["node.openshift.io/os_id"] !== undefined],
  // https://www.talos.dev/
  ["Talos", ({ status }) => /^Talos/.test(status?.nodeInfo?.osImage ?? "")],
];

/** Find Cilium's agents in any namespace, by their label and the name of their container. */
export async function layoutOf(cluster: EvidenceCluster): Promise<Layout> {
  const agentIn = async (pods: Promise<V1Pod[]>) => (await pods.catch((): V1Pod[] => [])).find(isAgent);
  const [usual, nodes] = await Promise.all([
    agentIn(cluster.pods(CILIUM_NAMESPACE, AGENT_SELECTOR)),
    cluster.nodes().catch((): V1Node[] => []),
  ]);
  // most clusters have them where most guides install them: other pods need not be listed
  const agent = usual ?? (await agentIn(cluster.allPods(AGENT_SELECTOR)));
  const owner = agent?.metadata?.ownerReferences?.find(({ kind }) => kind === "DaemonSet");
  return {
    namespace: agent?.metadata?.namespace ?? USUAL_LAYOUT.namespace,
    daemonSet: owner?.name ?? USUAL_LAYOUT.daemonSet,
    distribution: DISTRIBUTIONS.find(([, isOf]) => nodes.some(isOf))?.[0],
  };
}

function isAgent({ metadata, spec }: V1Pod): boolean {
  const [key, value] = AGENT_SELECTOR.split("=") as [string, string];
  return metadata?.labels?.[key] === value && spec?.containers.some(({ name }) => name === AGENT_CONTAINER) === true;
}

/** The same cluster, in which Cilium seems to be in its usual namespace, under its usual name: everything that reads it looks there. */
export function inUsualNamespace<C extends EvidenceCluster>(cluster: C, { namespace, daemonSet }: Layout): C {
  if (namespace === CILIUM_NAMESPACE && daemonSet === USUAL_LAYOUT.daemonSet) return cluster;
  const real = (asked: string) => (asked === CILIUM_NAMESPACE ? namespace : asked);
  const usual = <T extends { readonly metadata?: { readonly namespace?: string } }>(object: T): T =>
    object.metadata?.namespace === namespace
      ? { ...object, metadata: { ...object.metadata, namespace: CILIUM_NAMESPACE } }
      : object;
  const reader: EvidenceCluster = {
    ...cluster,
    pods: async (asked, selector) => (await cluster.pods(real(asked), selector)).map(usual),
    allPods: async (selector) => (await cluster.allPods(selector)).map(usual),
    daemonSet: (asked, name) => cluster.daemonSet(real(asked), name === USUAL_LAYOUT.daemonSet ? daemonSet : name),
    // CoreDNS stays where it is
    deployment: (asked, name) => cluster.deployment(name.startsWith("cilium") ? real(asked) : asked, name),
    configMap: (asked, name) => cluster.configMap(real(asked), name),
    renderedCilium: (asked) => cluster.renderedCilium(real(asked)),
    log: (asked, ...rest) => cluster.log(real(asked), ...rest),
    exec: (asked, ...rest) => cluster.exec(real(asked), ...rest),
    list: async <T>(apiVersion: string, plural: string) =>
      (await cluster.list<T & { readonly metadata?: { readonly namespace?: string } }>(apiVersion, plural)).map(usual),
  };
  return reader as C;
}
