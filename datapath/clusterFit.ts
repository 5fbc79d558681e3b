import { contains } from "../modes/cidr";
import type { CiliumCluster } from "../modes/ciliumArgs";
import { NODE_POD_CIDR_MASK, nodeNetworks } from "../modes/ciliumValues";
import { MODE_CONTRACTS } from "../modes/contract";
import type { ClusterFacts } from "./facts";

const REMOVE_KUBE_PROXY =
  "remove it first: kubectl -n kube-system delete daemonset kube-proxy, then run kube-proxy --cleanup on every node; " +
  "services are unreachable until Cilium runs";

/** Facts of an external cluster that Cilium's values depend on. */
export type FittingCluster = Required<Pick<CiliumCluster, "nodeCount" | "apiServer">>;

/**
 * Check that Cilium can be installed in an external cluster.
 * @throws Error with all reasons why it cannot
 */
export function fittingCluster(
  { mode, podCidr }: Pick<CiliumCluster, "mode" | "podCidr">,
  facts: ClusterFacts,
): FittingCluster {
  const { kubeProxyMode } = MODE_CONTRACTS[mode];
  const problems: string[] = [];
  if (facts.kubeProxy && kubeProxyMode === "none") {
    problems.push(`it runs kube-proxy, which Cilium replaces in mode ${mode}; ${REMOVE_KUBE_PROXY}`);
  }
  if (!facts.kubeProxy && kubeProxyMode !== "none") {
    problems.push(`it runs no kube-proxy, which mode ${mode} needs; set kubeProxyReplacement: true`);
  }
  if (facts.otherNetwork !== undefined) {
    const [namespace, name] = facts.otherNetwork.split("/");
    problems.push(
      `it runs the network plugin ${name}, which conflicts with Cilium; remove it first: kubectl -n ${namespace} delete daemonset ${name}, and delete its files in /etc/cni/net.d on every node`,
    );
  }
  const without = facts.nodes.filter(({ address }) => address === "").map(({ name }) => name);
  if (without.length > 0) problems.push(`${without.join(", ")}: no IPv4 address, which Cilium needs for routing`);
  const inside = facts.nodes.filter(({ address }) => address !== "" && contains(podCidr, `${address}/32`));
  if (inside.length > 0) {
    problems.push(
      `cluster.podCidr ${podCidr} contains the address of ${inside.map(({ name }) => name).join(", ")}; choose another network`,
    );
  }
  if (contains(podCidr, `${facts.serviceAddress}/32`)) {
    problems.push(
      `cluster.podCidr ${podCidr} contains the service address ${facts.serviceAddress}; choose another network`,
    );
  }
  const blocks = nodeNetworks(podCidr);
  if (blocks < facts.nodes.length) {
    problems.push(
      `cluster.podCidr ${podCidr} has room for ${blocks} nodes with a /${NODE_POD_CIDR_MASK} each, but the cluster has ${facts.nodes.length}`,
    );
  }
  const { apiServer } = facts;
  if (apiServer === undefined) problems.push("its service kubernetes has no IPv4 endpoint");
  if (problems.length > 0 || apiServer === undefined) {
    throw new Error(
      [
        `Cilium cannot be installed in the cluster at ${facts.endpoint}; nothing was changed:`,
        ...problems.map((line) => `  - ${line}`),
      ].join("\n"),
    );
  }
  return { nodeCount: facts.nodes.length, apiServer };
}
