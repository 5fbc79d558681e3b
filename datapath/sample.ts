import type { Expectation } from "./checks/check";
import type { ClusterReader } from "./cluster";
import type { NodesLookedAt } from "./facts";

/** A cluster as checks see it, of which every node beyond a number is left out. */
export interface Sample {
  readonly cluster: ClusterReader;
  readonly expectation: Expectation;
  readonly nodes?: NodesLookedAt | undefined;
}

/** Leave nodes of a large cluster out of what its checks look at; those that stay are spread over all, by name. */
export async function sampleOf(cluster: ClusterReader, expectation: Expectation, maxNodes: number): Promise<Sample> {
  // a cluster that does not answer is the checks' to tell
  const nodes = await cluster.nodes().catch(() => []);
  const all = nodes.length;
  if (all === 0) return { cluster, expectation };
  if (all <= maxNodes) return { cluster, expectation, nodes: { looked: all, all } };
  const names = nodes
    .map(({ metadata }) => metadata!.name!)
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const chosen = new Set(Array.from({ length: maxNodes }, (_, index) => names[Math.floor((index * all) / maxNodes)]!));
  const { nodeCount } = expectation;
  return {
    nodes: { looked: maxNodes, all },
    expectation: {
      ...expectation,
      // a node that is missing at all is still missing
      nodeCount: nodeCount === undefined ? undefined : nodeCount - (all - maxNodes),
    },
    cluster: {
      ...cluster,
      nodes: async () => (await cluster.nodes()).filter(({ metadata }) => chosen.has(metadata!.name!)),
      pods: async (namespace, selector) =>
        (await cluster.pods(namespace, selector)).filter(({ spec }) => chosen.has(spec?.nodeName ?? "")),
      allPods: async () => (await cluster.allPods()).filter(({ spec }) => chosen.has(spec?.nodeName ?? "")),
      ciliumPodCidrs: async () => new Map([...(await cluster.ciliumPodCidrs())].filter(([node]) => chosen.has(node))),
      healthAddresses: async () => (await cluster.healthAddresses()).filter(({ node }) => chosen.has(node)),
    },
  };
}
