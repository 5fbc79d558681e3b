import { ciliumNodesByNode, nodesWithoutCiliumNode, readingOf } from "../evidence/api";
import type { Evidence } from "../evidence/gather";
import { addressesOf, counterOf, endpointsOf, jsonOf, sectionOf, type NodeEvidence } from "../evidence/node";
import { contains } from "../../modes/cidr";
import { fail, inconclusive, pass, warning, type Check, type Finding } from "./check";
import { metricsIn } from "./drops";
import { ipv6Maps } from "./ipv6";
import { podsOfCilium } from "./kubernetes";
import { eachNode, odd, peersOf, type Peer } from "./nodes";

/** Identities of every address outside the cluster; the last two by family, in a dual-stack cluster. */
const WORLD: readonly number[] = [2, 9, 10];
/** Identities that Cilium gives to pods by their labels; networks have larger ones. */
const FIRST_OF_PODS = 256;
const LAST_OF_PODS = 65_535;

/** Part of a map's entries. */
const FULL = 0.95;

/** `cilium bpf ipcache list -o json` and `cilium bpf endpoint list -o json`: key to values. */
type Dump = Readonly<Record<string, readonly string[]>>;

/** Whether the BPF maps know every pod: those elsewhere by their identity, those here by their device. */
export const datapathMapsCheck: Check = {
  id: "datapath-maps",
  question: "Do the BPF maps know every pod: its identity, its node, and its device where it is local?",
  needs: ["nodes"],
  judge(evidence, { evidence: { tunnelDevice }, isExternal }) {
    const endpoints = readingOf(evidence.api.ciliumEndpoints).filter(
      ({ address, identity }) => address !== "" && identity > 0,
    );
    const pods = podsOfCilium(readingOf(evidence.api.pods));
    const nodes = readingOf(evidence.api.nodes);
    const withoutCiliumNode = nodesWithoutCiliumNode(evidence.api).map(({ name }) => name);
    const peers = peersOf(evidence);
    const unlisted = peers.filter(({ name }) => withoutCiliumNode.includes(name));
    // those of CiliumNodes that have no Node too
    const networks = [...new Set([...readingOf(evidence.api.ciliumNodes), ...peers].flatMap((each) => each.podCidrs))];
    const podOf = new Map(pods.map((pod) => [`${pod.namespace}/${pod.name}`, pod]));
    const hostOf = new Map(nodes.map(({ name, address }) => [name, address]));
    const unlike = isExternal ? new Map<string, string[]>() : unlikeIdentities(evidence, networks);
    const ofIpv4 = eachNode(evidence, "ipcache", (node): Finding => {
      const at = { nodes: [node.node] };
      const ipcache = jsonOf<Dump>(node, "ipcache");
      const local = jsonOf<Dump>(node, "endpointMap");
      if (ipcache instanceof Error) return inconclusive(node.node, ipcache.message, undefined, at);
      if (local instanceof Error) return inconclusive(node.node, local.message, undefined, at);
      const restart = `kubectl -n kube-system delete pod ${node.agent}: the agent fills its maps when it starts`;
      const own = pods.filter((pod) => pod.node === node.node);
      const unknown = own.filter(({ address }) => !Object.keys(local).some((key) => addressOf(key) === address));
      if (unknown.length > 0) {
        return fail(
          node.node,
          `${unknown.map(({ name, address }) => `${name} (${address})`).join(", ")} missing in the endpoint map`,
          "the BPF endpoint map does not know local pods, and packets for them are not delivered",
          restart,
          { cause: "endpoint-map-stale", ...at },
        );
      }
      const elsewhere = own.filter(({ address }) => !isDelivered(local, address, node));
      if (elsewhere.length > 0) {
        return fail(
          node.node,
          `${elsewhere.map(({ name, address }) => `${name} (${address})`).join(", ")}: another device in the endpoint map`,
          "the BPF endpoint map sends packets for local pods to a device that is not theirs",
          restart,
          { cause: "endpoint-map-stale", ...at },
        );
      }
      const frozen = sectionOf(node, "frozen");
      if (typeof frozen === "string" && frozen.trim() !== "") {
        return fail(
          node.node,
          `frozen: ${frozen.trim().split("\n").join(", ")}`,
          "BPF maps were frozen, so that the agent can no longer write changes of pods and Services",
          `docker restart ${node.node}, or on the node: remove the maps from /sys/fs/bpf/tc/globals and restart the agent`,
          { cause: "endpoint-map-stale", ...at },
        );
      }
      const unlikeAgent = isExternal ? [] : unlikeEndpoints(local, node);
      if (unlikeAgent.length > 0) {
        return fail(
          node.node,
          `endpoint map: ${unlikeAgent.slice(0, 3).join("; ")}`,
          "the BPF endpoint map differs from what the agent believes of its endpoints",
          restart,
          { cause: "endpoint-map-stale", ...at },
        );
      }
      const renamed = own.flatMap(({ namespace, name, address }) => {
        const said = endpoints.find((each) => each.namespace === namespace && each.name === name)?.identity;
        const known = identityOf(node, address);
        return said === undefined || known === undefined || said === known
          ? []
          : [{ namespace, name, seen: `${name}: identity ${said}, its agent has ${known}` }];
      });
      if (renamed.length > 0) {
        const [{ namespace, name }] = renamed as [(typeof renamed)[number]];
        return (isExternal ? warning : fail)(
          node.node,
          `CiliumEndpoints ${renamed.map(({ seen }) => seen).join("; ")}`,
          `the CiliumEndpoint of ${namespace}/${name} has another identity than its agent gave it: other nodes apply the policies of another identity to its packets`,
          `kubectl -n ${namespace} delete ciliumendpoint ${name}; then kubectl -n kube-system delete pod ${node.agent}: the agent writes it again when it starts`,
          { cause: "endpoint-identity", ...at },
        );
      }
      const wrong = endpoints.flatMap(({ namespace, name, address, identity }) => {
        const entry = entryOf(ipcache, address);
        const pod = podOf.get(`${namespace}/${name}`);
        if (pod === undefined) return [];
        if (entry === undefined) return [`${name} (${address}) is missing`];
        if (entry.identity !== identity)
          return [`${name} (${address}) has identity ${entry.identity}, expected ${identity}`];
        const host = hostOf.get(pod.node);
        const isRemote = pod.node !== node.node;
        if (tunnelDevice !== "none" && isRemote && entry.tunnel !== undefined && entry.tunnel !== host) {
          return [`${name} (${address}) is sent to ${entry.tunnel}, and its node is ${host}`];
        }
        if (
          tunnelDevice === "none" &&
          entry.tunnel !== undefined &&
          entry.tunnel !== "0.0.0.0" &&
          entry.tunnel !== host
        ) {
          return [`${name} (${address}) has the tunnel endpoint ${entry.tunnel}, and its node is ${host}`];
        }
        return [];
      });
      for (const { name, address } of nodes) {
        // an address may be of a device that is not the node's, as where a cloud translates it
        if (address === "" || (name === node.node && (isExternal || !(addressesOf(node)?.has(address) ?? false))))
          continue;
        const entry = entryOf(ipcache, address);
        if (entry === undefined) wrong.push(`the node ${name} (${address}) is missing`);
        else if (WORLD.includes(entry.identity))
          wrong.push(`the node ${name} (${address}) has the identity of the world`);
      }
      for (const key of isExternal ? [] : falsePods(ipcache, evidence))
        wrong.push(`${key} has a pod's identity, and no pod has this address`);
      for (const address of isExternal ? [] : falseHosts(ipcache, node))
        wrong.push(`${address} has the identity of the node itself, and is not its address`);
      for (const key of isExternal ? [] : falseNodes(ipcache, evidence, networks))
        wrong.push(`${key} has the identity of nodes, and is no address of a node`);
      wrong.push(...(unlike.get(node.node) ?? []));
      if (wrong.length > 0) {
        return fail(
          node.node,
          `ipcache: ${wrong.slice(0, 3).join("; ")}`,
          `the BPF ipcache differs from the API server or from the other nodes in ${wrong.length === 1 ? "an entry" : `${wrong.length} entries`}: packets get another identity, or are sent to another node`,
          restart,
          {
            cause: "ipcache-stale",
            nodes: [node.node, ...unlisted.filter((peer) => concerns(wrong, peer)).map(({ name }) => name)],
          },
        );
      }
      const full = fullMaps(evidence, node);
      if (full.length > 0) {
        return fail(
          node.node,
          full.join(", "),
          "BPF maps are nearly full, and new entries fail",
          "raise the Helm value bpf.mapDynamicSizeRatio, and restart the agents",
          { cause: "map-full", ...at },
        );
      }
      return pass(node.node, `${own.length} local pods, ${endpoints.length} identities as the API server has them`);
    });
    return [...ofIpv4, ...ipv6Maps(evidence)];
  },
};

