import { containsAddress } from "../../modes/cidr";
import { isDualStack, readingOf, type ApiEvidence } from "../evidence/api";
import type { Evidence } from "../evidence/gather";
import { ipv6AddressesOn, jsonOf, sectionOf, type Addressed, type NodeEvidence } from "../evidence/node";
import { byIpv6, deletingAgentOn, fail, inconclusive, pass, warning, type Finding } from "./check";

// What checks say beside IPv4 of the second family of a dual-stack cluster; nothing of another cluster.

/** A node as the API server knows its second family. */
interface Ipv6Peer {
  readonly name: string;
  readonly address: string | undefined;
  readonly podCidrs: readonly string[];
}

function peersOf(api: ApiEvidence): Ipv6Peer[] {
  const podCidrs = new Map(readingOf(api.ciliumNodes).map((node) => [node.name, node.ipv6PodCidrs ?? []]));
  return readingOf(api.nodes).map(({ name, ipv6Address }) => ({
    name,
    address: ipv6Address,
    podCidrs: podCidrs.get(name) ?? [],
  }));
}

const eachNode = (evidence: Evidence, judge: (node: NodeEvidence) => Finding): Finding[] =>
  isDualStack(evidence.api) ? byIpv6(evidence.nodes.map(judge)) : [];

/** Whether every node and pod has an IPv6 address, that of a pod in its node's network. */
export function ipv6Addresses(evidence: Evidence, isExternal = false): Finding[] {
  const { api } = evidence;
  return eachNode(evidence, (each) => {
    const { node } = each;
    const at = { nodes: [node] };
    const { address, podCidrs } = peersOf(api).find(({ name }) => name === node) ?? { podCidrs: [] as string[] };
    const own = readingOf(api.pods).filter(
      (pod) => pod.node === node && !pod.hostNetwork && pod.running && !pod.deleting && pod.address !== "",
    );
    const seen = `${address ?? "no address"}, ${own.length} pods in ${podCidrs.join(", ") || "no network"}`;
    if (address === undefined) {
      return fail(
        node,
        seen,
        "the node has no IPv6 address, and other nodes have one",
        `kubectl get node ${node} -o yaml: status.addresses; on the node: ip -6 addr show eth0`,
        { cause: "address-missing", ...at },
      );
    }
    if (podCidrs.length === 0) {
      return fail(
        node,
        seen,
        "the node has no IPv6 network for its pods",
        `kubectl get ciliumnode ${node} -o yaml: spec.ipam.podCIDRs; kubectl -n kube-system logs deployment/cilium-operator`,
        { cause: "address-missing", ...at },
      );
    }
    const wrong = own.filter(
      ({ ipv6Address }) => ipv6Address === undefined || !podCidrs.some((cidr) => containsAddress(cidr, ipv6Address)),
    );
    if (wrong.length === 0) return judgeDevices(evidence, each, address, podCidrs) ?? pass(node, seen);
    const [first] = wrong as [(typeof wrong)[number]];
    // pods of others may well be older than the second family
    return (isExternal ? warning : fail)(
      node,
      wrong.map(({ name, ipv6Address }) => `${name}: ${ipv6Address ?? "no IPv6 address"}`).join(", "),
      `pods must have an address of their node's IPv6 network ${podCidrs.join(", ")}: they may be older than it`,
      `kubectl -n ${first.namespace} delete pod ${first.name}: its controller creates it again`,
      { cause: "address-missing", ...at },
    );
  });
}

