import { askedOnce } from "../../cluster/askedOnce";
import { CONFIG_MAP } from "../../cluster/agents";
import type { EvidenceCluster } from "../../cluster/read";
import { has } from "../../modes/ciliumVersion";
import { ALL_MODES, MODE_CONTRACTS, type RoutingMode } from "../../modes/contract";
import { DEFAULTS } from "../../modes/defaults";
import { WORKLOAD } from "../../modes/workload";
import { firstOf } from "../checks/check";
import { flat } from "../checks/config";
import { odd } from "../checks/nodes";
import { differingKeys } from "../checks/agents";
import { readFallbacks, WAITS } from "../checks/status";
import { readCiliumApi, valueOf, type ApiEvidence } from "../evidence/api";
import type { KeptEvidence } from "../verify";
import { askEach, gather, survey, type At, type Evidence, type Part } from "../evidence/gather";
import { MAP_COMMANDS, NODE_COMMANDS, readNode, sectionOf, type NodeEvidence } from "../evidence/node";
import { DIMENSIONS } from "./dimensions/all";
import { Hidden, type Dimension } from "./dimensions/dimension";
import { FALLBACKS } from "./fallbacks";
import { inUsualNamespace, layoutOf, USUAL_LAYOUT, type Layout } from "./layout";
import { ROW_VERDICTS, type Inspection, type ModeFound, type NodeRow, type Row, type RowVerdict } from "./inspection";
import { KUBE_PROXY_ROW, OWN_ROWS } from "./ownRows";
import { viewOf, type View } from "./view";

export interface InspectOptions {
  /** A larger cluster is sampled. */
  readonly maxNodes?: number | undefined;
  /** Send traffic from this project's workload, which must be there. Default: false. */
  readonly probe?: boolean | undefined;
  /** Called when something else is being looked at. */
  readonly at?: At | undefined;
  /** Called with what was read, for all checks. Default: only what an inspection needs is read, and no node's is kept. */
  readonly keep?: ((evidence: KeptEvidence) => void) | undefined;
}

/** Look at a running cluster, without a change in it and without traffic. */
export async function inspect(
  cluster: EvidenceCluster,
  { maxNodes = DEFAULTS.verifyNodes, probe = false, at, keep }: InspectOptions = {},
): Promise<Inspection> {
  const start = Date.now();
  const times = () => ({
    readAt: new Date(cluster.now()).toISOString(),
    seconds: Math.round((Date.now() - start) / 100) / 10,
  });
  if (!probe && keep === undefined) return concluded(await judgeEach(cluster, maxNodes, at), times());
  const once = askedOnce(cluster);
  const layout = await layoutOf(once);
  const asking = inUsualNamespace(once, layout);
  const nodePort = probe ? await workloadPort(asking) : undefined;
  const parts = new Set<Part>(["nodes", "maps", ...(probe ? (["traffic"] as const) : [])]);
  const evidence = await gather(asking, { nodePort }, { parts, maxNodes, quick: true }, at);
  at?.("the agents' logs");
  const logs = Object.fromEntries(await readFallbacks(asking, evidence.nodes.flatMap(agentOn)));
  const read: KeptEvidence = { evidence, layout, logs, ...times() };
  keep?.(read);
  return judgeInspection(read);
}

/** The agent that answered for a node. */
const agentOn = ({ node, agent }: NodeEvidence) => (agent === undefined ? [] : [{ node, pod: agent }]);

/** The sections of a node that an inspection reads. */
const INSPECTED = [
  ...([
    "config",
    "arguments",
    "status",
    "links",
    "addresses",
    "xfrm",
    "rules",
    "routes",
    "qdiscs",
    "kubeProxy",
  ] as const),
  ...(["network", "tcx", "cgroups", "iptables", "endpointMap"] as const),
];

/** Where Cilium runs, and the nodes to look at. The API server's objects are forgotten when it returns. */
async function surveyCilium(cluster: EvidenceCluster, maxNodes: number) {
  const once = askedOnce(cluster);
  const layout = await layoutOf(once);
  return { layout, ...(await survey(inUsualNamespace(once, layout), maxNodes, readCiliumApi)) };
}

