import {
  RULE_OWNERS,
  type ComponentUse,
  type NodeInventory,
  type SeenClient,
  type Subject,
  type TraceSummary,
} from "../results";
import { numberText } from "./words";

/** One fact of every subject, as text. */
export interface DifferenceRow {
  readonly group:
    | "settings"
    | "cilium-config"
    | "rules"
    | "service map"
    | "interfaces"
    | "hops"
    | "outside"
    | "resources";
  readonly name: string;
  readonly cells: ReadonlyMap<string, string>;
  readonly differs: boolean;
}

/** Text of a missing fact. */
const MISSING = "–";

/** Usage differs if the largest exceeds the smallest by this factor, since it always varies. */
const RESOURCE_TOLERANCE = 1.1;

/** All facts of the subjects, side by side. */
export function differenceRows(subjects: readonly Subject[]): readonly DifferenceRow[] {
  return [
    ...keyRows("settings", subjects, ({ inventory }) => inventory.settings),
    ...keyRows("cilium-config", subjects, ({ inventory }) => inventory.config),
    ...keyRows("rules", subjects, ({ inventory }) => rulesText(inventory.nodes)),
    ...keyRows("service map", subjects, ({ inventory }) => servicesText(inventory.nodes)),
    ...keyRows("interfaces", subjects, ({ inventory }) => interfacesText(inventory.nodes)),
    ...keyRows("hops", subjects, ({ inventory }) => hopRows(inventory.walks)),
    ...keyRows("outside", subjects, ({ inventory }) => seenRows(inventory.outside)),
    ...resourceRows(subjects),
  ];
}

/** A row for each key of any subject, in the order of first appearance. */
function keyRows(
  group: DifferenceRow["group"],
  subjects: readonly Subject[],
  read: (subject: Subject) => Readonly<Record<string, string>>,
): DifferenceRow[] {
  const texts = subjects.map((subject) => [subject.name, read(subject)] as const);
  const names = [...new Set(texts.flatMap(([, text]) => Object.keys(text)))];
  return names.map((name) => {
    const cells = new Map(texts.map(([subject, text]) => [subject, text[name] ?? MISSING]));
    return { group, name, cells, differs: new Set(cells.values()).size > 1 };
  });
}

function rulesText(nodes: readonly NodeInventory[]): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const owner of RULE_OWNERS) {
    texts[`chains of ${owner}`] = sumText(nodes.map(({ iptables }) => iptables[owner].chains));
    texts[`rules of ${owner}`] = sumText(nodes.map(({ iptables }) => iptables[owner].rules));
  }
  const own = nodes.flatMap(({ kubeProxyNftables }) => kubeProxyNftables ?? []);
  if (own.length > 0) {
    texts["chains of kube-proxy in nftables"] = sumText(own.map(({ chains }) => chains));
    texts["rules of kube-proxy in nftables"] = sumText(own.map(({ rules }) => rules));
  }
  const tables = nodes.flatMap(({ nftables }) => (nftables === undefined ? [] : [nftables]));
  const names = [...new Set(tables.flat())].sort();
  texts["nftables tables"] = tables.length === 0 ? "not read" : names.join(", ") || "none";
  return texts;
}

function servicesText(nodes: readonly NodeInventory[]): Record<string, string> {
  const types = [...new Set(nodes.flatMap(({ services }) => Object.keys(services)))].sort();
  return Object.fromEntries(types.map((type) => [type, sumText(nodes.map(({ services }) => services[type] ?? 0))]));
}

function interfacesText(nodes: readonly NodeInventory[]): Record<string, string> {
  const names = [...new Set(nodes.flatMap(({ interfaces }) => interfaces.map(({ name }) => name)))];
  const queues = unusualQueues(nodes);
  return Object.fromEntries(
    names.map((name) => {
      const counts = nodes.map(({ interfaces }) => {
        const own = interfaces.filter((each) => each.name === name);
        return own.reduce((sum, { count }) => sum + count, 0);
      });
      const slow = queues.filter((each) => each.interface === name);
      return [name, [sumText(counts), ...slow.map(({ node, queueing }) => `${queueing} on ${node}`)].join("; ")];
    }),
  );
}

