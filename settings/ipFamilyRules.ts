import { contains, overlap } from "../modes/cidr";
import { masqueradesIpv6 } from "../modes/ciliumValues";
import {
  DEFAULT_IPV6,
  ipv6Networks,
  IPV6_SERVICE_PREFIXES,
  MIN_IPV6_POD_PREFIX,
  NODE_IPV6_MASK,
  RESERVED_IPV6,
} from "../modes/ipFamily";
import type { ModeSettings } from "./ciliumArgs";
import type { IsSecretPath, Problem } from "./problems";
import { isExternal, networksIn } from "./release";
import type { ParsedSettings } from "./schema";

/** Settings by the name of their network. */
const KEYS = {
  podCidr: "cluster.podCidr",
  serviceCidr: "cluster.serviceCidr",
  nativeRoutingCIDR: "cilium.nativeRoutingCIDR",
} as const;
type Network = keyof typeof KEYS;

const prefixOf = (cidr: string) => Number(cidr.split("/")[1]);

/** What is wrong with the family of a cluster's addresses, and with its IPv6 networks. */
export function ipFamilyProblems(settings: ParsedSettings, isSecretPath: IsSecretPath): Problem[] {
  const { cluster, tunnel } = settings;
  const given = networksIn(settings);
  const set = (Object.keys(KEYS) as Network[]).flatMap((network) => {
    const ipv6 = given[network]?.ipv6;
    return ipv6 === undefined ? [] : [[network, ipv6] as const];
  });
  const show = (network: Network, value: string) => (isSecretPath(KEYS[network]) ? "(a secret value)" : value);
  if (cluster.ipFamily === "ipv6") {
    const rule = "ipv6 is not supported yet: IPv6 alone is not verified; set dual, which gives pods addresses of both";
    return [{ key: "cluster.ipFamily", rule }];
  }
  if (cluster.ipFamily === "ipv4") {
    const fix = isExternal(cluster)
      ? "this project sets IPv4 networks only for the Cilium of an external cluster; remove it, or set Helm values in cilium.values"
      : "the cluster has IPv4 only; set cluster.ipFamily: dual, or remove it";
    return set.map(([network, ipv6]) => ({
      key: KEYS[network],
      rule: `has the IPv6 network ${show(network, ipv6)}, and ${fix}`,
    }));
  }
  // refused with the other settings of new clusters
  if (isExternal(cluster)) return [];
  const networks = ipv6Networks(Object.fromEntries(set));
  const shown = (network: Network) => show(network, networks[network]);
  const problems: Problem[] = [];
  const refuse = (network: Network, rule: string) =>
    problems.push({ key: KEYS[network], rule: `${shown(network)} ${rule}` });
  for (const network of ["podCidr", "serviceCidr"] as const) {
    const [range, purpose] = Object.entries(RESERVED_IPV6).find(([each]) => overlap(each, networks[network])) ?? [];
    if (range !== undefined)
      refuse(
        network,
        `overlaps ${range}, which is reserved for ${purpose}; set another, such as ${DEFAULT_IPV6[network]}`,
      );
  }
  const podPrefix = prefixOf(networks.podCidr);
  const nodes = cluster.workers + 1;
  const room = 2 ** (NODE_IPV6_MASK - podPrefix);
  if (podPrefix < MIN_IPV6_POD_PREFIX || podPrefix > NODE_IPV6_MASK) {
    refuse(
      "podCidr",
      `cannot be divided into a /${NODE_IPV6_MASK} for each node; the prefix must be from /${MIN_IPV6_POD_PREFIX} to /${NODE_IPV6_MASK}`,
    );
  } else if (room < nodes) {
    const has = `the cluster has ${isSecretPath("cluster.workers") ? "(a secret value)" : nodes}`;
    refuse("podCidr", `has room for ${room} nodes with a /${NODE_IPV6_MASK} each, and ${has}`);
  }
  const servicePrefix = prefixOf(networks.serviceCidr);
  const { min, max } = IPV6_SERVICE_PREFIXES;
  if (servicePrefix < min || servicePrefix > max)
    refuse("serviceCidr", `is not accepted by Kubernetes; the prefix must be from /${min} to /${max}`);
  if (overlap(networks.podCidr, networks.serviceCidr))
    refuse("podCidr", `overlaps cluster.serviceCidr ${shown("serviceCidr")}; a pod could get a service's address`);
  if (tunnel === "disabled" && !contains(networks.nativeRoutingCIDR, networks.podCidr))
    refuse(
      "nativeRoutingCIDR",
      `does not contain cluster.podCidr ${shown("podCidr")}; traffic between pods would be masqueraded`,
    );
  if (contains(networks.serviceCidr, networks.nativeRoutingCIDR))
    refuse(
      "nativeRoutingCIDR",
      `is inside cluster.serviceCidr ${shown("serviceCidr")}; ClusterIPs are not routable addresses`,
    );
  return problems;
}

/** What a version of Cilium cannot do in the second family. */
export function ipFamilyWarnings({ ipv6, mode, cilium }: ModeSettings): Problem[] {
  if (ipv6 === undefined || masqueradesIpv6({ mode, version: cilium.version })) return [];
  const rule = `dual leaves the pods' IPv6 traffic to addresses outside unmasqueraded, and without replies: Cilium ${cilium.version} masquerades IPv6 in BPF from 1.14 on; use 1.14 or newer, or bpf.masquerade: false`;
  return [{ key: "cluster.ipFamily", rule }];
}