/** Read and judge one node after the other, so that memory holds the answers of few nodes. */
async function judgeEach(cluster: EvidenceCluster, maxNodes: number, at: At = () => undefined): Promise<Judged> {
  at("the API server");
  const { layout, api, nodes, agentOf } = await surveyCilium(cluster, maxNodes);
  const commands = {
    ...Object.fromEntries(INSPECTED.map((section) => [section, NODE_COMMANDS[section]])),
    ...MAP_COMMANDS,
  };
  const asking = inUsualNamespace(cluster, layout);
  const judge = judgeIn({ api, nodes: [], before: [], between: [], after: [] }, layout);
  const kept = textKeeper();
  const read = async (node: string): Promise<JudgedNode> => {
    const evidence = await readNode(asking, node, agentOf(node), { commands, destinations: [] });
    const logs = await readFallbacks(asking, agentOn(evidence));
    return keptWith(kept, judge(evidence, logs.get(node)));
  };
  return { api, layout, nodes: await askEach(nodes, read, (count) => at("nodes", count)) };
}

/** Keeps each different text once, in a copy: a part of an agent's answer would keep the whole answer in memory. */
function textKeeper(): (text: string) => string {
  const known = new Map<string, string>();
  return (text) => {
    const own = known.get(text) ?? Buffer.from(text).toString();
    known.set(own, own);
    return own;
  };
}

function keptWith(kept: (text: string) => string, { node, error, replacement, rows }: JudgedNode): JudgedNode {
  const each = (row: NodeRow) =>
    Object.fromEntries(
      Object.entries(row).map(([name, text]: [string, string | undefined]) => [name, text && kept(text)]),
    );
  return {
    ...{ node, error: error && kept(error), replacement: replacement && kept(replacement) },
    rows: rows.map((row) => ({ ...row, nodes: row.nodes.map((own) => each(own) as unknown as NodeRow) })),
  };
}

/** The NodePort of this project's workload. @throws Error where it is not there */
async function workloadPort(cluster: EvidenceCluster): Promise<number> {
  const service = await cluster.service(WORKLOAD.namespace, WORKLOAD.service);
  const port = service?.spec?.ports?.[0]?.nodePort;
  if (port === undefined)
    throw new Error(
      "The cluster has no workload of this project to send traffic from; verify --with-workload brings one",
    );
  return port;
}

/** Judge what was read of a cluster. @throws Error if no node, or no agent, answered */
export function judgeInspection({ evidence, layout = USUAL_LAYOUT, logs, readAt, seconds }: KeptEvidence): Inspection {
  const judge = judgeIn(evidence, layout);
  const nodes = evidence.nodes.map((node) => judge(node, logs[node.node]));
  return concluded({ api: evidence.api, layout, nodes }, { readAt, seconds });
}

/** What is said of a cluster's nodes, each by itself. */
interface Judged {
  readonly api: ApiEvidence;
  readonly layout: Layout;
  readonly nodes: readonly JudgedNode[];
}

interface JudgedNode {
  readonly node: string;
  /** Why it did not answer. */
  readonly error?: string | undefined;
  /** Its `kube-proxy-replacement`. */
  readonly replacement?: string | undefined;
  /** The matrix of this node alone. */
  readonly rows: readonly Row[];
}

/** Judges nodes, which need not be in the evidence of the cluster. */
function judgeIn(whole: Evidence, layout: Layout): (node: NodeEvidence, log?: readonly string[]) => JudgedNode {
  const { api } = whole;
  return (node, log = []) => {
    const view = viewOf(node, whole, log);
    const seen = [view];
    return {
      node: node.node,
      error: node.error,
      replacement: (view.own ?? view.current)?.["kube-proxy-replacement"],
      rows: [
        versionRow(seen),
        ...DIMENSIONS.map((dimension) => rowOf(dimension, seen, whole)),
        ...OWN_ROWS.map(({ id, title, judge }) => rowWith(id, title, [judge(view, api)])),
        configurationRow(seen, api, layout),
      ],
    };
  };
}

