import { valueOf, type ApiEvidence } from "../evidence/api";
import { gatewayOf, type Evidence } from "../evidence/gather";
import { answeredIn, healthTargets } from "../evidence/health";
import { addressesOf, jsonOf, sectionOf, type NodeEvidence } from "../evidence/node";
import { fail, warning, type Finding } from "./check";
import type { Family } from "./family";
import { odd, type Peer } from "./nodes";

/** The other nodes' link-layer addresses, against those that their devices really have. */
export function judgeNeighbors(
  node: NodeEvidence,
  evidence: Evidence,
  peers: readonly Peer[],
  { name: family, ip }: Family,
): Finding[] {
  const { nodes, api } = evidence;
  const text = sectionOf(node, "neighbors");
  if (text instanceof Error) return [];
  return peers.flatMap((peer) => {
    const entry = entryOf(text, peer);
    if (entry === undefined || peer.name === node.node) return [];
    const own = /lladdr (\S+)/.exec(entry)?.[1];
    const device = /dev (\S+)/.exec(entry)?.[1] ?? "eth0";
    if (family === "IPv6" && isWithoutAnswer(node, peer, evidence)) {
      return [
        fail(
          node.node,
          entry.trim(),
          `${node.node} gets no answer to neighbor solicitations (NDP) for ${peer.name} (${peer.address})`,
          // the same for all pairs of nodes, of which the one that they have in common is named
          `on this node: let ICMPv6 of the types 135 and 136 pass (ip6tables -S; nft list ruleset); then on every node: ip -6 neigh flush dev ${device}`,
          { cause: "neighbor-unresolved", nodes: [node.node, peer.name] },
        ),
      ];
    }
    if (family === "IPv4" && isUnresolved(node, peer, api)) {
      const others = nodes.filter(
        (each) => each.node !== peer.name && typeof sectionOf(each, "neighbors") === "string",
      );
      const isPeers = others.every((each) => isUnresolved(each, peer, api));
      const silent = isPeers ? peer.name : node.node;
      return [
        fail(
          node.node,
          entry.trim(),
          isPeers
            ? `${peer.name} (${peer.address}) does not answer ARP requests, so nothing on its network reaches it`
            : `${node.node} gets no answer to ARP requests for ${peer.name} (${peer.address}), while other nodes do`,
          `on ${silent}: ip link show ${device}; sysctl net.ipv4.conf.${device}.arp_ignore; ip -4 addr show ${device}`,
          { cause: "node-unreachable", nodes: [silent] },
        ),
      ];
    }
    const there = nodes.find((each) => each.node === peer.name);
    const real = there === undefined ? undefined : linkAddressOf(there, peer.address);
    if (real === undefined || own === undefined || own === real) return [];
    return [
      fail(
        node.node,
        entry.trim(),
        `the neighbor entry for ${peer.name} (${peer.address}) has another link-layer address than that node's device, ${real}`,
        `on ${node.node}: ${ip} neigh del ${peer.address} dev ${device}`,
        { cause: "neighbor-wrong", nodes: [node.node, peer.name] },
      ),
    ];
  });
}

/** The link-layer address of the nodes' gateway, compared between the nodes that have the same gateway. */
export function judgeGateway(node: NodeEvidence, { nodes }: Evidence, isExternal: boolean): Finding[] {
  const gateway = gatewayOf(sectionOf(node, "routes"));
  if (gateway === undefined) return [];
  const all = nodes.flatMap((each) => {
    const text = sectionOf(each, "neighbors");
    const isSame = gatewayOf(sectionOf(each, "routes")) === gateway;
    const entry = text instanceof Error || !isSame ? undefined : entryOf(text, { address: gateway });
    const own = /lladdr (\S+)/.exec(entry ?? "")?.[1];
    return own === undefined ? [] : [{ node: each.node, entry: entry!.trim(), own }];
  });
  const mine = odd(all, ({ own }) => own).find((each) => each.node === node.node);
  if (mine === undefined) return [];
  const { entry } = all.find((each) => each.node === node.node)!;
  const device = /dev (\S+)/.exec(entry)?.[1] ?? "eth0";
  // routers of other networks may share an address and keep their own link-layer addresses
  return [
    (isExternal ? warning : fail)(
      node.node,
      entry,
      `the neighbor entry for the gateway ${gateway} has another link-layer address than on other nodes, ${mine.most}: packets that leave the cluster reach nobody`,
      `on ${node.node}: ip neigh del ${gateway} dev ${device}`,
      { cause: "neighbor-wrong", nodes: [node.node] },
    ),
  ];
}

/** A node's neighbor entry for another. */
const entryOf = (neighbors: string, { address }: Pick<Peer, "address">) =>
  neighbors.split("\n").find((line) => line.startsWith(`${address} `));

/** Whether a node has no link-layer address of another, nor a connection: for a moment a healthy network has the first. */
function isUnresolved(node: NodeEvidence, peer: Peer, api: ApiEvidence): boolean {
  const [neighbors, health] = [sectionOf(node, "neighbors"), sectionOf(node, "health")];
  if (typeof neighbors !== "string" || typeof health !== "string") return false;
  if (valueOf(api.config, undefined)?.data["enable-health-checking"] === "false") return false;
  const entry = entryOf(neighbors, peer);
  if (entry === undefined || entry.includes("lladdr")) return false;
  const asked = healthTargets(api).findIndex(({ address }) => address === peer.address);
  return asked >= 0 && !answeredIn(health, asked);
}

/** The same of IPv6, of which agents do not ask each other's health: probes between the two nodes are lost. */
function isWithoutAnswer(node: NodeEvidence, peer: Peer, { traffic }: Evidence): boolean {
  const neighbors = sectionOf(node, "neighbors");
  const entry = neighbors instanceof Error ? undefined : entryOf(neighbors, peer);
  if (entry === undefined || entry.includes("lladdr")) return false;
  const ends = [node.node, peer.name];
  return (traffic?.probes ?? []).some(
    ({ from, to, tries }) =>
      from.node !== to.node &&
      [from, to].every((end) => end.node !== undefined && ends.includes(end.node)) &&
      tries.some(({ failure }) => failure !== undefined),
  );
}

function linkAddressOf(node: NodeEvidence, address: string): string | undefined {
  const links = jsonOf<{ readonly ifname: string; readonly address?: string }[]>(node, "links");
  if (links instanceof Error) return undefined;
  const device = addressesOf(node)?.get(address)?.[0];
  return links.find(({ ifname }) => ifname === device)?.address;
}
