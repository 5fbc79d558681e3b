import type { V1ConfigMap, V1DaemonSet, V1Deployment, V1Node, V1Pod, V1Service } from "@kubernetes/client-node";
import { parse } from "yaml";
import { AGENT_CONTAINER, CILIUM_NAMESPACE } from "../../cluster/agents";
import { datapathValues } from "../../cluster/helmRecord";
import type { HelmValues } from "../../modes/ciliumValues";
import { fallbackLines } from "../checks/status";
import { readApi, valueOf, type ApiEvidence, type ApiReader } from "../evidence/api";
import type { NodeEvidence } from "../evidence/node";
import type { KeptEvidence } from "../verify";
import { isBugtoolFile, notInDump, readBugtool } from "./bugtool";

/** The files of a `cilium sysdump`, or of `cilium-bugtool`, wherever they are. */
export interface DumpFiles {
  /** With slashes, whatever the system. */
  readonly paths: readonly string[];
  /** A file's text, or its first bytes. */
  read(path: string, bytes?: number): Promise<string>;
}

/** Bytes of an agent's log that are read: an agent tells of a fallback when it starts. */
const LOG_BYTES = 4_000_000;

/** When cilium-cli started, in its own time zone: names of its files end so. */
const TIME = "(\\d{8}-\\d{6})";

/**
 * The objects that are read of a sysdump, each kind in a file of its own: cilium-cli/sysdump/constants.go. Endpoints are left
 * out: an inspection does not need them, and a large cluster has very many.
 */
const OBJECTS = [
  "k8s-nodes",
  "k8s-pods",
  "k8s-services",
  "k8s-networkpolicies",
  "k8s-leases",
  "ciliumnodes",
  "ciliumnodeconfigs",
  "ciliumnetworkpolicies",
  "ciliumclusterwidenetworkpolicies",
  "cilium-configmap",
  "cilium-daemonset",
  "cilium-helm-values",
  "cilium-operator-deployment",
];
const OBJECT_FILE = new RegExp(`(?:^|/)(${OBJECTS.join("|")})-${TIME}\\.yaml$`);
const LOG_FILE = new RegExp(`(?:^|/)logs-(.+)-${AGENT_CONTAINER}-${TIME}\\.log$`);
/** A file of a bugtool: where it is, and its name. */
const BUGTOOL_FILE = /^(?:(.*)\/)?cmd\/([^/]+)$/;
/** A bugtool's folder or archive: of a pod where cilium-cli fetched it. */
const BUGTOOL = /(?:^|\/)(cilium-bugtool-(?:([^/]+)-)?\d{8}-\d{6}[^/]*?)(?:\.tar|\.tar\.gz|\.tgz)?(?:\/|$)/;

/** Whether an inspection reads a file of a dump. */
export function isDumpFile(path: string): boolean {
  const file = BUGTOOL_FILE.exec(path)?.[2];
  return OBJECT_FILE.test(path) || LOG_FILE.test(path) || (file !== undefined && isBugtoolFile(file));
}

/** Read the evidence in a dump. What it lacks says so. @param at called when something else is being read */
export async function readSysdump(
  files: DumpFiles,
  at: (what: string) => void = () => undefined,
): Promise<KeptEvidence> {
  const start = Date.now();
  const agents = await agentsIn(files);
  const api = await readObjects(files, agents);
  const found = await readNodes(files, agents, at);
  const named = valueOf(api.nodes, []).map(({ name }) => name);
  const nodes = [...new Set([...named, ...found.map(({ node }) => node)])]
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }))
    .map(
      (node) =>
        found.find((each) => each.node === node) ?? {
          ...{ node, sections: {}, lookups: {} },
          error: `the bugtool of ${node} is not in this dump`,
        },
    );
  return {
    evidence: { api, nodes, before: [], between: [], after: [] },
    logs: await readLogs(files, nodes),
    readAt: timeOf(files.paths),
    seconds: Math.round((Date.now() - start) / 100) / 10,
  };
}

/** The text of a kind's file. @throws Error if it is missing */
async function textOf({ paths, read }: DumpFiles, name: string): Promise<string> {
  if (!OBJECTS.includes(name)) throw new Error(`${name} are not read from a dump`);
  const path = paths.find((each) => OBJECT_FILE.exec(each)?.[1] === name);
  if (path === undefined) throw notInDump(`${name}-*.yaml`);
  return read(path);
}

async function objectOf<T>(files: DumpFiles, name: string): Promise<T> {
  return parsed<T>(name, await textOf(files, name));
}

/** The objects of a list, which cilium-cli writes one after the other. @param isWanted of an object's text */
async function objectsOf<T>(
  files: DumpFiles,
  name: string,
  isWanted: (text: string) => boolean = () => true,
): Promise<T[]> {
  const text = await textOf(files, name);
  // what follows the objects, so that none is missing
  if (!/^kind:/m.test(text)) throw cutShort(name);
  const [, ...items] = text.split(/^- /m);
  // what follows the last object is not indented
  return items.filter(isWanted).map((item) => parsed<T>(name, `  ${item}`.replace(/^\S[^]*/m, "")));
}

function parsed<T>(name: string, text: string): T {
  try {
    return parse(text) as T;
  } catch {
    throw cutShort(name);
  }
}

const cutShort = (name: string) => new Error(`${name}-*.yaml in this dump is cut short, or no YAML`);