/** Whether some lines name an address of a node, or one of its pods' network. */
const concerns = (lines: readonly string[], { address, podCidrs }: Peer) =>
  (lines.join(" ").match(/\d+(?:\.\d+){3}/g) ?? []).some(
    (each) => each === address || podCidrs.some((cidr) => contains(cidr, `${each}/32`)),
  );

const addressOf = (key: string) => /^(\d+\.\d+\.\d+\.\d+)/.exec(key)?.[1];

/** The entry of an address itself; a network around it would be taken where there is none. An ipcache has every pod of the cluster. */
function entryOf(
  ipcache: Dump,
  address: string,
): { readonly identity: number; readonly tunnel: string | undefined } | undefined {
  const entry = ipcache[`${address}/32`] ?? ipcache[address];
  if (entry === undefined) return undefined;
  const text = entry.join(" ");
  return {
    identity: Number(/(?:identity=|^)(\d+)/.exec(text)?.[1]),
    tunnel: /tunnelendpoint=(\d+\.\d+\.\d+\.\d+)/.exec(text)?.[1],
  };
}

/** How full maps are, as an agent counts their entries: from 0 to 1, by name. @throws SyntaxError for what is no JSON */
export function mapPressures(metrics: string): (readonly [name: string, value: number])[] {
  return metricsIn(metrics, "bpf_map_pressure").map(
    ({ labels, value }) => [labels?.["map_name"] ?? "", value] as const,
  );
}

