import { contains } from "../../../modes/cidr";
import { firstOf } from "../../checks/check";
import { SENT, wayOfPings } from "../../checks/packetPath";
import { hasOwnTunnel } from "../../checks/routes";
import { foreignRules } from "../../checks/routingRules";
import {
  ciliumNodesByNode,
  derived,
  nodesWithoutCiliumNode,
  readingOf,
  sharedByCiliumNodes,
  type ApiEvidence,
} from "../../evidence/api";
import type { Evidence } from "../../evidence/gather";
import { sectionOf, type NodeEvidence } from "../../evidence/node";
import { NONE_LOST } from "../../evidence/pods";
import { isOn, masqueradingOf, networkOf, replaces, type Config } from "./config";
import { Hidden, TRAFFIC, textAt, type Dimension } from "./dimension";
import { linksOf, told } from "./node";

/** Which way pings between pods took. */
function hostRouting(node: NodeEvidence, config: Config, evidence: Evidence): string | Hidden {
  if (networkOf(config) !== "native") return new Hidden("packets in a tunnel pass the host's stack in every mode");
  if (evidence.traffic === undefined) return new Hidden(TRAFFIC);
  const pinging = evidence.traffic.pods.flatMap(({ pinged }) => pinged ?? []);
  if (pinging.length < 2 || pinging.some(({ lost }) => lost !== NONE_LOST))
    return new Hidden("pings between nodes' pods were lost, or there are no two pods to send them");
  const way = wayOfPings(evidence, node.node);
  if (way instanceof Error) return new Hidden(way.message);
  if (way.sent < SENT) return new Hidden("no pod on this node could send pings to another node's");
  return way.passed === "host" ? "Legacy" : way.passed === "BPF" ? "BPF" : "BPF and Legacy";
}

/** The pods' networks, each with its node; those of CiliumNodes without a Node lead nowhere. */
const podNetworks = derived((api) => {
  // throws if they could not be read, which would look like none
  readingOf(api.ciliumNodes);
  const nodes = ciliumNodesByNode(api).with;
  return new Map(nodes.flatMap(({ name, podCidrs }) => podCidrs.map((cidr) => [cidr, name] as const)));
});

/** Addresses of nodes in the network through which agents route to each other. */
const peerAddresses = derived(
  ({ ciliumNodes }) => new Map(readingOf(ciliumNodes).map((each) => [each.name, each.address])),
);

/** Routes to other nodes' pods by another gateway than these nodes themselves, where agents write the routes. */
function detoursByGateways(node: NodeEvidence, owners: ReadonlyMap<string, string>, api: ApiEvidence, config: Config) {
  // routers may have routes to nodes that are not in the same network
  if (!isOn(config["auto-direct-node-routes"]) || isOn(config["direct-routing-skip-unreachable"])) return [];
  return [...told(sectionOf(node, "routes")).matchAll(/^(\S+) via (\S+) (?!.* table )/gm)].flatMap(
    ([, cidr, gateway]) => {
      const owner = owners.get(cidr!);
      const address = owner === undefined || owner === node.node ? undefined : peerAddresses(api).get(owner);
      return !address || address === gateway ? [] : [`${cidr} via ${gateway}`];
    },
  );
}

/** Ways to other nodes' pods beside the nodes' routes to them, for packets of every pod. */
function detours(node: NodeEvidence, owners: ReadonlyMap<string, string>, config: Config): string[] {
  const cidrs = [...owners.keys()];
  const own = cidrs.filter((cidr) => owners.get(cidr) === node.node);
  const others = cidrs.filter((cidr) => owners.get(cidr) !== node.node);
  const lines = told(sectionOf(node, "routes")).split("\n");
  const routesOf = (table: string) =>
    lines
      .filter((line) => (/ table (\S+)/.exec(line)?.[1] ?? "main") === table)
      .flatMap((line) => networkIn(/^(?:[a-z]+ )?(default|\d[\d./]*) ?/.exec(line)?.[1]) ?? []);
  const isOfOthers = (to: string) =>
    // most routes are known by their network, and a large cluster has many
    !owners.has(to) && !own.some((cidr) => contains(cidr, to)) && others.some((cidr) => contains(cidr, to));
  const rules = sectionOf(node, "rules");
  const byRules = (rules instanceof Error ? [] : foreignRules(rules, config)).flatMap((rule) => {
    // others are for marked packets, or for some senders
    const [, pref, to = "default", table] = /^(\d+): from all(?: to (\S+))? lookup (\S+)$/.exec(rule) ?? [];
    const chosen = networkIn(to);
    if (pref === undefined || chosen === undefined || Number(pref) >= MAIN_RULE) return [];
    const ways = routesOf(table!);
    const reached = others.filter((cidr) => contains(chosen, cidr) || contains(cidr, chosen));
    if (reached.length > 0 && ways.length === 0 && node.isDump === true)
      throw new Error(`rule ${pref} looks up table ${table}, whose routes are not in this dump`);
    return reached
      .filter((cidr) => ways.some((way) => contains(way, cidr) || contains(cidr, way)))
      .map((cidr) => `${cidr} by rule ${pref}`);
  });
  return [...new Set([...routesOf("main").filter(isOfOthers), ...byRules])];
}