/** The IPv6 addresses of a node's own devices, and how large packets these take; undefined where nothing is wrong. */
function judgeDevices(
  { nodes }: Evidence,
  node: NodeEvidence,
  address: string,
  podCidrs: readonly string[],
): Finding | undefined {
  const at = { nodes: [node.node] };
  const addressed = jsonOf<Addressed[]>(node, "ipv6Addresses");
  if (addressed instanceof Error) return inconclusive(node.node, addressed.message, undefined, at);
  const device = deviceWith(addressed, address);
  if (device === undefined) {
    const usual = nodes.flatMap((each) => {
      const all = jsonOf<Addressed[]>(each, "ipv6Addresses");
      return all instanceof Error ? [] : all.filter(({ ifname }) => !/^(?:lo|lxc|cilium_)/.test(ifname));
    });
    const { ifname = "eth0", addr_info: own = [] } =
      usual.find(({ addr_info: known }) => known.some(({ local }) => local !== undefined && !isOfLink(local))) ?? {};
    const length = own.find(({ local }) => local !== undefined && !isOfLink(local))?.prefixlen ?? 64;
    return fail(
      node.node,
      `no device has ${address}`,
      `the node's address ${address} is on none of its devices`,
      `on ${node.node}: ip -6 addr add ${address}/${length} dev ${ifname}, and its routes; or docker restart ${node.node}`,
      { cause: "address-missing", ...at },
    );
  }
  const host = ipv6AddressesOn(node, "cilium_host");
  if (!host.some((each) => podCidrs.some((cidr) => containsAddress(cidr, each)))) {
    return fail(
      node.node,
      `cilium_host has ${host.join(", ") || "no IPv6 address"}`,
      `cilium_host must have an address of the node's pod network ${podCidrs.join(", ")}: it is the pods' gateway`,
      `${deletingAgentOn(node.node)}: the agent makes its devices and routes when it starts`,
      { cause: "address-missing", ...at },
    );
  }
  const settings = sectionOf(node, "ipv6Sysctls");
  const mtu =
    settings instanceof Error ? undefined : new RegExp(`^ipv6/conf/${device}/mtu:(\\d+)`, "m").exec(settings)?.[1];
  const links = jsonOf<{ readonly ifname: string; readonly mtu: number }[]>(node, "links");
  const own = links instanceof Error ? undefined : links.find(({ ifname }) => ifname === device)?.mtu;
  if (mtu === undefined || own === undefined || Number(mtu) >= own) return undefined;
  return fail(
    node.node,
    `net.ipv6.conf.${device}.mtu = ${mtu}, and ${device} has MTU ${own}`,
    `${device} takes IPv6 packets of ${mtu} bytes at most: larger ones are refused or lost`,
    `on ${node.node}: sysctl -w net.ipv6.conf.${device}.mtu=${own}`,
    { cause: "mtu-mismatch", ...at },
  );
}

/** Whether an address counts on its own link only (RFC 4291). */
const isOfLink = (address: string) => /^fe[89ab]/.test(address);

const deviceWith = (addressed: readonly Addressed[], address: string) =>
  addressed.find(({ addr_info: own }) => own.some(({ local }) => local === address))?.ifname;

/** `cilium bpf ipcache list -o json` and `cilium bpf endpoint list -o json`: key to values. */
type Dump = Readonly<Record<string, readonly string[]>>;

/** Whether the BPF maps know every pod's IPv6 address: those elsewhere by their identity, those here by their device. */
export function ipv6Maps(evidence: Evidence): Finding[] {
  const known = readingOf(evidence.api.ciliumEndpoints).filter(({ identity }) => identity > 0);
  const pods = readingOf(evidence.api.pods);
  const alive = new Set(pods.map(({ namespace, name }) => `${namespace}/${name}`));
  return eachNode(evidence, (node) => {
    const at = { nodes: [node.node] };
    const ipcache = jsonOf<Dump>(node, "ipcache");
    const local = jsonOf<Dump>(node, "endpointMap");
    if (ipcache instanceof Error) return inconclusive(node.node, ipcache.message, undefined, at);
    if (local instanceof Error) return inconclusive(node.node, local.message, undefined, at);
    const restart = `${deletingAgentOn(node.node)}: the agent fills its maps when it starts`;
    const own = pods.filter(
      (pod) =>
        pod.node === node.node && !pod.hostNetwork && pod.running && !pod.deleting && pod.ipv6Address !== undefined,
    );
    // keys end with a port, always 0
    const delivered = new Set(Object.keys(local).map((key) => key.replace(/^\[|\]?:0$/g, "")));
    const unknown = own.filter(({ ipv6Address }) => !delivered.has(ipv6Address!));
    if (unknown.length > 0) {
      return fail(
        node.node,
        `${unknown.map(({ name, ipv6Address }) => `${name} (${ipv6Address})`).join(", ")} missing in the endpoint map`,
        "the BPF endpoint map does not know local pods by their IPv6 address, and packets for them are not delivered",
        restart,
        { cause: "endpoint-map-stale", ...at },
      );
    }
    const wrong = known.flatMap(({ namespace, name, ipv6Address, identity }) => {
      if (ipv6Address === undefined || !alive.has(`${namespace}/${name}`)) return [];
      const entry = ipcache[`${ipv6Address}/128`] ?? ipcache[ipv6Address];
      const found = /(?:identity=|^)(\d+)/.exec(entry?.join(" ") ?? "")?.[1];
      if (found === undefined) return [`${name} (${ipv6Address}) is missing`];
      return Number(found) === identity ? [] : [`${name} (${ipv6Address}) has identity ${found}, expected ${identity}`];
    });
    if (wrong.length === 0)
      return pass(node.node, `${own.length} local pods, ${known.length} identities as the API server has them`);
    return fail(
      node.node,
      `ipcache: ${wrong.slice(0, 3).join("; ")}`,
      "the BPF ipcache differs from the API server: packets get another identity, or are sent to another node",
      restart,
      { cause: "ipcache-stale", ...at },
    );
  });
}
