import { contains, overlap } from "../modes/cidr";
import type { CiliumCluster } from "../modes/ciliumArgs";
import { MODE_CONTRACTS, type RoutingMode } from "../modes/contract";
import { DEFAULTS } from "../modes/defaults";
import {
  isIpamMode,
  networksOf,
  NODE_POD_CIDR_MASK,
  nodeNetworks,
  type IpamMode,
  type PodNetworks,
} from "../modes/ipam";
import type { ClusterFacts } from "./facts";

const REMOVE_KUBE_PROXY =
  "remove it first: kubectl -n kube-system delete daemonset kube-proxy, then run kube-proxy --cleanup on every node; " +
  "services are unreachable until Cilium runs";

/** What is wanted of an external cluster. */
export interface WantedOfCluster {
  readonly mode: RoutingMode;
  readonly ipam?: IpamMode | undefined;
  readonly podCidr?: string | undefined;
  /** IPv4 network that must contain the pods' networks in native routing; undefined in a tunnel. */
  readonly routed?: string | undefined;
  /** Whether Helm values say if pods have IPv6 addresses. Default: nobody asks. */
  readonly decidesIpv6?: boolean | undefined;
}

/** Properties of an external cluster that Cilium's values depend on. */
export type FittingCluster = Pick<CiliumCluster, "nodeCount" | keyof PodNetworks> &
  Required<Pick<CiliumCluster, "apiServer">>;

/**
 * Check that Cilium can be installed in an external cluster. What is not wanted of the pods' networks, its Cilium decides.
 * @throws Error with all reasons why it cannot
 */
export function fittingCluster(wanted: WantedOfCluster, facts: ClusterFacts): FittingCluster {
  const { mode } = wanted;
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
  const networks = podNetworksFor(wanted, facts);
  problems.push(...networkProblems(networks, facts));
  const { routed } = wanted;
  const masqueraded =
    routed === undefined ? [] : networksOf(networks.podCidr).filter((cidr) => !contains(routed, cidr));
  if (masqueraded.length > 0) {
    problems.push(
      `cilium.nativeRoutingCIDR ${routed} does not contain the pods' network ${masqueraded.join(", ")}; traffic between pods would be masqueraded`,
    );
  }
  if (facts.cilium?.hasIpv6 && wanted.decidesIpv6 === false) {
    problems.push(
      "its Cilium gives pods IPv6 addresses too, which the chart's default would take away; set ipv6.enabled and its networks in cilium.values, or ipv6.enabled: false there to do so",
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
  return { nodeCount: facts.nodes.length, apiServer, ...networks };
}

/** The pods' networks: the wanted ones, those of the cluster's Cilium, or the defaults. */
function podNetworksFor({ ipam: wantedIpam, podCidr }: WantedOfCluster, facts: ClusterFacts): PodNetworks {
  const { cilium } = facts;
  const own = cilium?.ipam;
  const ipam = wantedIpam ?? (isIpamMode(own) ? own : "cluster-pool");
  if (ipam === "kubernetes") return { ipam, podCidr: podCidr ?? kubernetesNetworks(facts).join(" ") };
  const isOwnPool = cilium?.podCidr !== undefined && (podCidr ?? cilium.podCidr) === cilium.podCidr;
  return isOwnPool
    ? { ipam, podCidr: cilium.podCidr, podCidrMaskSize: cilium.podCidrMaskSize }
    : { ipam, podCidr: podCidr ?? DEFAULTS.cluster.podCidr };
}

const kubernetesNetworks = ({ nodes }: ClusterFacts) => nodes.flatMap(({ podCidrs = [] }) => podCidrs);

function networkProblems({ ipam, podCidr, podCidrMaskSize }: PodNetworks, facts: ClusterFacts): string[] {
  const problems: string[] = [];
  if (ipam === "kubernetes") {
    const without = facts.nodes.filter(({ podCidrs }) => podCidrs === undefined).map(({ name }) => name);
    if (without.length > 0) {
      problems.push(
        `${without.join(", ")}: no spec.podCIDR, from which cilium.ipam.mode kubernetes takes the pods' addresses; start kube-controller-manager with --allocate-node-cidrs, or set cluster-pool`,
      );
    }
    const outside = kubernetesNetworks(facts).filter((cidr) => !networksOf(podCidr).some((own) => contains(own, cidr)));
    if (outside.length > 0) {
      problems.push(`cluster.podCidr ${podCidr} does not contain ${outside.join(", ")} of its nodes; remove it`);
    }
  } else {
    const mask = podCidrMaskSize ?? NODE_POD_CIDR_MASK;
    const blocks = nodeNetworks(podCidr, mask);
    if (blocks < facts.nodes.length) {
      problems.push(
        `cluster.podCidr ${podCidr} has room for ${blocks} nodes with a /${mask} each, but the cluster has ${facts.nodes.length}`,
      );
    }
  }
  for (const { cidr, name, fix } of usedNetworks({ ipam, podCidr }, facts)) {
    const inside = facts.nodes.filter(({ address }) => address !== "" && contains(cidr, `${address}/32`));
    if (inside.length > 0) {
      problems.push(`${name} contains the address of ${inside.map((node) => node.name).join(", ")}; ${fix}`);
    }
    const { serviceAddress, serviceCidr } = facts;
    if (contains(cidr, `${serviceAddress}/32`)) {
      problems.push(`${name} contains the service address ${serviceAddress}; ${fix}`);
    } else if (serviceCidr !== undefined && overlap(cidr, serviceCidr)) {
      problems.push(`${name} overlaps the services' network ${serviceCidr}; ${fix}`);
    }
  }
  return problems;
}

/**
 * The networks in which pods get addresses: those that nodes have where there are any, since a pool is often much larger
 * than what is ever used of it. The chart's own, 10.0.0.0/8, contains most clusters' services.
 */
function usedNetworks({ ipam, podCidr }: PodNetworks, facts: ClusterFacts) {
  const { cilium } = facts;
  const ofPool = cilium?.ipam === ipam && cilium?.podCidr === podCidr ? (cilium?.nodePodCidrs ?? []) : [];
  const nodeCidrs = ipam === "kubernetes" ? kubernetesNetworks(facts) : ofPool;
  if (nodeCidrs.length > 0) {
    return nodeCidrs.map((cidr) => ({
      cidr,
      name: `the pods' network ${cidr} of a node`,
      fix: "give that node another network first",
    }));
  }
  return networksOf(podCidr).map((cidr) => ({
    cidr,
    name: `cluster.podCidr ${cidr}`,
    fix: "choose another network",
  }));
}
