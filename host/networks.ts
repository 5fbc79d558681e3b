import { readFile } from "node:fs/promises";
import type { Tunnel } from "../modes/contract";
import { contains, overlap } from "../modes/cidr";
import { kindNetwork, kindSubnets } from "./docker";
import type { MachineFinding } from "./finding";

/** A network of a cluster that overlaps kind's Docker network, in which the nodes are. */
export interface NetworkConflict {
  /** Last part of the setting's path, such as `podCidr`. */
  readonly property: string;
  /** The networks, and what the overlap breaks. */
  readonly seen: string;
  readonly remedy: string;
}

/** What an overlap of each network with the nodes' breaks. */
const OVERLAPS = {
  podCidr: { setting: "cluster.podCidr", breaks: "pods and nodes would share addresses" },
  serviceCidr: { setting: "cluster.serviceCidr", breaks: "services and nodes would share addresses" },
  nativeRoutingCIDR: {
    setting: "cilium.nativeRoutingCIDR",
    breaks: "pod traffic to that network would leave unmasqueraded, and replies could not be routed back",
  },
} as const;

/**
 * The given networks that overlap kind's Docker network; none while Docker has no such network.
 * @throws CommandError without Docker
 */
export async function networkConflicts(
  networks: Readonly<Partial<Record<keyof typeof OVERLAPS, string>>>,
): Promise<NetworkConflict[]> {
  const subnets = await kindSubnets();
  return (Object.keys(OVERLAPS) as (keyof typeof OVERLAPS)[]).flatMap((property) => {
    const { setting, breaks } = OVERLAPS[property];
    // a dual-stack cluster has one of each family
    return (networks[property]?.split(",") ?? []).flatMap((cidr) =>
      subnets
        .filter((subnet) => overlap(cidr, subnet))
        .map((subnet) => ({
          property,
          seen: `${setting} ${cidr} overlaps ${subnet} of the Docker network ${kindNetwork()}: ${breaks}`,
          remedy: `set ${setting} to another network`,
        })),
    );
  });
}

/**
 * What keeps nodes of a dual-stack cluster from having IPv6 addresses in kind's Docker network; nothing while Docker has no such
 * network, which kind then makes with IPv6.
 * @throws CommandError without Docker
 */
export async function ipv6Finding(): Promise<MachineFinding> {
  const subnets = await kindSubnets();
  const network = kindNetwork();
  const ipv6 = subnets.filter((subnet) => subnet.includes(":"));
  const finding = { subject: "IPv6 of the nodes", matters: "cluster.ipFamily: dual" };
  if (subnets.length === 0)
    return { ...finding, verdict: "pass", seen: `kind will make the Docker network ${network} with IPv6` };
  if (ipv6.length > 0)
    return { ...finding, verdict: "pass", seen: `the Docker network ${network} has ${ipv6.join(", ")}` };
  return {
    ...finding,
    verdict: "fail",
    seen: `the Docker network ${network} was made without IPv6 (it has ${subnets.join(", ")}), and kind does not change it`,
    remedy: `delete the clusters in it, then run: docker network rm ${network}; kind makes it again with IPv6. Or leave it, and set the environment variable KIND_EXPERIMENTAL_DOCKER_NETWORK to another name`,
  };
}

/** A network that this machine reaches through an interface. */
export interface HostNetwork {
  readonly device: string;
  readonly cidr: string;
}

/** Interfaces of containers; the networks behind them belong to Docker and to clusters. */
const CONTAINERS = /^(lo|docker\d|br-|veth|cilium_|lxc|podman|virbr)/;

/** The networks that this machine has routes to (LAN, VPNs), without those of containers; none where the table cannot be read. */
export async function readHostNetworks(table = "/proc/net/route"): Promise<HostNetwork[]> {
  const lines = (await readFile(table, "utf8").catch(() => "")).trim().split("\n").slice(1);
  const networks = lines.flatMap((line) => {
    const [device = "", destination = "", , , , , , mask = ""] = line.split(/\s+/);
    if (CONTAINERS.test(device) || !/^[\dA-F]{8}$/i.test(mask) || mask === "00000000") return [];
    return { device, cidr: `${address(destination)}/${ones(mask)}` };
  });
  return networks.filter(({ cidr }, index) => networks.findIndex((other) => other.cidr === cidr) === index);
}

/** The kernel prints addresses in the machine's byte order, which is little-endian on every platform of Docker's. */
const octets = (hex: string) => (hex.match(/../g) ?? []).reverse().map((pair) => parseInt(pair, 16));
const address = (hex: string) => octets(hex).join(".");
const ones = (mask: string) =>
  octets(mask).reduce((sum, octet) => sum + octet.toString(2).replaceAll("0", "").length, 0);

/** The networks of pods and services in a stack's settings. */
export interface ClusterNetworks {
  readonly podCidr: string;
  readonly serviceCidr: string;
  readonly nativeRoutingCIDR: string;
  readonly tunnel: Tunnel;
}

/** Check a cluster's networks against this machine's. */
export function judgeHostNetworks(networks: readonly HostNetwork[], cluster: ClusterNetworks): MachineFinding[] {
  const taken = (["podCidr", "serviceCidr"] as const).flatMap((key) =>
    networks
      .filter(({ cidr }) => overlap(cidr, cluster[key]))
      .map(({ device, cidr }) => ({
        subject: `cluster.${key}`,
        verdict: "warning" as const,
        seen: `${cluster[key]} overlaps ${cidr}, which this machine reaches through ${device}`,
        matters: "all modes: pods cannot reach that network",
        remedy: `set cluster.${key} to another network if pods must reach it`,
      })),
  );
  // an overlap with the pods' own network is reported already
  const lost = networks.filter(
    ({ cidr }) => contains(cluster.nativeRoutingCIDR, cidr) && !overlap(cidr, cluster.podCidr),
  );
  const unmasqueraded = cluster.tunnel === "disabled" ? lost : [];
  const found = [
    ...taken,
    ...unmasqueraded.map(({ device, cidr }) => ({
      subject: "cilium.nativeRoutingCIDR",
      verdict: "warning" as const,
      seen: `${cluster.nativeRoutingCIDR} contains ${cidr}, which this machine reaches through ${device}`,
      matters: "all modes: pods reach that network without masquerading, and replies cannot be routed back",
      remedy: `set cilium.nativeRoutingCIDR to ${cluster.podCidr} if pods must reach it`,
    })),
  ];
  if (found.length > 0) return found;
  const seen = networks.length === 0 ? "none known" : networks.map(({ cidr }) => cidr).join(", ");
  return [
    {
      subject: "this machine's networks",
      verdict: "pass",
      seen: `${seen}: no overlap with the cluster's`,
      matters: "all modes: traffic of pods that leaves the cluster",
    },
  ];
}