/** The sum over nodes, and the range per node. */
function sumText(counts: readonly number[]): string {
  const sum = counts.reduce((left, right) => left + right, 0);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  if (counts.length < 2 || sum === 0) return numberText(sum);
  return `${numberText(sum)} (${least === most ? numberText(least) : `${numberText(least)}–${numberText(most)}`} per node)`;
}

const USES = [
  { use: "memory", key: "memoryMiB", unit: "MiB" },
  { use: "CPU", key: "cpuMillis", unit: "millicores" },
] as const;

function resourceRows(subjects: readonly Subject[]): DifferenceRow[] {
  const components = new Set(subjects.flatMap(({ inventory }) => inventory.components.map((each) => each.component)));
  return [...components].sort().flatMap((component) =>
    USES.map(({ use, key, unit }): DifferenceRow => {
      const sums = subjects.map((subject) => [subject.name, totalUse(subject, component, key)] as const);
      const known = sums.flatMap(([, sum]) => (sum === undefined ? [] : [sum]));
      const differs = known.length < sums.length || Math.max(...known) > RESOURCE_TOLERANCE * Math.min(...known);
      const text = (sum: number | undefined) => (sum === undefined ? MISSING : `${numberText(sum)} ${unit}`);
      const cells = new Map(sums.map(([subject, sum]) => [subject, text(sum)]));
      return { group: "resources", name: `${use} of ${component}`, cells, differs };
    }),
  );
}

/** A component's usage on all nodes; undefined if it does not run. */
export function totalUse(
  { inventory }: Subject,
  component: ComponentUse["component"],
  key: "memoryMiB" | "cpuMillis",
): number | undefined {
  const uses = inventory.components.filter((each) => each.component === component);
  return uses.length === 0 ? undefined : uses.reduce((sum, use) => sum + use[key], 0);
}

/** Facts of each trace, by scenario. */
function hopRows(traces: readonly TraceSummary[]): Readonly<Record<string, string>> {
  const texts: Record<string, string> = {};
  for (const { scenario, verdict, request, reply, rewrites, ttl, netfilter } of traces) {
    texts[`${scenario}: stations`] = `${request.length} in the request, ${reply.length} in the reply`;
    texts[`${scenario}: request`] = request.join(" ") || "not seen";
    texts[`${scenario}: reply`] = reply.join(" ") || "not seen";
    texts[`${scenario}: rewrites`] = rewrites.join(", ") || "none";
    texts[`${scenario}: TTL at arrival`] = ttl === undefined ? "not seen" : String(ttl);
    texts[`${scenario}: netfilter`] = netfilter === undefined ? "unknown" : netfilter ? "yes" : "no";
    texts[`${scenario}: verdict`] = verdict;
  }
  return texts;
}

const ASKED: Readonly<Record<SeenClient["node"], string>> = { own: "the pod's node", other: "another node" };
const SEEN: Readonly<Record<SeenClient["address"], string>> = {
  client: "the client's own",
  node: "a node's",
  other: "neither the client's nor a node's",
};

/** Whose address a server sees of a client outside, by the NodePort that was asked. */
export function seenRows(outside: readonly SeenClient[] = []): Record<string, string> {
  return Object.fromEntries(
    outside.map(({ node, address }) => [`source of outside clients through ${ASKED[node]}`, SEEN[address]]),
  );
}

/** An interface with an unusual queueing discipline. */
export interface UnusualQueue {
  readonly node: string;
  readonly interface: string;
  /** Such as `netem delay 5ms`. */
  readonly queueing: string;
}

/** Defaults of kernels, distributions and Cilium's bandwidth manager. */
const USUAL = new Set(["none", "noqueue", "noop", "mq", "multiq", "fq", "fq_codel", "pfifo", "pfifo_fast", "cake"]);

/** Interfaces of nodes with disciplines that delay or limit packets. */
export function unusualQueues(nodes: readonly NodeInventory[]): readonly UnusualQueue[] {
  return nodes.flatMap(({ node, interfaces }) =>
    interfaces
      .filter(({ queueing }) => queueing.split(", ").some((each) => !USUAL.has(each.split(" ")[0]!)))
      .map(({ name, queueing }) => ({ node, interface: name, queueing })),
  );
}
