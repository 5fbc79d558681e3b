import type { Finding } from "./check";
import { inconclusive } from "./check";
import { nodesWithoutCiliumNode, readingOf } from "../evidence/api";
import type { Evidence } from "../evidence/gather";
import type { NodeEvidence, Section } from "../evidence/node";
import { jsonOf, sectionOf } from "../evidence/node";

/**
 * Judge every node by one part of what its agent said. A node whose agent does not answer is no evidence; why it does not is
 * another check's finding.
 */
export function eachNode(
  { nodes }: Evidence,
  section: Section,
  judge: (node: NodeEvidence, text: string) => readonly Finding[] | Finding,
): Finding[] {
  if (nodes.length === 0)
    return [
      inconclusive("cluster", "no node could be asked", "kubectl get nodes -o wide", { cause: "cluster-unreachable" }),
    ];
  return nodes.flatMap((each) => {
    const text = sectionOf(each, section);
    if (text instanceof Error) return [inconclusive(each.node, text.message, undefined, { nodes: [each.node] })];
    return judge(each, text);
  });
}

/** A node whose trait differs from the others'. */
export interface Odd {
  readonly node: string;
  readonly own: string;
  readonly most: string;
  /** Whether there are two nodes, so that nobody knows which one is right. */
  readonly isTie: boolean;
}

/** Nodes whose trait is not that of most: both of two; all but the first where no trait has a majority. */
export function odd<T>(
  nodes: readonly (T & { readonly node: string })[],
  of: (node: T) => string | undefined,
): readonly Odd[] {
  const all = nodes.flatMap((node) => {
    const own = of(node);
    return own === undefined ? [] : [{ node: node.node, own }];
  });
  const counts = new Map<string, number>();
  for (const { own } of all) counts.set(own, (counts.get(own) ?? 0) + 1);
  const [first, second] = [...counts].sort((a, b) => b[1] - a[1]);
  if (first === undefined || second === undefined) return [];
  const isTie = all.length === 2;
  return all
    .filter(({ own }) => isTie || own !== first[0])
    .map((each) => ({ ...each, most: each.own === first[0] ? second[0] : first[0], isTie }));
}

/** A node as other nodes know it: its address, and its pods' networks. */
export interface Peer {
  readonly name: string;
  readonly address: string;
  readonly podCidrs: readonly string[];
}

/** All nodes, with their addresses and pod networks; that of a node without a CiliumNode is what its agent reports. */
export function peersOf({ api, nodes }: Evidence): Peer[] {
  const podCidrs = new Map(readingOf(api.ciliumNodes).map((node) => [node.name, node.podCidrs]));
  for (const { name } of nodesWithoutCiliumNode(api)) {
    const own = nodes.find(({ node }) => node === name);
    if (own !== undefined) podCidrs.set(name, allocatedFrom(own));
  }
  return readingOf(api.nodes).map(({ name, address }) => ({ name, address, podCidrs: podCidrs.get(name) ?? [] }));
}

/** IPv4 networks from which an agent gives addresses to its pods, as it reports them. */
function allocatedFrom(node: NodeEvidence): string[] {
  const status = jsonOf<{ readonly ipam?: { readonly status?: string } }>(node, "status");
  const said = status instanceof Error ? "" : (status.ipam?.status ?? "");
  const [, networks = ""] = /IPv4: \d+\/\d+ allocated from ([\d./, ]+)/.exec(said) ?? [];
  return networks.match(/\d+(?:\.\d+){3}\/\d+/g) ?? [];
}