/** Rows in which nodes that differ are a drift. */
const ALIKE = new Set([
  "version",
  KUBE_PROXY_ROW,
  ...DIMENSIONS.flatMap(({ id, isPerNode }) => (isPerNode === true ? [] : [id])),
]);

const isTold = ({ reported, observed }: NodeRow) => (reported ?? observed) !== undefined;

/** What is said of the cluster. @throws Error if no node could be read, or neither an agent nor the configuration */
function concluded(
  { api, layout, nodes }: Judged,
  { readAt, seconds }: Pick<KeptEvidence, "readAt" | "seconds">,
): Inspection {
  if (nodes.length === 0)
    throw new Error(`No node could be read: ${"error" in api.nodes ? api.nodes.error : "the cluster has none"}`);
  if (nodes.every(({ error }) => error !== undefined) && "error" in api.config)
    throw new Error(`No agent of Cilium answered: ${nodes[0]!.error}`);
  const all = nodes[0]!.rows.map(({ id, title }, index) => {
    const found = nodes.flatMap((node) => node.rows[index]!.nodes);
    return rowWith(id, title, ALIKE.has(id) ? withDrift(found) : found);
  });
  // nothing is said of a kube-proxy that does not run
  const rows = all.filter(({ id, nodes: said }) => id !== KUBE_PROXY_ROW || said.some(isTold));
  return {
    schemaVersion: 1,
    mode: modeOf(rows, nodes),
    rows,
    layout,
    silent: Object.fromEntries(nodes.flatMap(({ node, error }) => (error === undefined ? [] : [[node, error]]))),
    nodes: { looked: nodes.length, all: valueOf<readonly unknown[], readonly unknown[]>(api.nodes, nodes).length },
    seconds,
    inspectedAt: readAt,
  };
}

const isEqual = (left: string, right: string) => left === right;
const worst = (verdicts: readonly RowVerdict[]) =>
  ROW_VERDICTS[Math.max(...verdicts.map((each) => ROW_VERDICTS.indexOf(each)))]!;

function rowOf(dimension: Dimension, views: readonly View[], whole: Evidence): Row {
  const { id, title } = dimension;
  return rowWith(
    id,
    title,
    views.map((view) => judgeNode(dimension, view, whole)),
  );
}

const rowWith = (id: string, title: string, nodes: readonly NodeRow[]): Row => ({
  id,
  title,
  verdict: worst(nodes.map(({ verdict }) => verdict)),
  nodes,
});