/** Priority of the rule that looks up the table `main`. */
const MAIN_RULE = 32766;

/** A destination of a route or rule as a network. */
const networkIn = (to: string | undefined) =>
  to === "default" ? "0.0.0.0/0" : to === undefined || to.includes("/") ? to : `${to}/32`;

function routes(node: NodeEvidence, api: ApiEvidence, config: Config): string | Hidden {
  const links = linksOf(node);
  const table = told(sectionOf(node, "routes"));
  const tunnel = ["vxlan", "geneve"].find((name) => links.some(({ ifname }) => ifname === `cilium_${name}`));
  const owners = podNetworks(api);
  const kinds = new Set<string>();
  const found = new Set<string>();
  for (const line of table.split("\n")) {
    const cidr = line.slice(0, line.indexOf(" "));
    const owner = owners.get(cidr);
    // other tables are for marked packets, such as those of IPsec
    if (owner === undefined || owner === node.node || line.includes(" table ")) continue;
    found.add(cidr);
    kinds.add(/ dev cilium_host/.test(line) ? (tunnel ?? "cilium_host") : "native");
  }
  const unlisted = nodesWithoutCiliumNode(api);
  const unlistedNames = unlisted.map(({ name }) => name);
  const shared = sharedByCiliumNodes(api).flatMap(([what, names]) =>
    what.includes("/") ? [`${what} of ${names.join(" and ")}`] : [],
  );
  const mistakes =
    (unlisted.length === 0 ? "" : `, and no CiliumNode of ${firstOf(unlistedNames, 3)}`) +
    (shared.length === 0 ? "" : `, and CiliumNodes that share ${firstOf(shared, 2)}`);
  if (kinds.size > 0) {
    const without = [...owners].filter(([cidr, owner]) => owner !== node.node && !found.has(cidr));
    const unrouted = unlisted.filter(({ name, address }) => name !== node.node && !table.includes(` via ${address} `));
    const missing = [...new Set([...without.map(([, owner]) => owner), ...unrouted.map(({ name }) => name)])];
    // nodes of other subnets may be reached through a gateway
    const isComplete =
      missing.length === 0 ||
      !isOn(config["auto-direct-node-routes"]) ||
      isOn(config["direct-routing-skip-unreachable"]);
    const others = [...detoursByGateways(node, owners, api, config), ...detours(node, owners, config)];
    return (
      [...kinds].sort().join(" and ") +
      (isComplete ? "" : `, without a route to ${firstOf(missing, 3)}`) +
      mistakes +
      (others.length === 0 ? "" : `, and another way to ${firstOf(others, 2)}`)
    );
  }
  // a single node has no routes to others; a tunnel may be there for other packets
  const own = hasOwnTunnel(config) ? undefined : tunnel;
  if (mistakes !== "") return `${own ?? "no route"}${mistakes}`;
  if (readingOf(api.ciliumNodes).every(({ name }) => name === node.node))
    return own ?? (tunnel === undefined ? "native" : new Hidden("there is no other node"));
  return own ?? new Hidden("no route to the other nodes' pods on this node; its gateway may have them");
}

function tunnelWord(way: string, config: Config): string {
  const protocol = networkOf(config);
  // agents report that there is a tunnel, and not which
  return protocol === "native" ? way.toLowerCase() : protocol;
}

export const hostRoutingDimension: Dimension = {
  id: "host-routing",
  title: "Host routing",
  configured: (config) =>
    masqueradingOf(config) !== "iptables" && replaces(config) && !isOn(config["enable-host-legacy-routing"])
      ? "BPF"
      : "Legacy",
  log: /host.routing|legacy/i,
  reported: (status) => textAt(status, "routing.intra-host-routing-mode") ?? textAt(status, "host-routing.mode"),
  observed: (node, _api, config, evidence) => hostRouting(node, config, evidence),
};

export const networkDimension: Dimension = {
  id: "network",
  title: "Between nodes",
  shows: /^[\d.]+\/\d+ (?!.* table )|"cilium_(?:vxlan|geneve)"|^(?!0:|3276[67]:)\d+:\s/,
  configured: networkOf,
  reported: (status, config) => {
    const way = textAt(status, "routing.inter-host-routing-mode");
    return way === undefined ? undefined : way === "Native" ? "native" : tunnelWord(way, config);
  },
  observed: routes,
};
