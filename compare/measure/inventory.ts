import { z } from "zod";
import { askAgent, listAgents, saveRules, type Agent } from "../../cluster/agents";
import type { ClusterReader } from "../../cluster/read";
import { countOfNftables } from "../../datapath/checks/proxyRules";
import { parseServiceList } from "../../datapath/checks/serviceMap";
import type { Leg, Trace } from "../../datapath/trace/result";
import { datapathOptions } from "../../modes/datapathChoice";
import { pairText } from "../../modes/ipFamily";
import { choiceOf } from "../../settings/ciliumArgs";
import type { Settings } from "../../settings/parse";
import { isExternal } from "../../settings/release";
import { RULE_OWNERS, type NodeInventory, type RuleOwner, type TraceSummary } from "../results";

/** Read the inventory of every node from its agent. @throws Error if there are no agents, or one does not answer */
export async function readNodes(cluster: ClusterReader): Promise<NodeInventory[]> {
  const agents = await listAgents(cluster);
  if (agents.length === 0) throw new Error("The cluster has no Cilium agents");
  return Promise.all(agents.map((agent) => readNode(cluster, agent)));
}

async function readNode(cluster: ClusterReader, agent: Agent): Promise<NodeInventory> {
  const ask = async (...command: string[]): Promise<string> => {
    const answer = await askAgent(cluster, agent, command);
    if (answer instanceof Error) throw new Error(`${agent.node} cannot be read: ${answer.message}`);
    return answer;
  };
  const [rules, services, interfaces, tables] = await Promise.all([
    ask("sh", "-c", saveRules()),
    ask("cilium", "service", "list"),
    ask("sh", "-c", LIST_INTERFACES),
    // old node images have no nft
    cluster.onNode?.(agent.node, ["nft", "list", "tables"]).catch(() => undefined),
  ]);
  const own = /^table ip kube-proxy$/m.test(tables ?? "") ? await kubeProxyTable(cluster, agent.node) : undefined;
  const types: Record<string, number> = {};
  for (const { type } of parseServiceList(services)) types[type] = (types[type] ?? 0) + 1;
  return {
    node: agent.node,
    iptables: rulesByOwner(rules),
    ...(tables === undefined ? {} : { nftables: nftablesOf(tables) }),
    ...(own === undefined ? {} : { kubeProxyNftables: countOfNftables(own) }),
    services: types,
    interfaces: parseInterfaces(interfaces),
  };
}

/** What kube-proxy has in nftables on a node; undefined if that cannot be read. */
export async function kubeProxyTable({ onNode }: ClusterReader, node: string): Promise<string | undefined> {
  return onNode?.(node, ["nft", "-s", "list", "table", "ip", "kube-proxy"]).catch(() => undefined);
}

/** iptables' own tables, whose rules are counted from iptables-save. */
const OF_IPTABLES = /^ip6? (?:nat|filter|mangle|raw|security)$/;

function nftablesOf(list: string): string[] {
  const names = [...list.matchAll(/^table (\S+ \S+)/gm)].map(([, name]) => name!);
  return names.filter((name) => !OF_IPTABLES.test(name)).sort();
}

/** Shell command for an agent: its node's interfaces and queueing disciplines. */
const LIST_INTERFACES = "ip -j link && { tc qdisc show 2>/dev/null || true; }";

const Links = z.array(z.object({ ifname: z.string(), qdisc: z.string().default("none") }));

/** Parse the output of {@link LIST_INTERFACES}, sorted by name. @throws Error for other output */
export function parseInterfaces(output: string): NodeInventory["interfaces"] {
  const [links = "", ...lines] = output.split("\n");
  const queues = lines.flatMap((line) => parseQueue(line) ?? []);
  const counts = new Map<string, { name: string; count: number; queueing: string }>();
  for (const { ifname, qdisc } of Links.parse(JSON.parse(links))) {
    const name = ifname.replace(VETH, "$1*");
    const own = queues.filter(({ device }) => device === ifname).map(({ text }) => text);
    const queueing = [...new Set(own.length === 0 ? [qdisc] : own)].join(", ");
    const known = counts.get(`${name} ${queueing}`);
    if (known === undefined) counts.set(`${name} ${queueing}`, { name, count: 1, queueing });
    else known.count += 1;
  }
  return [...counts.values()].sort((a, b) => a.name.localeCompare(b.name, "en") || b.count - a.count);
}

/** Pods' veths, which have random names. */
const VETH = /^(lxc|veth)[0-9a-f]+$/;

/** Disciplines that delay or limit packets, so that their parameters matter. */
const SLOWING = new Set(["netem", "tbf"]);

/** Hooks for programs, which do not queue. */
const HOOKS = new Set(["clsact", "ingress"]);

function parseQueue(line: string): { device: string; text: string } | undefined {
  const [, kind, device, rest] = /^qdisc (\S+) \S+ dev (\S+) (?:root|parent \S+)(.*)$/.exec(line) ?? [];
  if (kind === undefined || HOOKS.has(kind)) return undefined;
  const parameters = rest!.replace(/ (?:refcnt|limit|seed) \S+/g, "").trim();
  return { device: device!, text: SLOWING.has(kind) ? `${kind} ${parameters}` : kind };
}

