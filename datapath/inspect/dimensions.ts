import { contains } from "../../modes/cidr";
import { at } from "../../modes/tree";
import { derived, readingOf, type ApiEvidence } from "../evidence/api";
import { addressesOf, jsonOf, sectionOf, type NodeEvidence } from "../evidence/node";
import { NONE_LOST } from "../evidence/pods";
import { firstOf } from "../checks/check";
import { hasOwnTunnel } from "../checks/routes";
import { foreignRules } from "../checks/routingRules";
import { SENT, wayOfPings } from "../checks/packetPath";
import type { Evidence } from "../evidence/gather";
import { hasNames, attachedByXdp, attachedToDevices, attachedToSockets, type Attached } from "../evidence/programs";

/** A `cilium-config`, with an agent's overrides where it is a node's. */
export type Config = Readonly<Record<string, string | undefined>>;

/** Why something cannot be seen, and how it could be. */
export class Hidden {
  constructor(readonly why: string) {}
}

/** One thing that a datapath is or is not. All columns speak of it in the same words. */
export interface Dimension {
  readonly id: string;
  readonly title: string;
  /** What a configuration asks for; undefined where it does not say. */
  readonly configured?: (config: Config) => string | undefined;
  /** What an agent's status says; undefined in versions that do not tell. */
  readonly reported?: (status: unknown, config: Config) => string | undefined;
  /** What the datapath itself shows; undefined where the node did not tell. @throws Error saying what could not be read */
  readonly observed?: (
    node: NodeEvidence,
    api: ApiEvidence,
    config: Config,
    evidence: Evidence,
  ) => string | Hidden | undefined;
  /** Whether a configured word comes to a reported one. Default: the same text. */
  readonly isSame?: (left: string, right: string) => boolean;
  /** Whether a reported word, or else a configured one, comes to an observed one. Default: {@link isSame}. */
  readonly isShown?: (left: string, right: string, config: Config) => boolean;
  /** What an agent's log says when it falls back. Default: nothing. */
  readonly log?: RegExp;
  /** Which lines of a command's output, or elements of its JSON, say something of it. Default: all. */
  readonly shows?: RegExp;
  /** Whether nodes may differ in it. Default: false. */
  readonly isPerNode?: boolean;
}

const textAt = (status: unknown, path: string): string | undefined => {
  const found = at(status, path.split("."));
  return found === undefined || found === null || typeof found === "object" ? undefined : String(found);
};
const isOn = (value: string | undefined) => value === "true";
const onOff = (value: boolean) => (value ? "on" : "off");
/** Whether one of some keys is on. */
const key =
  (...names: readonly string[]) =>
  (config: Config) =>
    onOff(names.some((name) => isOn(config[name])));

const REPLACEMENT = "kube-proxy-replacement";
/** The modes in which Cilium serves all Services. */
export const replaces = (config: Config) => ["true", "strict", "probe"].includes(config[REPLACEMENT] ?? "");
/** Whether Cilium serves NodePorts, which can be switched on alone beside kube-proxy. */
const servesNodePorts = (config: Config) => replaces(config) || isOn(config["enable-node-port"]);
/** Beside kube-proxy. */
const NODE_PORTS = "NodePorts by Cilium";
const NODE_PORT = `${REPLACEMENT}.features.nodePort`;

/** A device of a node, as `ip -j -d link show` prints it. */
interface Link {
  readonly ifname: string;
  readonly mtu?: number;
  readonly gso_max_size?: number;
  readonly xdp?: { readonly prog?: { readonly name?: string } };
  readonly linkinfo?: { readonly info_kind?: string };
}

/** What a node told. @throws Error saying why it did not */
function told<T>(reading: T | Error): T {
  if (reading instanceof Error) throw reading;
  return reading;
}

const linksOf = (node: NodeEvidence) => told(jsonOf<readonly Link[]>(node, "links"));

/** The lines of a text that hold a part. */
const linesOf = (text: string, part: string) =>
  text
    .split("\n")
    .filter((line) => line.includes(part))
    .join("\n");

