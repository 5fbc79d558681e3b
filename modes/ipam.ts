import { NODE_IPV6_MASK, type Ipv6Networks } from "./ipFamily";

/** Who gives nodes the networks of their pods. */
export const IPAM_MODES = ["cluster-pool", "kubernetes"] as const;
/**
 * One of {@link IPAM_MODES}: `cluster-pool` (Cilium's operator, from a pool) or `kubernetes` (kube-controller-manager, in
 * the nodes' `spec.podCIDRs`). https://docs.cilium.io/en/v1.18/network/concepts/ipam/
 */
export type IpamMode = (typeof IPAM_MODES)[number];

/** Whether this project supports an `ipam` of Cilium. */
export const isIpamMode = (word: unknown): word is IpamMode => IPAM_MODES.some((each) => each === word);

/** Where pods of a cluster get their addresses from. */
export interface PodNetworks {
  /** Who gives nodes the networks of their pods. Default: `cluster-pool`. */
  readonly ipam?: IpamMode | undefined;
  /** IPv4 network of the pods; several of an existing cluster are separated by spaces, as in `cilium-config`. */
  readonly podCidr: string;
  /** Prefix length of a node's part of the pool. Default: 24. */
  readonly podCidrMaskSize?: number | undefined;
  /** IPv6 networks of a dual-stack cluster. Default: IPv4 only. */
  readonly ipv6?: Omit<Ipv6Networks, "serviceCidr"> | undefined;
}

/** Prefix length of a node's part of the pool. */
export const NODE_POD_CIDR_MASK = 24;

/** The single networks of a pool. */
export const networksOf = (podCidr: string): string[] => podCidr.split(/[\s,]+/).filter(Boolean);

/** Number of nodes that a pool has room for; 0 if it is smaller than a node's part. */
export function nodeNetworks(podCidr: string, maskSize = NODE_POD_CIDR_MASK): number {
  return networksOf(podCidr).reduce((sum, cidr) => sum + Math.floor(2 ** (maskSize - Number(cidr.split("/")[1]))), 0);
}

/** Helm values of `ipam`. */
export function ipamValues({ ipam, podCidr, podCidrMaskSize, ipv6 }: PodNetworks) {
  if (ipam === "kubernetes") return { mode: "kubernetes" };
  const second =
    ipv6 === undefined ? {} : { clusterPoolIPv6PodCIDRList: [ipv6.podCidr], clusterPoolIPv6MaskSize: NODE_IPV6_MASK };
  return {
    mode: "cluster-pool",
    operator: {
      clusterPoolIPv4PodCIDRList: networksOf(podCidr),
      clusterPoolIPv4MaskSize: podCidrMaskSize ?? NODE_POD_CIDR_MASK,
      ...second,
    },
  };
}

/** Keys of `cilium-config` that these values render; null for a key that is absent. */
export function ipamConfig({
  ipam,
  podCidr,
  podCidrMaskSize,
  ipv6,
}: PodNetworks): Readonly<Record<string, string | null>> {
  const isPool = ipam !== "kubernetes";
  const second =
    ipv6 === undefined
      ? {}
      : {
          "cluster-pool-ipv6-cidr": isPool ? ipv6.podCidr : null,
          "cluster-pool-ipv6-mask-size": isPool ? String(NODE_IPV6_MASK) : null,
        };
  return {
    ipam: ipam ?? "cluster-pool",
    "cluster-pool-ipv4-cidr": isPool ? networksOf(podCidr).join(" ") : null,
    "cluster-pool-ipv4-mask-size": isPool ? String(podCidrMaskSize ?? NODE_POD_CIDR_MASK) : null,
    ...second,
  };
}