/** Chains and rules by owner. */
export type RulesByOwner = Record<RuleOwner, { chains: number; rules: number }>;

/**
 * Count the chains and rules in the output of `iptables-save`. A rule belongs to its chain's owner; in a built-in chain,
 * to the owner of the chain that it jumps to.
 */
export function rulesByOwner(saved: string): RulesByOwner {
  const counts = Object.fromEntries(RULE_OWNERS.map((owner) => [owner, { chains: 0, rules: 0 }])) as RulesByOwner;
  const hasKubeProxy = KUBE_PROXY_RUNS.test(saved);
  for (const line of saved.split("\n")) {
    const created = /^:(\S+) - /.exec(line)?.[1];
    if (created !== undefined) counts[ownerOf(created, hasKubeProxy)].chains += 1;
    const chain = /^-A (\S+)/.exec(line)?.[1];
    if (chain !== undefined) counts[ownerOf(BUILT_IN.test(chain) ? targetOf(line) : chain, hasKubeProxy)].rules += 1;
  }
  return counts;
}

const BUILT_IN = /^(?:PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING)$/;
const KUBELETS = /^KUBE-(?:FIREWALL|KUBELET-CANARY|IPTABLES-HINT|MARK-DROP)$/;

/** Kubelets before 1.28 create these too, also without kube-proxy. */
const SHARED = /^KUBE-(?:MARK-MASQ|POSTROUTING)$/;
const KUBE_PROXY_RUNS = /^:KUBE-(?:SERVICES|PROXY-CANARY) /m;

function ownerOf(chain: string, hasKubeProxy: boolean): RuleOwner {
  if (/^(?:OLD_)?CILIUM_/.test(chain)) return "Cilium";
  if (KUBELETS.test(chain) || (SHARED.test(chain) && !hasKubeProxy)) return "kubelet";
  return chain.startsWith("KUBE-") ? "kube-proxy" : "others";
}

/** The target of a rule; comments can contain anything. */
function targetOf(rule: string): string {
  return / -[jg] (\S+)/.exec(rule.replace(/"(?:[^"\\]|\\.)*"/g, '""'))?.[1] ?? "";
}

/** The settings that define a cluster, by their names in the stack file; of Helm values only the names, since values can be secret. */
export function settingsOf(settings: Settings): Record<string, string> {
  const { kubeProxyReplacement, kubeProxy, bpf, tunnel, cluster, cilium, podNetworks, ipv6 } = settings;
  const values = leafPaths(cilium.values);
  return {
    kubeProxyReplacement: String(kubeProxyReplacement),
    ...(kubeProxy.mode === undefined ? {} : { "kubeProxy.mode": kubeProxy.mode }),
    "bpf.masquerade": String(bpf.masquerade),
    tunnel,
    "cilium.version": cilium.version,
    ...(tunnel === "disabled"
      ? {
          "cilium.autoDirectNodeRoutes": String(cilium.autoDirectNodeRoutes ?? true),
          "cilium.nativeRoutingCIDR": pairText(cilium.nativeRoutingCIDR, ipv6?.nativeRoutingCIDR),
        }
      : {}),
    ...(values.length === 0 ? {} : { "cilium.values": values.join(", ") }),
    ...Object.fromEntries(datapathOptions(choiceOf(settings)).map(({ path, value }) => [path, String(value)])),
    ...(podNetworks.ipam === undefined ? {} : { "cilium.ipam.mode": podNetworks.ipam }),
    ...(podNetworks.podCidr === undefined && isExternal(cluster)
      ? {}
      : { "cluster.podCidr": pairText(cluster.podCidr, ipv6?.podCidr) }),
    ...(ipv6 === undefined ? {} : { "cluster.ipFamily": "dual" }),
    ...(isExternal(cluster)
      ? {}
      : {
          "cluster.nodeImage": cluster.nodeImage,
          "cluster.serviceCidr": pairText(cluster.serviceCidr, ipv6?.serviceCidr),
          "cluster.workers": String(cluster.workers),
        }),
  };
}

function leafPaths(value: object, above = ""): string[] {
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? leafPaths(inner, `${above}${key}.`)
      : [above + key],
  );
}

/** Summarize a trace without names, which differ between clusters. */
export function summarizeTrace({ scenario, verdict, legs, nodes }: Trace): TraceSummary {
  const hopsOf = (wanted: Leg["name"]) => legs.find(({ name }) => name === wanted)?.hops ?? [];
  const stationsOf = (wanted: Leg["name"]) =>
    hopsOf(wanted).map(({ station, direction }) => `${station.role}${direction === "out" ? ">" : "<"}`);
  const rewrites = hopsOf("request").flatMap(({ rewritten }) => rewritten.map(({ field, by }) => `${field} by ${by}`));
  const ttl = hopsOf("request").at(-1)?.ttl;
  const netfilter = nodes.some((node) => node.netfilter === true)
    ? true
    : nodes.every((node) => node.netfilter === false)
      ? false
      : undefined;
  return {
    scenario,
    verdict,
    request: stationsOf("request"),
    reply: stationsOf("reply"),
    rewrites: [...new Set(rewrites)],
    ...(ttl === undefined ? {} : { ttl }),
    ...(netfilter === undefined ? {} : { netfilter }),
  };
}