/** The nodes' own addresses. */
const nodeAddresses = derived(({ nodes }) => new Map(readingOf(nodes).map(({ name, address }) => [name, address])));

/** The device that has the node's own address. @throws Error where it is unknown */
function deviceOut(node: NodeEvidence, api: ApiEvidence): string {
  const own = nodeAddresses(api).get(node.node);
  told(sectionOf(node, "addresses"));
  return told(addressesOf(node)?.get(own ?? "")?.[0] ?? new Error("no device has the node's address"));
}

/**
 * Cilium's programs that packets pass between a node's devices and its network.
 * @param way `from` the network, or `to` it
 */
function programsOut(node: NodeEvidence, way: "from" | "to"): Attached[] {
  const attached = told(attachedToDevices(node));
  if (hasNames(attached)) return attached.filter(({ name }) => new RegExp(`${way}[_-]netdev`).test(name));
  const kind = way === "from" ? /ingress$/ : /egress$/;
  return attached.filter((each) => !/^(?:lxc|cilium_|lo$)/.test(each.device) && kind.test(each.kind));
}

/** Chains of kube-proxy, in the mode that makes them. */
const KUBE_PROXY = [
  ["iptables", /^:KUBE-(?:SVC|SEP)-/m],
  ["ipvs", /^(?:\[\d+:\d+\] )?-A KUBE-SERVICES .*--match-set KUBE-/m],
] as const;

/** Whether kube-proxy answers to its health check; with a key of its own, Cilium does in its place. */
function hasKubeProxy(node: NodeEvidence, config: Config): boolean {
  const answer = sectionOf(node, "kubeProxy");
  return (
    !(answer instanceof Error) && answer.startsWith("HTTP/") && !config["kube-proxy-replacement-healthz-bind-address"]
  );
}

function services(node: NodeEvidence, config: Config): string | Hidden {
  const rules = told(sectionOf(node, "iptables"));
  const tables = node.nftables !== undefined && "value" in node.nftables ? node.nftables.value : undefined;
  const isCilium =
    told(attachedToSockets(node)).some(({ name }) => /sock4_connect$/.test(name)) &&
    programsOut(node, "from").length > 0;
  const flavour =
    KUBE_PROXY.find(([, pattern]) => pattern.test(rules))?.[0] ??
    (/^table (?:ip|ip6|inet) kube-proxy\b/m.test(tables ?? "") ? "nftables" : undefined);
  // it may have rules of nftables
  const isSilent = flavour === undefined && !hasKubeProxy(node, config);
  if (!isCilium && isSilent && tables === undefined)
    return new Hidden("kube-proxy has no iptables rules, and nftables can only be read where nodes can be entered");
  const kubeProxy = isSilent ? [] : [flavour === undefined ? "kube-proxy" : `kube-proxy (${flavour})`];
  const isInPart = !replaces(config) && servesNodePorts(config) && programsOut(node, "from").length > 0;
  return [...(isCilium ? ["Cilium"] : []), ...kubeProxy, ...(isInPart ? [NODE_PORTS] : [])].join(" and ") || "none";
}

const word = (names: Readonly<Record<string, string>>, value: string | undefined) =>
  value === undefined ? undefined : (names[value.toLowerCase()] ?? value);

const SERVICES = {
  true: "Cilium",
  strict: "Cilium",
  probe: "Cilium",
  partial: "kube-proxy",
  false: "kube-proxy",
  disabled: "kube-proxy",
};

function servedBy(replacement: string | undefined, nodePort: string | undefined): string | undefined {
  const who = word(SERVICES, replacement);
  return who === "kube-proxy" && isOn(nodePort) ? `${who}, ${NODE_PORTS}` : who;
}

/** Cilium's rule that gives packets to the outside the node's address. */
const IPTABLES_MASQUERADE = /^(?:\[\d+:\d+\] )?-A CILIUM_POST_nat .*(?:(?:masquerade|snat) non-cluster|-j MASQUERADE)/m;

