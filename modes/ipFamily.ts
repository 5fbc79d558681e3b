import ipaddr from "ipaddr.js";
import type { Since } from "./ciliumVersion";
import { ipv4CidrProblem, ipv6CidrProblem, type CidrProblem } from "./cidr";

/** Families of the addresses of pods, Services and nodes. */
export const IP_FAMILIES = ["ipv4", "dual", "ipv6"] as const;
/** One of {@link IP_FAMILIES}: `ipv4`, both with IPv4 first (`dual`), or `ipv6`. */
export type IpFamily = (typeof IP_FAMILIES)[number];

/** Families that a cluster can have: `ipv4`, or both with IPv4 first (`dual`). IPv6 alone is not supported yet. */
export type ClusterIpFamily = "ipv4" | "dual";
export const CLUSTER_IP_FAMILIES: readonly ClusterIpFamily[] = ["ipv4", "dual"];

/** Family of one address or packet. */
export type AddressFamily = Exclude<IpFamily, "dual">;

/** From here on Cilium gives a pod that asks itself through a Service another source, as it does by IPv4: https://github.com/cilium/cilium/pull/39594 */
export const IPV6_LOOPBACK: Since = ["1.19.0"];

/** An address with a port, as URLs and Cilium have it: `10.0.0.1:80`, or `[fd00::1]:80`. */
export const withPort = (address: string, port: number | string) =>
  address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;

/** IPv6 networks of a dual-stack cluster. */
export interface Ipv6Networks {
  /** Network of the pods, of which each node gets a /64. */
  readonly podCidr: string;
  /** Network of the Services' ClusterIPs. */
  readonly serviceCidr: string;
  /** What pods reach without masquerading in native routing. */
  readonly nativeRoutingCIDR: string;
}

/** Networks by their family. */
export interface NetworkPair {
  readonly ipv4: string;
  readonly ipv6?: string | undefined;
}

const PAIR = "must be an IPv4 network and an IPv6 network, such as 10.0.0.0/16,fd00:10::/56";

/** Why a text is neither an IPv4 network nor a pair like `10.0.0.0/16,fd00:10::/56`; undefined if it is one. */
export function networkPairProblem(text: string): CidrProblem | undefined {
  const [ipv4 = "", ipv6, ...more] = text.split(/, ?/);
  if (ipv6 === undefined) return ipv6CidrProblem(text) === undefined ? { rule: PAIR } : ipv4CidrProblem(text);
  const problems = [ipv4CidrProblem(ipv4), ipv6CidrProblem(ipv6)];
  const wrong = problems.filter((each) => each !== undefined);
  if (wrong.length === 0 && more.length === 0) return undefined;
  // only host bits have a suggestion
  if (more.length > 0 || wrong.some(({ suggestion }) => suggestion === undefined)) return { rule: PAIR };
  return {
    rule: wrong[0]!.rule,
    suggestion: pairText(problems[0]?.suggestion ?? ipv4, problems[1]?.suggestion ?? ipv6),
  };
}

/** The networks in a text, the IPv6 one in its shortest form, as agents print it. */
export function networkPair(text: string): NetworkPair {
  const [ipv4 = "", ipv6] = text.split(/, ?/);
  if (ipv6 === undefined) return { ipv4 };
  const [address, prefix] = ipaddr.IPv6.parseCIDR(ipv6);
  return { ipv4, ipv6: `${address.toString()}/${prefix}` };
}

/** Networks as kind and Kubernetes take them. */
export const pairText = (ipv4: string, ipv6: string | undefined) => (ipv6 === undefined ? ipv4 : `${ipv4},${ipv6}`);

/** The IPv6 networks of a dual-stack cluster, with defaults for those that are not set. */
export function ipv6Networks({
  podCidr,
  serviceCidr,
  nativeRoutingCIDR,
}: { readonly [K in keyof Ipv6Networks]?: string | undefined }): Ipv6Networks {
  const pods = podCidr ?? DEFAULT_IPV6.podCidr;
  return {
    podCidr: pods,
    serviceCidr: serviceCidr ?? DEFAULT_IPV6.serviceCidr,
    nativeRoutingCIDR: nativeRoutingCIDR ?? pods,
  };
}

/** Unique local addresses: https://www.rfc-editor.org/rfc/rfc4193 */
export const DEFAULT_IPV6 = { podCidr: "fd00:10::/56", serviceCidr: "fd00:10:96::/112" };

/**
 * Prefix length of a node's part of the pods' network, in Cilium's pool as in Kubernetes
 * (https://kubernetes.io/docs/reference/command-line-tools-reference/kube-controller-manager/: `--node-cidr-mask-size-ipv6`).
 */
export const NODE_IPV6_MASK = 64;

/**
 * A pool has at most 2^16 nodes, in Kubernetes (kubeadm's `PodSubnetNodeMaskMaxDiff`,
 * https://github.com/kubernetes/kubernetes/blob/v1.34.0/cmd/kubeadm/app/constants/constants.go) as in Cilium
 * (`clusterSubnetMaxDiff`, https://github.com/cilium/cilium/blob/main/pkg/ipam/cidrset/cidr_set.go).
 */
export const MIN_IPV6_POD_PREFIX = NODE_IPV6_MASK - 16;

/** Prefixes of a service network that kubeadm accepts: at most 20 bits for addresses, and at least 10 addresses. */
export const IPV6_SERVICE_PREFIXES = { min: 108, max: 124 };

/** Networks whose addresses no pod and no Service can have: https://www.iana.org/assignments/iana-ipv6-special-registry/ */
export const RESERVED_IPV6: Readonly<Record<string, string>> = {
  "::/8": "loopback and IPv4 addresses",
  "fe80::/10": "link-local addresses",
  "ff00::/8": "multicast",
};