/** Whether a map refuses entries, or is about to: those of connections forget the oldest instead. */
export const isFull = ([name, value]: readonly [name: string, value: number]) =>
  value > FULL && !/ct|nat|affinity|lru/.test(name);

/** A map and how full it is, for messages. */
export const pressureText = ([name, value]: readonly [name: string, value: number]) =>
  `${name} is ${Math.round(value * 100)} % full`;

function fullMaps({ before }: Evidence, { node }: NodeEvidence): string[] {
  const output = counterOf(before, node, "metrics");
  return output instanceof Error ? [] : mapPressures(output).filter(isFull).map(pressureText);
}

/** Whether the entry of a local pod names a device that is there, and this device's hardware address. */
function isDelivered(map: Dump, address: string, node: NodeEvidence): boolean {
  const links = jsonOf<{ readonly ifindex: number; readonly address?: string }[]>(node, "links");
  const entry =
    Object.entries(map)
      .find(([key]) => addressOf(key) === address)?.[1]
      .join(" ") ?? "";
  const [, device] = /\bifindex=(\d+)/.exec(entry) ?? [];
  if (links instanceof Error || device === undefined) return true;
  const link = links.find(({ ifindex }) => ifindex === Number(device));
  const [, hardware] = /\bnodemac=([0-9A-Fa-f:]{17})/.exec(entry) ?? [];
  if (link === undefined) return false;
  return hardware === undefined || /^00:/.test(hardware) || hardware.toLowerCase() === link.address?.toLowerCase();
}

/** Addresses with an identity of pods that no pod has. */
function falsePods(ipcache: Dump, { api, nodes }: Evidence): string[] {
  const endpoints = readingOf(api.ciliumEndpoints);
  // without these objects nobody else knows identities
  if (endpoints.length === 0) return [];
  const known = new Set([...endpoints, ...readingOf(api.pods)].map(({ address }) => address));
  // pods that came after the API server was asked
  for (const node of nodes) {
    const local = jsonOf<Dump>(node, "endpointMap");
    if (!(local instanceof Error)) for (const key of Object.keys(local)) known.add(addressOf(key) ?? "");
  }
  return Object.entries(ipcache).flatMap(([key, values]) => {
    const identity = Number(/(?:identity=|^)(\d+)/.exec(values.join(" "))?.[1]);
    const isPods = identity >= FIRST_OF_PODS && identity <= LAST_OF_PODS;
    return isPods && !key.includes(":") && !known.has(key.replace(/\/32$/, "")) ? [key] : [];
  });
}

/** The identity that an agent gave to the endpoint with an address; undefined where it does not tell. */
function identityOf(node: NodeEvidence, address: string): number | undefined {
  return endpointsOf(node).find(({ status }) => status?.networking?.addressing?.some(({ ipv4 }) => ipv4 === address))
    ?.status?.identity?.id;
}

/** Entries of the endpoint map that are not as the agent has its endpoints. */
function unlikeEndpoints(map: Dump, node: NodeEvidence): string[] {
  const own = addressesOf(node);
  if (own === undefined) return [];
  const known = new Map(
    endpointsOf(node).flatMap(({ status }) =>
      (status?.networking?.addressing ?? []).flatMap(({ ipv4 }) =>
        ipv4 === undefined ? [] : [[ipv4, status!.networking!] as const],
      ),
    ),
  );
  // no endpoint has an address, so there is nothing to compare with
  if (known.size === 0) return [];
  return Object.entries(map).flatMap(([key, values]) => {
    const address = addressOf(key);
    const text = values.join(" ");
    if (address === undefined) return [];
    const endpoint = known.get(address);
    if (endpoint === undefined) return own.has(address) ? [] : [`${address} is no endpoint of this node`];
    const differing = (
      [
        ["ifindex", / ifindex=(\d+)/, endpoint["interface-index"]],
        ["mac", / mac=(\S+)/, endpoint.mac],
        ["nodemac", / nodemac=(\S+)/, endpoint["host-mac"]],
      ] as const
    ).flatMap(([name, pattern, want]) => {
      const [, found] = pattern.exec(text) ?? [];
      const isSame = found === undefined || want === undefined || found.toLowerCase() === String(want).toLowerCase();
      return isSame || /^(?:00:)+00$/.test(found) ? [] : [`${name} ${found.toLowerCase()}, expected ${want}`];
    });
    return differing.length === 0 ? [] : [`${address} has ${differing.join(", ")}`];
  });
}