function masquerading(node: NodeEvidence, config: Config): string {
  if (IPTABLES_MASQUERADE.test(told(sectionOf(node, "iptables")))) return "iptables";
  // the same program serves NodePorts
  const isBpf = masqueradingOf(config) === "BPF" && programsOut(node, "to").length > 0;
  return isBpf ? "BPF" : "off";
}

/** Who gives packets to the outside the node's address. */
export const masqueradingOf = (config: Config) =>
  config["enable-ipv4-masquerade"] === "false" ? "off" : isOn(config["enable-bpf-masquerade"]) ? "BPF" : "iptables";

/** The networks to which ip-masq-agent leaves pods' addresses where nobody configures others: pkg/ipmasq of Cilium. */
const NOT_MASQUERADED = [
  ...["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24"],
  ...["192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4"],
];

/** Beside each list, unless its configuration says otherwise. */
const LINK_LOCAL = "169.254.0.0/16";

function ipMasqAgent(node: NodeEvidence, config: Config): string | undefined {
  if (!isOn(config["enable-ip-masq-agent"])) return undefined;
  const networks = [...told(sectionOf(node, "ipMasq")).matchAll(/^[\d.]+\/\d+/gm)].map(([network]) => network);
  const others = networks.filter((each) => each !== LINK_LOCAL && !NOT_MASQUERADED.includes(each));
  const isDefault = others.length === 0 && NOT_MASQUERADED.every((each) => networks.includes(each));
  if (isDefault) return "on, except to Cilium's default networks";
  return `on, except to ${firstOf(networks.sort(), 2) || "no network"}`;
}

/** `native`, or the tunnel's protocol. */
export const networkOf = (config: Config) => {
  const protocol = config["tunnel-protocol"] ?? config["tunnel"] ?? "vxlan";
  const isNative = config["routing-mode"] === "native" || config["tunnel"] === "disabled";
  return isNative ? "native" : protocol;
};

/** The pods' networks, each with its node. */
const podNetworks = derived(
  ({ ciliumNodes }) =>
    new Map(readingOf(ciliumNodes).flatMap(({ name, podCidrs }) => podCidrs.map((cidr) => [cidr, name] as const))),
);

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
  if (kinds.size > 0) {
    const without = [...owners].filter(([cidr, owner]) => owner !== node.node && !found.has(cidr));
    const missing = [...new Set(without.map(([, owner]) => owner))];
    // nodes of other subnets may be reached through a gateway
    const isComplete =
      missing.length === 0 ||
      !isOn(config["auto-direct-node-routes"]) ||
      isOn(config["direct-routing-skip-unreachable"]);
    const others = [...detoursByGateways(node, owners, api, config), ...detours(node, owners, config)];
    return (
      [...kinds].sort().join(" and ") +
      (isComplete ? "" : `, without a route to ${firstOf(missing, 3)}`) +
      (others.length === 0 ? "" : `, and another way to ${firstOf(others, 2)}`)
    );
  }
  // a single node has no routes to others; a tunnel may be there for other packets
  const own = hasOwnTunnel(config) ? undefined : tunnel;
  if (readingOf(api.ciliumNodes).every(({ name }) => name === node.node))
    return own ?? (tunnel === undefined ? "native" : new Hidden("there is no other node"));
  return own ?? new Hidden("no route to the other nodes' pods on this node; its gateway may have them");
}

function deviceMode(node: NodeEvidence): string | Hidden {
  const links = linksOf(node).filter(({ ifname }) => /^lxc/.test(ifname));
  const kinds = [...new Set(links.map(({ linkinfo }) => linkinfo?.info_kind ?? "unknown"))];
  return kinds.length === 0 ? new Hidden("no pod on this node") : kinds.sort().join(" and ");
}

/** By which way Cilium's programs are attached. */
function attachment(node: NodeEvidence): string | undefined {
  const network = told(sectionOf(node, "network"));
  const others = [...network.matchAll(/"kind":"(clsact|tcx)\/[^"]*","name":"cil_/g)].map(([, kind]) => kind);
  const tcx = /"cil_/.test(told(sectionOf(node, "tcx"))) || others.includes("tcx");
  return [...(tcx ? ["tcx"] : []), ...(others.includes("clsact") ? ["tc"] : [])].join(" and ") || undefined;
}

