import { derived, readingOf, type ApiEvidence } from "../../evidence/api";
import { addressesOf, jsonOf, sectionOf, type NodeEvidence } from "../../evidence/node";
import { attachedToDevices, hasNames, type Attached } from "../../evidence/programs";

/** A device of a node, as `ip -j -d link show` prints it. */
export interface Link {
  readonly ifname: string;
  readonly mtu?: number;
  readonly gso_max_size?: number;
  readonly xdp?: { readonly prog?: { readonly name?: string } };
  readonly linkinfo?: { readonly info_kind?: string };
}

/** What a node told. @throws Error saying why it did not */
export function told<T>(reading: T | Error): T {
  if (reading instanceof Error) throw reading;
  return reading;
}

export const linksOf = (node: NodeEvidence) => told(jsonOf<readonly Link[]>(node, "links"));

/** The lines of a text that hold a part. */
export const linesOf = (text: string, part: string) =>
  text
    .split("\n")
    .filter((line) => line.includes(part))
    .join("\n");

/** The nodes' own addresses. */
const nodeAddresses = derived(({ nodes }) => new Map(readingOf(nodes).map(({ name, address }) => [name, address])));

/** The device that has the node's own address. @throws Error where it is unknown */
export function deviceOut(node: NodeEvidence, api: ApiEvidence): string {
  const own = nodeAddresses(api).get(node.node);
  told(sectionOf(node, "addresses"));
  return told(addressesOf(node)?.get(own ?? "")?.[0] ?? new Error("no device has the node's address"));
}

/**
 * Cilium's programs that packets pass between a node's devices and its network.
 * @param way `from` the network, or `to` it
 */
export function programsOut(node: NodeEvidence, way: "from" | "to"): Attached[] {
  const attached = told(attachedToDevices(node));
  if (hasNames(attached)) return attached.filter(({ name }) => new RegExp(`${way}[_-]netdev`).test(name));
  const kind = way === "from" ? /ingress$/ : /egress$/;
  return attached.filter((each) => !/^(?:lxc|cilium_|lo$)/.test(each.device) && kind.test(each.kind));
}
