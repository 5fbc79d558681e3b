import { readFile } from "node:fs/promises";
import type { Tunnel } from "../modes/contract";
import { contains, overlap } from "../modes/cidr";
import type { MachineFinding } from "./finding";

/** A network that this machine reaches by an interface. */
export interface HostNetwork {
  readonly device: string;
  readonly cidr: string;
}

/** Interfaces that containers bring along: what lies behind them is Docker's and the clusters' own. */
const CONTAINERS = /^(lo|docker\d|br-|veth|cilium_|lxc|podman|virbr)/;

/** The networks beside containers' that this machine has routes to: its LAN, its VPNs. None where that cannot be read. */
export async function readHostNetworks(table = "/proc/net/route"): Promise<HostNetwork[]> {
  const lines = (await readFile(table, "utf8").catch(() => "")).trim().split("\n").slice(1);
  const networks = lines.flatMap((line) => {
    const [device = "", destination = "", , , , , , mask = ""] = line.split(/\s+/);
    if (CONTAINERS.test(device) || !/^[\dA-F]{8}$/i.test(mask) || mask === "00000000") return [];
    return { device, cidr: `${address(destination)}/${ones(mask)}` };
  });
  return networks.filter(({ cidr }, index) => networks.findIndex((other) => other.cidr === cidr) === index);
}

/** The kernel writes addresses as numbers in the machine's byte order, which is little-endian on all that run Docker. */
const octets = (hex: string) => (hex.match(/../g) ?? []).reverse().map((pair) => parseInt(pair, 16));
const address = (hex: string) => octets(hex).join(".");
const ones = (mask: string) =>
  octets(mask).reduce((sum, octet) => sum + octet.toString(2).replaceAll("0", "").length, 0);

/** The networks that a stack's settings give to pods and services. */
export interface ClusterNetworks {
  readonly podCidr: string;
  readonly serviceCidr: string;
  readonly nativeRoutingCIDR: string;
  readonly tunnel: Tunnel;
}

/** What this machine's networks mean for a cluster's. */
export function judgeHostNetworks(networks: readonly HostNetwork[], cluster: ClusterNetworks): MachineFinding[] {
  const taken = (["podCidr", "serviceCidr"] as const).flatMap((key) =>
    networks
      .filter(({ cidr }) => overlap(cidr, cluster[key]))
      .map(({ device, cidr }) => ({
        subject: `cluster.${key}`,
        verdict: "warning" as const,
        seen: `${cluster[key]} overlaps ${cidr}, which this machine reaches by ${device}`,
        matters: "all modes: pods do not reach what lies there",
        remedy: `set cluster.${key} to another network, if pods are to reach it`,
      })),
  );
  // an overlap with the pods' own network is told already
  const lost = networks.filter(
    ({ cidr }) => contains(cluster.nativeRoutingCIDR, cidr) && !overlap(cidr, cluster.podCidr),
  );
  const unmasqueraded = cluster.tunnel === "disabled" ? lost : [];
  const found = [
    ...taken,
    ...unmasqueraded.map(({ device, cidr }) => ({
      subject: "cilium.nativeRoutingCIDR",
      verdict: "warning" as const,
      seen: `${cluster.nativeRoutingCIDR} holds ${cidr}, which this machine reaches by ${device}`,
      matters: "all modes: pods reach what lies there without masquerading, and answers do not find back",
      remedy: `set cilium.nativeRoutingCIDR to ${cluster.podCidr}, if pods are to reach it`,
    })),
  ];
  if (found.length > 0) return found;
  const seen = networks.length === 0 ? "none is known" : networks.map(({ cidr }) => cidr).join(", ");
  return [
    {
      subject: "this machine's networks",
      verdict: "pass",
      seen: `${seen}: no overlap with the cluster's`,
      matters: "all modes: pods' way out of the cluster",
    },
  ];
}