function xdp(node: NodeEvidence): string {
  // bpftool does not tell their names
  const own = told(attachedByXdp(node));
  const modes = [...new Set(own.map(({ kind }) => (/generic|skb/.test(kind) ? "generic" : "native")))];
  if (modes.length === 0) return "disabled";
  const links = jsonOf<readonly Link[]>(node, "links");
  const names = links instanceof Error ? [] : links.flatMap((link) => link.xdp?.prog?.name ?? []);
  // Cilium's own program, and others on devices that it does not have
  const foreign = names.some((name) => /^(?:cil_|bpf_xdp)/.test(name)) ? [] : [...new Set(names)];
  return modes.sort().join(" and ") + (foreign.length === 0 ? "" : ` (${firstOf(foreign, 2)})`);
}

function socketLb(node: NodeEvidence): string {
  const hooks = told(attachedToSockets(node)).map(({ name }) => name);
  const needed = ["sock4_connect", "sock4_sendmsg", "sock4_recvmsg"];
  const found = needed.filter((hook) => hooks.some((name) => name.endsWith(hook)));
  if (found.length === 0) return "off";
  return found.length === needed.length
    ? "on"
    : `on without ${needed.filter((hook) => !found.includes(hook)).join(", ")}`;
}

function devicesWithPrograms(node: NodeEvidence): string {
  const devices = programsOut(node, "from")
    .map(({ device }) => device)
    .filter((device) => device !== "cilium_wg0");
  return [...new Set(devices)].sort().join(" ") || "none";
}

/** The pods' MTU, and the device's where it is another one. */
function mtu(node: NodeEvidence, api: ApiEvidence, config: Config): string | Hidden | undefined {
  const links = linksOf(node);
  const name = deviceOut(node, api);
  const out = links.find(({ ifname }) => ifname === name);
  if (out === undefined) return undefined;
  const pods = [
    ...new Set(links.filter(({ ifname }) => /^lxc(?!_health)/.test(ifname)).map(({ mtu: own }) => String(own))),
  ];
  if (pods.length === 0) {
    return size(config["mtu"]) === undefined
      ? String(out.mtu)
      : new Hidden("no pod on this node has the configured MTU");
  }
  const own = pods.sort().join(" and ");
  return own === String(out.mtu) ? own : `${own} (${out.ifname} ${out.mtu})`;
}

function bigTcp(node: NodeEvidence, api: ApiEvidence, config: Config): string | undefined {
  const out = deviceOut(node, api);
  const size = linksOf(node).find(({ ifname }) => ifname === out)?.gso_max_size;
  // somebody else may allow larger segments, of which Cilium makes nothing
  return size === undefined ? undefined : onOff(isOn(config["enable-ipv6-big-tcp"]) && size > 65536);
}

const encrypted = (config: Config) =>
  isOn(config["enable-wireguard"]) ? "WireGuard" : isOn(config["enable-ipsec"]) ? "IPsec" : "off";

function encryption(node: NodeEvidence, config: Config): string | Hidden {
  const links = linksOf(node);
  const policies = told(sectionOf(node, "xfrm"));
  if (links.some(({ ifname }) => ifname === "cilium_wg0")) return "WireGuard";
  if (policies.trim() === "") return "off";
  return encrypted(config) === "IPsec" ? "IPsec" : new Hidden("there are IPsec policies, perhaps of another program");
}

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

const TRAFFIC = "only traffic shows it: inspect --probe where this project's workload runs, or verify --with-workload";
const only = (why: string) => () => new Hidden(why);