function judgeNode(dimension: Dimension, view: View, whole: Evidence): NodeRow {
  const { configured, reported, observed, isSame = isEqual, isShown = isSame } = dimension;
  const { node, own, current, requested, status, evidence } = view;
  const { api } = whole;
  const config = own ?? current;
  const asked = requestedIn(dimension, view);
  const now = current && configured?.(current);
  const effective = config && configured?.(config);
  const said = status === undefined ? undefined : reported?.(status, config ?? {});
  const shown = config === undefined ? undefined : whatIsSeen(() => observed?.(evidence, api, config, whole));
  const hidden = shown instanceof Hidden ? shown.why : undefined;
  const seen = shown instanceof Hidden ? undefined : shown;
  const row = { node, requested: asked, configured: effective, reported: said, observed: seen };
  if (said !== undefined && seen !== undefined && !isShown(said, seen, config ?? {})) {
    const fallback = fallbackOf(dimension.id, said, seen, view);
    return {
      ...row,
      verdict: fallback === undefined ? "contradiction" : "fallback",
      reason: fallback ?? `the agent reports ${said}, and the datapath has ${seen}`,
    };
  }
  if (said === undefined && effective !== undefined && seen !== undefined && !isShown(effective, seen, config ?? {})) {
    return {
      ...row,
      verdict: "contradiction",
      reason:
        fallbackOf(dimension.id, effective, seen, view) ?? `configured is ${effective}, and the datapath has ${seen}`,
    };
  }
  const runs = said ?? seen;
  if (effective !== undefined && said !== undefined && !isSame(effective, said)) {
    const line = view.log.find((each) => dimension.log?.test(each));
    const log = line === undefined ? "" : `; its log says ${JSON.stringify(line)}`;
    const known = fallbackOf(dimension.id, effective, said, view);
    return {
      ...row,
      verdict: "fallback",
      reason: `${known ?? `configured is ${effective}, and the agent runs with ${said}`}${log}`,
    };
  }
  if (
    (now !== undefined || isAdded(dimension, view)) &&
    effective !== undefined &&
    own !== undefined &&
    now !== effective
  )
    return { ...row, verdict: "drift", reason: overriddenBy(dimension, view, api, now) };
  if (asked !== undefined && now !== undefined && asked !== now) {
    // without Helm's record, only its values are known
    if (requested === undefined || configured?.(requested) === now) {
      const known = fallbackOf(dimension.id, asked, runs ?? now, view);
      return {
        ...row,
        verdict: "fallback",
        reason: known ?? `the values ask for ${asked}, and the chart rendered ${now}`,
      };
    }
    return {
      ...row,
      verdict: "drift",
      reason: `Helm rendered ${asked}, and ${CONFIG_MAP} was changed since${changeOf(dimension, view, api)}`,
    };
  }
  if (seen !== undefined) return { ...row, verdict: "in force" };
  // what is off, and reported so, needs no proof
  const isTold = said !== undefined || evidence.error === undefined;
  if (isTold && effective !== undefined && /^(?:off|disabled)$/.test(effective)) return { ...row, verdict: "in force" };
  const silent = evidence.error ?? "the node did not tell";
  return { ...row, verdict: "not observable", reason: hidden ?? silent };
}

/** Whether a value that the ConfigMap does not give is an override, and not a default or an argument that Helm rendered. */
function isAdded({ configured }: Dimension, view: View): boolean {
  const { own, current, overrides, renderedArguments, nodeConfigs, evidence } = view;
  if (own === undefined || current === undefined) return false;
  const decides = (keys: readonly string[]) =>
    keys.some((key) => configured?.({ ...own, [key]: current[key] }) !== configured?.(own));
  if (decides(Object.keys(renderedArguments).filter((key) => renderedArguments[key] === overrides[key]))) return false;
  const given = [overrides, ...nodeConfigs.map(({ defaults }) => defaults)].flatMap((each) => Object.keys(each));
  return evidence.isDump !== true || decides(given);
}

/** What is observed; what could not be read is hidden. */
export function whatIsSeen(observe: () => string | Hidden | undefined): string | Hidden | undefined {
  try {
    return observe();
  } catch (error) {
    return new Hidden((error as Error).message);
  }
}

/** What was requested: by a value of the user's own where the chart renders it without a trace, or else as it was rendered. */
export function requestedIn({ id, configured }: Dimension, { requested, values }: View): string | undefined {
  if (id === "socket-lb" && values["socketLB.enabled"] === "false") return "off";
  return requested && configured?.(requested);
}

function fallbackOf(row: string, from: string, to: string, { own = {}, version }: View): string | undefined {
  const known = FALLBACKS.find(
    (each) =>
      each.row === row &&
      each.from.test(from) &&
      each.to.test(to) &&
      (each.when?.(own) ?? true) &&
      (each.gone === undefined || version === "" || !has(each.gone, version)),
  );
  return known && `${known.reason} (${known.source})`;
}

