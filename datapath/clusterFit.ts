import { contains } from "../modes/cidr";
import type { CiliumCluster } from "../modes/ciliumArgs";
import { NODE_POD_CIDR_MASK, nodeNetworks } from "../modes/ciliumValues";
import { MODE_CONTRACTS } from "../modes/contract";
import type { ClusterFacts } from "./facts";

const REMOVE_KUBE_PROXY =
  "remove it first: kubectl -n kube-system delete daemonset kube-proxy, then kube-proxy --cleanup on every node; " +
  "until Cilium runs, nothing in the cluster reaches services";

/** What Cilium's values take from a cluster that exists. */
export type FittingCluster = Required<Pick<CiliumCluster, "nodeCount" | "apiServer">>;

/**
 * Whether Cilium can be installed in a cluster that exists.
 * @throws Error naming everything by which the cluster does not fit
 */
export function fittingCluster(
  { mode, podCidr }: Pick<CiliumCluster, "mode" | "podCidr">,
  facts: ClusterFacts,
): FittingCluster {
  const { kubeProxyMode } = MODE_CONTRACTS[mode];
  const problems: string[] = [];
  if (facts.kubeProxy && kubeProxyMode === "none") {
    problems.push(`kube-proxy runs there, and Cilium replaces it in mode ${mode}; ${REMOVE_KUBE_PROXY}`);
  }
  if (!facts.kubeProxy && kubeProxyMode !== "none") {
    problems.push(`no kube-proxy runs there, and mode ${mode} needs one; set kubeProxyReplacement: true`);
  }
  if (facts.otherNetwork !== undefined) {
    const [namespace, name] = facts.otherNetwork.split("/");
    problems.push(
      `the network plugin ${name} runs there, and Cilium would take its pods' place in the nodes' configuration; remove it first: kubectl -n ${namespace} delete daemonset ${name}, and its files in /etc/cni/net.d on every node`,
    );
  }
  const without = facts.nodes.filter(({ address }) => address === "").map(({ name }) => name);
  if (without.length > 0) problems.push(`${without.join(", ")} has no IPv4 address, by which Cilium routes`);
  const inside = facts.nodes.filter(({ address }) => address !== "" && contains(podCidr, `${address}/32`));
  if (inside.length > 0) {
    problems.push(
      `cluster.podCidr ${podCidr} holds the address of ${inside.map(({ name }) => name).join(", ")}; set another`,
    );
  }
  if (contains(podCidr, `${facts.serviceAddress}/32`)) {
    problems.push(`cluster.podCidr ${podCidr} holds the services' address ${facts.serviceAddress}; set another`);
  }
  const blocks = nodeNetworks(podCidr);
  if (blocks < facts.nodes.length) {
    problems.push(
      `cluster.podCidr ${podCidr} has room for ${blocks} nodes of a /${NODE_POD_CIDR_MASK} each, and the cluster has ${facts.nodes.length}`,
    );
  }
  const { apiServer } = facts;
  if (apiServer === undefined) problems.push("its service kubernetes has no IPv4 endpoint");
  if (problems.length > 0 || apiServer === undefined) {
    throw new Error(
      [
        `The cluster at ${facts.endpoint} does not fit; nothing was changed:`,
        ...problems.map((line) => `  - ${line}`),
      ].join("\n"),
    );
  }
  return { nodeCount: facts.nodes.length, apiServer };
}