/** The pods of Cilium's agents, in whichever namespace; an error where they are unknown. */
async function agentsIn(files: DumpFiles): Promise<readonly V1Pod[] | Error> {
  // a large cluster has too many others to parse them all
  const isCilium = (text: string) => /^ +k8s-app: cilium$/m.test(text);
  return objectsOf<V1Pod>(files, "k8s-pods", isCilium).then(
    (pods) => pods.filter(({ metadata }) => metadata?.labels?.["k8s-app"] === "cilium"),
    (error: Error) => error,
  );
}

/** What a dump has of the API server; of pods, the agents only. */
async function readObjects(files: DumpFiles, agents: readonly V1Pod[] | Error): Promise<ApiEvidence> {
  const reader: ApiReader = {
    nodes: () => objectsOf<V1Node>(files, "k8s-nodes"),
    // judged as in the namespace that Cilium is usually in
    allPods: async () =>
      known(agents).map((pod) => ({ ...pod, metadata: { ...pod.metadata, namespace: CILIUM_NAMESPACE } })),
    services: () => objectsOf<V1Service>(files, "k8s-services"),
    configMap: () => objectOf<V1ConfigMap>(files, "cilium-configmap"),
    renderedCilium: async () => {
      throw new Error("what Helm rendered is not in this dump: its record is a Secret");
    },
    daemonSet: async () => {
      const [daemonSet] = await objectsOf<V1DaemonSet>(files, "cilium-daemonset");
      if (daemonSet === undefined) throw notInDump("the agents' DaemonSet");
      return daemonSet;
    },
    deployment: async (_namespace, name) => {
      if (name !== "cilium-operator") throw notInDump(`the Deployment ${name}`);
      return objectOf<V1Deployment>(files, "cilium-operator-deployment");
    },
    list: async <T>(apiVersion: string, plural: string) =>
      objectsOf<T>(files, apiVersion.startsWith("cilium.io/") ? plural : `k8s-${plural}`),
  };
  const values = await objectOf<HelmValues | null>(files, "cilium-helm-values").catch(() => undefined);
  return { ...(await readApi(reader)), values: values ? datapathValues(values) : undefined };
}

function known<T>(found: T | Error): T {
  if (found instanceof Error) throw found;
  return found;
}

/** The nodes whose bugtool is in a dump. */
async function readNodes(
  files: DumpFiles,
  agents: readonly V1Pod[] | Error,
  at: (what: string) => void,
): Promise<NodeEvidence[]> {
  const bugtools = new Map<string, Map<string, string>>();
  for (const path of files.paths) {
    const [, folder = "", file] = BUGTOOL_FILE.exec(path) ?? [];
    if (file === undefined || !isBugtoolFile(file)) continue;
    const key = BUGTOOL.exec(folder)?.[1] ?? folder;
    bugtools.set(key, (bugtools.get(key) ?? new Map<string, string>()).set(file, path));
  }
  const nodes: NodeEvidence[] = [];
  // one after the other: each may be large
  for (const [key, paths] of bugtools) {
    at(`node ${nodes.length + 1} of ${bugtools.size}`);
    const pod = BUGTOOL.exec(key)?.[2];
    const agent = agents instanceof Error ? undefined : agents.find(({ metadata }) => metadata?.name === pod);
    const { name, sections } = await readBugtool([...paths.keys()], (file) => files.read(paths.get(file)!));
    nodes.push({
      node: agent?.spec?.nodeName ?? name ?? key,
      agent: pod,
      isDump: true,
      sections: agent === undefined ? sections : { ...sections, arguments: { value: argumentsOf(agent) } },
      lookups: {},
    });
  }
  return nodes;
}

/** An agent's arguments and variables, as an agent's process would list them. */
function argumentsOf({ spec }: V1Pod): string {
  const { command = [], args = [], env = [] } = spec?.containers.find(({ name }) => name === AGENT_CONTAINER) ?? {};
  const variables = env.flatMap(({ name, value }) =>
    name.startsWith("CILIUM_") && value !== undefined ? [`${name}=${value}`] : [],
  );
  return [...command, ...args, ...variables].join("\n");
}

async function readLogs(files: DumpFiles, nodes: readonly NodeEvidence[]): Promise<KeptEvidence["logs"]> {
  const logs: Record<string, readonly string[]> = {};
  const nodeOf = new Map(nodes.map(({ node, agent }) => [agent, node]));
  for (const path of files.paths) {
    const node = nodeOf.get(LOG_FILE.exec(path)?.[1] ?? "");
    if (node !== undefined) logs[node] = fallbackLines(await files.read(path, LOG_BYTES).catch(() => ""));
  }
  return logs;
}

/** When a dump was made: as its agents noted, with their time zone, or else in that of the machine that ran cilium-cli. */
function timeOf(paths: readonly string[]): string {
  const times = (pattern: RegExp) => paths.flatMap((path) => pattern.exec(path)?.slice(1) ?? []).sort();
  const [noted] = times(/cilium-(?:debuginfo|bugtool)-(\d{8}-\d{6}(?:\.\d+)?[+-]\d{4})/).slice(-1);
  const [named = ""] = times(new RegExp(`-${TIME}(?:\\.|/)`)).slice(-1);
  const [, year, month, day, hour, minute, second, zone = ""] =
    /^(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)(?:\.\d+)?([+-]\d{4})?/.exec(noted ?? named) ?? [];
  if (year === undefined) return "an unknown time";
  const local = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  return zone === "" ? local : new Date(`${local}${zone.replace(/(\d\d)$/, ":$1")}`).toISOString();
}