/** The dimensions, those that make a mode first. */
export const DIMENSIONS: readonly Dimension[] = [
  {
    id: "services",
    title: "Services",
    shows: /sock4_connect|from[_-]netdev|^:KUBE-(?:SVC|SEP)|--match-set KUBE|kube-proxy/,
    configured: (config) => servedBy(config[REPLACEMENT], config["enable-node-port"]),
    reported: (status) => servedBy(textAt(status, `${REPLACEMENT}.mode`), textAt(status, `${NODE_PORT}.enabled`)),
    observed: (node, _api, config) => services(node, config),
    isShown: (left, right, config) => {
      const parts = right.split(" and ").map((part) => part.replace(/ \(.*/, ""));
      const isShared =
        ["probe", "partial"].includes(config[REPLACEMENT] ?? "") ||
        isOn(config["bpf-lb-sock"]) ||
        isOn(config["enable-node-port"]);
      const wanted = left.split(", ");
      return wanted.every((part) => parts.includes(part)) && (parts.length === wanted.length || isShared);
    },
  },
  {
    id: "host-routing",
    title: "Host routing",
    configured: (config) =>
      masqueradingOf(config) !== "iptables" && replaces(config) && !isOn(config["enable-host-legacy-routing"])
        ? "BPF"
        : "Legacy",
    log: /host.routing|legacy/i,
    reported: (status) => textAt(status, "routing.intra-host-routing-mode") ?? textAt(status, "host-routing.mode"),
    observed: (node, _api, config, evidence) => hostRouting(node, config, evidence),
  },
  {
    id: "masquerading",
    title: "Masquerading",
    shows: /CILIUM_POST_nat|to[_-]netdev/,
    configured: masqueradingOf,
    log: /masquerad/i,
    reported: (status) =>
      word({ bpf: "BPF", iptables: "iptables", disabled: "off" }, textAt(status, "masquerading.mode")),
    observed: (node, _api, config) => masquerading(node, config),
  },
  {
    id: "not-masqueraded",
    title: "Not masqueraded",
    configured: (config) =>
      networkOf(config) === "native" ? config["ipv4-native-routing-cidr"] || undefined : undefined,
    // without a network, each agent chooses its own
    reported: (status, config) =>
      networkOf(config) === "native" && config["ipv4-native-routing-cidr"]
        ? (textAt(status, "masquerading.snat-exclusion-cidr-v4") ?? textAt(status, "masquerading.snat-exclusion-cidr"))
        : undefined,
    observed: only(TRAFFIC),
  },
  {
    id: "ip-masq-agent",
    title: "ip-masq-agent",
    configured: key("enable-ip-masq-agent"),
    reported: (status) => {
      const own = at(status, ["masquerading"]) as { readonly "ip-masq-agent"?: boolean } | undefined;
      return own === undefined ? undefined : onOff(own["ip-masq-agent"] === true);
    },
    // without a configuration of its own, which is no failure, it has networks all the same
    observed: (node, _api, config) => ipMasqAgent(node, config),
    isShown: (left, right) => right.startsWith(left),
  },
  {
    id: "network",
    title: "Between nodes",
    shows: /^[\d.]+\/\d+ (?!.* table )|"cilium_(?:vxlan|geneve)"|^(?!0:|3276[67]:)\d+:\s/,
    configured: networkOf,
    reported: (status, config) => {
      const way = textAt(status, "routing.inter-host-routing-mode");
      return way === undefined ? undefined : way === "Native" ? "native" : tunnelWord(way, config);
    },
    observed: routes,
  },
  {
    id: "device-mode",
    title: "Pods' devices",
    shows: /"ifname":"lxc/,
    configured: (config) => config["datapath-mode"] ?? "veth",
    reported: (status) => textAt(status, "datapath-mode"),
    observed: deviceMode,
    isSame: (left, right) => left === right || (left === "auto" && right.startsWith("netkit")),
    isShown: (left, right) => left === right || (left === "netkit-l2" && right === "netkit"),
    log: /netkit/i,
  },
  {
    id: "attachment",
    title: "Attachment",
    shows: /"name":"cil_/,
    configured: (config) =>
      config["enable-tcx"] === undefined ? undefined : isOn(config["enable-tcx"]) ? "tcx" : "tc",
    reported: (status) => {
      const mode = textAt(status, "attach-mode");
      return mode === undefined ? undefined : /tcx/i.test(mode) ? "tcx" : "tc";
    },
    observed: attachment,
    // the chart's default, which older kernels (before 6.6) do not have
    isSame: (left, right) => left === right || (left === "tcx" && right === "tc"),
    isShown: (left, right) => left === right,
    log: /TCX/i,
  },
  {
    id: "xdp",
    title: "XDP acceleration",
    shows: /"mode":|xdp/,
    configured: (config) => config["bpf-lb-acceleration"] ?? config["node-port-acceleration"] ?? "disabled",
    reported: (status, config) =>
      servesNodePorts(config) ? textAt(status, `${NODE_PORT}.acceleration`)?.toLowerCase() : undefined,
    observed: xdp,
    isSame: (left, right) =>
      left === right ||
      (left === "best-effort" && right === "native") ||
      (left === "testing-only" && right === "generic"),
    log: /XDP/i,
  },
  {
    id: "socket-lb",
    title: "Socket LB",
    shows: /sock4_/,
    configured: (config) => {
      if (!replaces(config) && !isOn(config["bpf-lb-sock"])) return "off";
      return isOn(config["bpf-lb-sock-hostns-only"]) ? "host namespace" : "everywhere";
    },
    reported: (status, config) => {
      const enabled = textAt(status, `${REPLACEMENT}.features.socketLB.enabled`);
      if (enabled === undefined && at(status, `${REPLACEMENT}.features`.split(".")) === undefined) return undefined;
      if (!isOn(enabled)) return "off";
      const only = textAt(status, `${REPLACEMENT}.features.bpfSocketLBHostnsOnly`);
      // agents before 1.14 do not tell
      const isOld = /^v?1\.1[23]\./.test(textAt(status, "cilium.msg") ?? "");
      return isOn(only ?? (isOld ? config["bpf-lb-sock-hostns-only"] : undefined)) ? "host namespace" : "everywhere";
    },
    observed: socketLb,
    isSame: (left, right) => left === right || (right === "on" && left !== "off"),
  },
  {
    id: "lb-mode",
    title: "Load balancer",
    configured: (config) =>
      servesNodePorts(config) ? (config["bpf-lb-mode"] ?? config["node-port-mode"] ?? "snat") : undefined,
    reported: (status, config) =>
      servesNodePorts(config) ? textAt(status, `${NODE_PORT}.mode`)?.toLowerCase() : undefined,
    observed: only("only a client outside the cluster shows it: cilium-modes verify, on kind"),
  },
  {
    id: "lb-algorithm",
    title: "Backend choice",
    configured: (config) =>
      servesNodePorts(config) ? (config["bpf-lb-algorithm"] ?? config["node-port-algorithm"] ?? "random") : undefined,
    reported: (status, config) =>
      servesNodePorts(config) ? textAt(status, `${NODE_PORT}.algorithm`)?.toLowerCase() : undefined,
    observed: only("only many connections from outside show it"),
  },
  {
    id: "devices",
    title: "Devices",
    shows: /from[_-]netdev/,
    configured: (config) => config["devices"]?.trim() || undefined,
    reported: (status) => {
      const list = at(status, [REPLACEMENT, "deviceList"]);
      return Array.isArray(list)
        ? (list as { name?: string }[])
            .map(({ name }) => name)
            .sort()
            .join(" ") || "none"
        : undefined;
    },
    observed: (node, _api, config) =>
      servesNodePorts(config)
        ? devicesWithPrograms(node)
        : new Hidden("Cilium serves no NodePorts, which need devices"),
    isSame: selects,
    isShown: (left, right) => left === right,
    isPerNode: true,
  },
  {
    id: "mtu",
    title: "MTU",
    shows: /"ifname":"(?!lo"|cilium_)/,
    configured: (config) => size(config["mtu"]),
    observed: mtu,
    isSame: (left, right) => left === right || right.startsWith(`${left} (`),
  },
  {
    id: "ip-families",
    title: "IP families",
    configured: (config) => families(config["enable-ipv4"] !== "false", isOn(config["enable-ipv6"])),
    reported: (status) => {
      const ipam = at(status, ["ipam"]) as { ipv4?: unknown; ipv6?: unknown } | undefined;
      return ipam === undefined ? undefined : families(Boolean(ipam.ipv4), Boolean(ipam.ipv6));
    },
    observed: only("addresses of IPv6 are not read"),
  },
  {
    id: "ipam",
    title: "IPAM",
    configured: (config) => config["ipam"],
    observed: only("agents do not report it"),
  },
  {
    id: "bandwidth-manager",
    title: "Bandwidth manager",
    shows: /^qdisc \S+ \S+ dev (?!lo |cilium_|lxc)/,
    configured: key("enable-bandwidth-manager"),
    reported: (status) =>
      at(status, ["bandwidth-manager"]) === undefined
        ? undefined
        : onOff(isOn(textAt(status, "bandwidth-manager.enabled"))),
    observed: (node, api) => {
      const out = deviceOut(node, api);
      return onOff(/^qdisc fq /m.test(linesOf(told(sectionOf(node, "qdiscs")), `dev ${out} `)));
    },
    // a system may have the same queues without the manager
    isShown: (left, right) => left === right || left === "off",
    log: /bandwidth/i,
  },
  {
    id: "big-tcp-v4",
    title: "BIG TCP (IPv4)",
    configured: key("enable-ipv4-big-tcp"),
    reported: (status) => big(status, "ipv4-big-tcp"),
    observed: only("iproute2 in agents does not show its size"),
  },
  {
    id: "big-tcp-v6",
    title: "BIG TCP (IPv6)",
    shows: /"ifname":"(?!lo"|cilium_|lxc)/,
    configured: key("enable-ipv6-big-tcp"),
    reported: (status) => big(status, "ipv6-big-tcp"),
    observed: bigTcp,
  },
  {
    id: "encryption",
    title: "Encryption",
    shows: /cilium_wg0|^src /,
    configured: encrypted,
    reported: (status) =>
      word({ disabled: "off", wireguard: "WireGuard", ipsec: "IPsec" }, textAt(status, "encryption.mode")),
    observed: (node, _api, config) => encryption(node, config),
  },
  {
    id: "host-firewall",
    title: "Host firewall",
    configured: key("enable-host-firewall"),
    reported: (status) => {
      const mode = textAt(status, "host-firewall.mode");
      return mode === undefined ? undefined : onOff(!/disabled/i.test(mode));
    },
    observed: only("only a refused connection shows it"),
  },
  {
    id: "egress-gateway",
    title: "Egress gateway",
    configured: key("enable-egress-gateway", "enable-ipv4-egress-gateway"),
    observed: only("only a policy's traffic shows it"),
  },
  {
    id: "l7-proxy",
    title: "L7 proxy",
    configured: (config) => {
      if (config["enable-l7-proxy"] === undefined) return undefined;
      if (!isOn(config["enable-l7-proxy"])) return "off";
      return isOn(config["external-envoy-proxy"]) ? "Envoy DaemonSet" : "Envoy in the agent";
    },
    observed: only("only a policy's traffic shows it"),
  },
];

function tunnelWord(way: string, config: Config): string {
  const protocol = networkOf(config);
  // agents report that there is a tunnel, and not which
  return protocol === "native" ? way.toLowerCase() : protocol;
}

const size = (value: string | undefined) => (value === undefined || value === "0" || value === "" ? undefined : value);
const families = (v4: boolean, v6: boolean) =>
  [...(v4 ? ["IPv4"] : []), ...(v6 ? ["IPv6"] : [])].join(" and ") || "none";
const big = (status: unknown, name: string) =>
  at(status, [name]) === undefined ? undefined : onOff(isOn(textAt(status, `${name}.enabled`)));

/** Whether patterns of devices, or their names, are those of the right side. */
function selects(left: string, right: string): boolean {
  if (left === right) return true;
  const patterns = left.split(/[ ,]+/).filter(Boolean);
  return right
    .split(" ")
    .every((device) =>
      patterns.some((each) => (each.endsWith("+") ? device.startsWith(each.slice(0, -1)) : each === device)),
    );
}