/** Why an agent has another configuration than the ConfigMap. */
function overriddenBy({ configured }: Dimension, view: View, api: ApiEvidence, now: string | undefined): string {
  const { own = {}, current = {}, overrides, nodeConfigs } = view;
  const changed = differingKeys(own, current);
  // the keys without which the dimension would be the same
  const keys = changed.filter((key) => configured?.({ ...own, [key]: current[key] }) !== configured?.(own));
  const argument = keys.find((key) => key in overrides);
  if (argument !== undefined) return `the agent's argument or variable for ${argument} overrides ${CONFIG_MAP}`;
  const by = nodeConfigs.find(({ defaults }) =>
    keys.some((key) => key in defaults && flat(defaults[key]) === flat(own[key])),
  );
  if (by !== undefined) return `CiliumNodeConfig ${by.name} sets ${keys.join(", ")} here`;
  const asks = now === undefined ? `does not set ${keys.join(", ")}` : `asks for ${now}`;
  return isWritten(view, api, keys)
    ? `${CONFIG_MAP} ${asks} now${writerOf(api, keys)}; the agent started before, and must restart to read it`
    : `${CONFIG_MAP} ${asks}; ${GONE}, and must restart`;
}

/** Where an agent has a value from that no object has. */
const GONE = "the agent read another value when it started, of a CiliumNodeConfig or a key that is gone";

/** The ConfigMap's managedFields have the keys that somebody wrote last, and none that somebody removed. */
const UNRECORDED = "nothing records who removed keys";

/** Who changed the ConfigMap since Helm rendered it, as far as a dimension depends on it. */
function changeOf({ configured }: Dimension, { requested = {}, current = {} }: View, api: ApiEvidence): string {
  const keys = differingKeys(requested, current).filter(
    (key) => configured?.({ ...current, [key]: requested[key] }) !== configured?.(current),
  );
  const gone = keys.filter((key) => current[key] === undefined);
  if (gone.length > 0) return `: ${gone.join(", ")} is gone, and ${UNRECORDED}`;
  return keys.length === 0 ? "" : writerOf(api, keys);
}

/** Whether one of some keys was written after the agent read them. */
function isWritten({ configuredAt }: View, api: ApiEvidence, keys: readonly string[]): boolean {
  const writer = lastWriterOf(api, keys);
  return writer !== undefined && (configuredAt === undefined || writer.time > configuredAt);
}

/** Who wrote some keys last. */
function lastWriterOf(api: ApiEvidence, keys: readonly string[]) {
  const writers = valueOf(api.config, undefined)?.writers ?? [];
  return keys.length === 0 ? writers[0] : writers.find((each) => keys.some((key) => each.keys.includes(key)));
}

function writerOf(api: ApiEvidence, keys: readonly string[] = []): string {
  const writer = lastWriterOf(api, keys);
  return writer === undefined ? "" : ` (written by ${writer.manager} at ${writer.time})`;
}

/** Nodes that differ from most others, where neither they nor all of those have a reason of their own. */
function withDrift(rows: readonly NodeRow[]): NodeRow[] {
  const isExplained = ({ verdict }: NodeRow) => verdict !== "in force" && verdict !== "not observable";
  const drifts = (["reported", "observed"] as const).flatMap((column) =>
    odd(rows, (row) => row[column]).filter(({ own }) => {
      const others = rows.filter((row) => row[column] !== undefined && row[column] !== own);
      return !others.every(isExplained);
    }),
  );
  return rows.map((row) => {
    const drift = drifts.findLast(({ node }) => node === row.node);
    if (drift === undefined || isExplained(row)) return row;
    const others = drift.isTie ? "the other node" : "most nodes";
    return { ...row, verdict: "drift", reason: `${drift.own} here, ${drift.most} on ${others}` };
  });
}