/** Networks outside the cluster have numbers of their own on each node. */
const FIRST_OF_NODE = 1 << 24;

/** Node to the entries of its ipcache that have another identity, or another way, than on most nodes. @param cidrs the pods' networks */
function unlikeIdentities({ nodes }: Evidence, cidrs: readonly string[]): Map<string, string[]> {
  const read = nodes.flatMap((node) => {
    const ipcache = jsonOf<Dump>(node, "ipcache");
    const own = addressesOf(node);
    return ipcache instanceof Error || own === undefined ? [] : [{ node: node.node, ipcache, own }];
  });
  const found = new Map<string, string[]>();
  for (const key of new Set(read.flatMap(({ ipcache }) => Object.keys(ipcache)))) {
    const address = addressOf(key);
    if (address === undefined) continue;
    const isOfPods = cidrs.some((cidr) => contains(cidr, `${address}/32`));
    const traits = read.map(({ node, ipcache, own }) => {
      const text = ipcache[key]?.join(" ");
      const identity = /(?:identity=|^)(\d+)/.exec(text ?? "")?.[1];
      const isOther = identity === undefined || own.has(address) || Number(identity) >= FIRST_OF_NODE;
      const tunnel = isOfPods ? undefined : /tunnelendpoint=(\d+\.\d+\.\d+\.\d+)/.exec(text ?? "")?.[1];
      return {
        node,
        trait: isOther ? undefined : `identity ${identity}${tunnel === undefined ? "" : ` by ${tunnel}`}`,
      };
    });
    for (const { node, own, most } of odd(traits, ({ trait }) => trait))
      found.set(node, [...(found.get(node) ?? []), `${key} has ${own}, and on other nodes ${most}`]);
    // an address that all other nodes take for a node's; one that is new on a node of two proves nothing
    const takers = read.filter(({ ipcache }) => OF_HOSTS.test(ipcache[key]?.join(" ") ?? "")).length;
    if (read.length < 3 || takers < read.length - 1) continue;
    for (const { node, ipcache } of read)
      if (!(key in ipcache)) found.set(node, [...(found.get(node) ?? []), `${key} is missing, which other nodes have`]);
  }
  return found;
}

/** Identities of health endpoints, of other nodes, and of those where the API server runs. */
const OF_NODES = /(?:identity=|^)(?:4|6|7)(?:\s|$)/;
/** The same, and of the node itself. */
const OF_HOSTS = /(?:identity=|^)(?:1|4|6|7)(?:\s|$)/;

/** Addresses that the ipcache takes for other nodes', and that are neither theirs nor in a pod network. */
function falseNodes(ipcache: Dump, { nodes, api }: Evidence, cidrs: readonly string[]): string[] {
  const own = nodes.map(addressesOf);
  const strange = ciliumNodesByNode(api).without;
  // a sample of a large cluster does not know all addresses
  if (own.includes(undefined) || nodes.length < readingOf(api.nodes).length) return [];
  return Object.entries(ipcache).flatMap(([key, values]) => {
    const address = addressOf(key);
    if (address === undefined || !OF_NODES.test(values.join(" "))) return [];
    const isKnown =
      key.endsWith("/32") &&
      (own.some((each) => each!.has(address)) ||
        strange.some((each) => [each.address, each.routerAddress].includes(address)) ||
        cidrs.some((cidr) => contains(cidr, `${address}/32`)));
    return isKnown ? [] : [key];
  });
}

/** Addresses that the ipcache takes for the node itself, and that are on none of its devices. */
function falseHosts(ipcache: Dump, node: NodeEvidence): string[] {
  const own = addressesOf(node);
  if (own === undefined) return [];
  return Object.entries(ipcache).flatMap(([key, values]) => {
    const isHost = /(?:^|identity=)1(?:\s|$)/.test(values.join(" "));
    return isHost && !key.includes(":") && !own.has(key.replace(/\/32$/, "")) ? [key] : [];
  });
}