function versionRow(views: readonly View[]): Row {
  const nodes = views.map((view): NodeRow => {
    const { node, image, renderedImage, template, version, evidence } = view;
    const requested = shortImage(renderedImage);
    const configured = shortImage(image);
    const row = { node, requested, configured, reported: version === "" ? undefined : version };
    const newer = shortImage(template?.image);
    if (newer !== undefined && configured !== undefined && newer !== configured) {
      const reason = `the DaemonSet asks for ${newer} now, and has not replaced this pod: ${strategyOf(view)}`;
      return { ...row, verdict: "drift", reason };
    }
    if (requested !== undefined && configured !== undefined && requested !== configured) {
      const since = "the DaemonSet was changed since";
      const reason = `Helm rendered ${requested}; ${since}${newer === undefined ? ", or has not replaced this pod" : ""}`;
      return { ...row, verdict: "drift", reason };
    }
    if (version !== "") return { ...row, verdict: "in force" };
    const reason = evidence.error ?? waiting(view) ?? unsaid(view) ?? `no version from ${image ?? "an agent"}`;
    return { ...row, verdict: "not observable", reason };
  });
  return rowWith("version", "Cilium", nodes);
}

/** Why a DaemonSet has not replaced a pod yet. */
const strategyOf = ({ template }: View) =>
  template?.strategy === "OnDelete"
    ? "its updateStrategy OnDelete waits until the pod is deleted"
    : "its rollout is not complete";

/** An image without its registry and digest: a mirror may have another one. */
const shortImage = (image: string | undefined) => image?.replace(/@.*$/, "").split("/").at(-1);

/** For what an agent waits that has no status yet. */
function waiting({ log }: View): string | undefined {
  const line = log.find((each) => each.startsWith(WAITS));
  return line === undefined ? undefined : `${line}; Cilium's operator registers them`;
}

/** Why an agent that runs has no status. */
function unsaid({ evidence }: View): string | undefined {
  const status = sectionOf(evidence, "status");
  return status instanceof Error ? status.message : undefined;
}

/** How an agent's arguments differ from those that its DaemonSet asks for now; undefined where they do not. */
function olderArguments(view: View): string | undefined {
  const { args, template } = view;
  if (args === undefined || template === undefined) return undefined;
  const added = template.args.filter((each) => !args.includes(each));
  const gone = args.filter((each) => !template.args.includes(each));
  if (added.length + gone.length === 0) return undefined;
  const changes = [
    ...(added.length === 0 ? [] : [`has ${firstOf(added, 3)}`]),
    ...(gone.length === 0 ? [] : [`no longer has ${firstOf(gone, 3)}`]),
  ];
  return `the DaemonSet's template ${changes.join(" and ")}, and this pod is older: ${strategyOf(view)}`;
}

/** When the ConfigMap was written, and when each agent read it. */
function configurationRow(views: readonly View[], api: ApiEvidence, layout: Layout): Row {
  const { namespace, daemonSet } = layout;
  const written = valueOf(api.config, undefined)?.writers[0];
  const nodes = views.map((view): NodeRow => {
    const { node, own, current, configuredAt, evidence, overrides, isLive, nodeConfigs, template } = view;
    const row = { node, configured: written && minute(written.time), reported: "read" };
    const older = olderArguments(view);
    const restarting =
      template?.strategy === "OnDelete"
        ? `restart it: kubectl -n ${namespace} delete pod ${evidence.agent}`
        : `restart it: kubectl -n ${namespace} rollout restart daemonset/${daemonSet}`;
    if (own === undefined || current === undefined) {
      const files = sectionOf(evidence, "config");
      const unread = files instanceof Error ? files.message : "the agent's copy could not be read";
      return { ...row, verdict: "not observable", reason: "error" in api.config ? api.config.error : unread };
    }
    // agents of 1.12 see the ConfigMap's changes at once, and still run with what they read
    if (isLive && written !== undefined && configuredAt !== undefined && written.time > configuredAt) {
      const newer = `${CONFIG_MAP} was written after the agent started${writerOf(api)}`;
      const reason = [...(older === undefined ? [] : [older]), newer, restarting].join("; ");
      return { ...row, reported: `read ${minute(configuredAt)}`, verdict: "drift", reason };
    }
    const isUnlike = (key: string, value: string | undefined) =>
      !(key in overrides) && flat(own[key]) !== flat(value) && (evidence.isDump !== true || own[key] !== undefined);
    const named = nodeConfigs.flatMap(({ defaults }) => Object.keys(defaults));
    const changed = Object.keys(evidence.isDump === true ? current : { ...current, ...own }).filter(
      (key) => !named.includes(key) && isUnlike(key, current[key]),
    );
    // of several that set a key, one wins
    const pending = [...new Set(named)].filter((key) =>
      nodeConfigs.every(
        ({ defaults, nodes }) => nodes !== undefined && (!(key in defaults) || isUnlike(key, defaults[key])),
      ),
    );
    if (changed.length + pending.length === 0 && older === undefined) return { ...row, verdict: "in force" };
    const by = nodeConfigs.flatMap(({ name, defaults }) => (pending.some((key) => key in defaults) ? [name] : []));
    const gone = changed.filter((key) => current[key] === undefined);
    const others = changed.filter((key) => current[key] !== undefined);
    const reasons = [
      ...(older === undefined ? [] : [older]),
      ...(pending.length === 0
        ? []
        : [`CiliumNodeConfig ${by.join(", ")} is newer than the agent in ${firstOf(pending, 4)}`]),
      ...(others.length === 0
        ? []
        : isWritten(view, api, others)
          ? [`${CONFIG_MAP} is newer than the agent in ${firstOf(others, 4)}${writerOf(api, others)}`]
          : [`${CONFIG_MAP} differs in ${firstOf(others, 4)}: ${GONE}`]),
      ...(gone.length === 0
        ? []
        : [`the agent has ${firstOf(gone, 4)} of a CiliumNodeConfig or ${CONFIG_MAP}, and ${UNRECORDED}`]),
    ];
    return {
      ...row,
      reported: configuredAt === undefined ? undefined : `read ${minute(configuredAt)}`,
      verdict: "drift",
      reason: `${reasons.join("; ")}; ${restarting}`,
    };
  });
  return rowWith("configuration", "Configuration", nodes);
}

/** An ISO time to the minute. */
const minute = (time: string) => time.slice(0, 16).replace("T", " ");

/** The rows that make a mode. */
const OF_MODE = { services: "services", "host-routing": "hostRouting", masquerading: "masquerading" } as const;

function modeOf(rows: readonly Row[], judged: readonly JudgedNode[]): ModeFound {
  const runs = (id: string) => {
    const nodes = rows.find((row) => row.id === id)?.nodes ?? [];
    const words = [...new Set(nodes.flatMap(({ observed, reported }) => observed ?? reported ?? []))];
    return words.length === 1 ? words[0] : undefined;
  };
  const word = judged.map(({ replacement }) => replacement).find(Boolean);
  const candidates = ALL_MODES.filter((mode) => {
    const { kubeProxyReplacement } = MODE_CONTRACTS[mode].switches;
    return ["partial", "probe"].includes(word ?? "")
      ? kubeProxyReplacement === word
      : typeof kubeProxyReplacement === "boolean";
  }).map((mode) => ({ mode, differences: differencesFrom(mode, runs) }));
  const nearest = candidates.reduce((best, each) => (each.differences.length < best.differences.length ? each : best));
  const network = runs("network");
  return nearest.differences.length === 0
    ? { name: nearest.mode, network, differences: [] }
    : { nearest: nearest.mode, network, differences: nearest.differences };
}

function differencesFrom(mode: RoutingMode, runs: (id: string) => string | undefined): string[] {
  const isShared = typeof MODE_CONTRACTS[mode].switches.kubeProxyReplacement === "string";
  return Object.entries(OF_MODE).flatMap(([id, property]) => {
    const wanted = MODE_CONTRACTS[mode][property];
    const own = runs(id);
    if (own === undefined) return [`${id} differs between nodes, or is unknown`];
    // kube-proxy may run beside Cilium
    const parts = own.toLowerCase().split(" and ");
    const isSame =
      parts.some((part) => part.replace(/ \(.*/, "") === wanted.toLowerCase()) && (parts.length === 1 || isShared);
    return isSame ? [] : [`${id} is ${own} instead of ${wanted}`];
  });
}
