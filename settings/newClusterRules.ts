import { posix } from "node:path";
import { contains, isIpv4Address } from "../modes/cidr";
import { controlPlaneName, valueAt, type HelmValue } from "../modes/ciliumValues";
import type { Problem } from "./problems";
import type { ReleasedSettings } from "./release";
import { placeOf, type ValueSources } from "./valuesFiles";

/** What is wrong with a Helm value. */
interface Wrong {
  /** Path of the value. */
  readonly key: string;
  readonly rule: string;
}

/** What the rules look at. */
interface Case extends Pick<ReleasedSettings, "cluster" | "nettool"> {
  /** The value at a path; undefined if it is not set. */
  readonly value: (path: string) => HelmValue | undefined;
  readonly show: (value: unknown) => string;
  /** Whether kube-proxy runs in the cluster. */
  readonly hasKubeProxy: boolean;
  readonly masqueradesInBpf: boolean;
}

/** Values that work elsewhere, and not in a new kind cluster. @param show a value as messages may show it */
export function newClusterProblems(
  { cluster, cilium, nettool, tunnel, kubeProxyReplacement, bpf }: ReleasedSettings,
  sources: ValueSources,
  show: (value: unknown) => string,
): Problem[] {
  const value = (key: string) => valueAt(cilium.values, key);
  const hasKubeProxy = kubeProxyReplacement !== true;
  const given: Case = { cluster, nettool, value, show, hasKubeProxy, masqueradesInBpf: bpf.masquerade };
  const rules = [
    apiServer,
    devices,
    policies,
    parts,
    cni,
    bandwidth,
    nodePorts,
    otherNodePorts,
    kubeConfig,
    scheduling,
  ];
  const problems = rules.flatMap((rule) => rule(given)).map(({ key, rule }) => ({ key: placeOf(sources, key), rule }));
  const hasRoutes = cilium.autoDirectNodeRoutes !== false || String(value("bgpControlPlane.enabled")) === "true";
  if (tunnel === "disabled" && cluster.workers > 0 && !hasRoutes) {
    problems.push({
      key: "cilium.autoDirectNodeRoutes",
      rule: "must not be false in a new cluster with several nodes: nobody else makes the routes between their pods; remove it, or set a tunnel",
    });
  }
  return problems;
}

/** Loopback and unspecified addresses and their names. */
const LOOPBACK = /^(?:127\.|0\.0\.0\.0$|localhost(?:\.localdomain)?$|::1?$|\[::1?\]$)/i;

function apiServer({ cluster, value, show, hasKubeProxy }: Case): Wrong[] {
  const own = controlPlaneName(cluster.name);
  const host = value("k8sServiceHost");
  const port = value("k8sServicePort");
  const isService =
    typeof host === "string" &&
    (/^kubernetes\.default(?:\.|$)/i.test(host) ||
      (isIpv4Address(host) && contains(cluster.serviceCidr, `${host}/32`)));
  const wrong: Wrong[] = [];
  const refuseHost = (why: string) =>
    wrong.push({ key: "k8sServiceHost", rule: `is ${show(host)}, ${why}; remove it to use ${own}` });
  if (typeof host === "string" && LOOPBACK.test(host)) refuseHost("where kind's nodes have no API server");
  // without a host, agents ask the Service
  if ((host === "" || host === null || isService) && !hasKubeProxy)
    refuseHost("so agents need a Service before Cilium serves any");
  // with another host it may be right
  if (port !== undefined && (host === undefined || host === own || wrong.length > 0) && String(port) !== "6443")
    wrong.push({
      key: "k8sServicePort",
      rule: `is ${show(port)}, and the API server of kind's nodes has port 6443; remove it`,
    });
  const urls = String(value("k8s.apiServerURLs") ?? "").split(/[ ,]+/);
  const loopback = urls.find((url) => URL.canParse(url) && LOOPBACK.test(new URL(url).hostname));
  if (loopback !== undefined)
    wrong.push({
      key: "k8s.apiServerURLs",
      rule: `has ${show(loopback)}, where kind's nodes have no API server; remove it to use ${own}`,
    });
  const variables = value("extraEnv");
  const ofServer = (Array.isArray(variables) ? variables : []).flatMap((each) => {
    const { name } = (each ?? {}) as { readonly name?: unknown };
    return /^KUBERNETES_SERVICE_(?:HOST|PORT)$/.test(String(name)) ? [String(name)] : [];
  });
  if (ofServer.length > 0)
    wrong.push({
      key: "extraEnv",
      rule: `sets ${ofServer.join(" and ")}, and agents must ask ${own}, which this project sets; remove ${ofServer.length === 1 ? "it" : "them"}`,
    });
  const isName = !isIpv4Address(String(host ?? own));
  for (const key of ["dnsPolicy", "operator.dnsPolicy"]) {
    if (value(key) !== "ClusterFirstWithHostNet" || !isName) continue;
    const rule = `is ${show(value(key))}, so pods ask the cluster's DNS for the API server before Cilium makes it reachable; remove it`;
    wrong.push({ key, rule });
  }
  // copies of a chart's whole values have it without a name
  if ((value("k8sServiceHostRef.name") ?? null) !== null)
    wrong.push({ key: "k8sServiceHostRef", rule: "cannot be set: this project sets k8sServiceHost; remove it" });
  return wrong;
}

/** The only device of kind's nodes. */
const DEVICE = "eth0";

/** The values that set a key of `cilium-config`: its own, `extraConfig` and `extraArgs`, each with its path. */
function settingsOf(
  key: string,
  path: string,
  { value }: Pick<Case, "value">,
): [path: string, value: HelmValue | undefined][] {
  const args = value("extraArgs");
  const prefix = `--${key}=`;
  const argument = (Array.isArray(args) ? args.map(String) : []).findLast((each) => each.startsWith(prefix));
  const config = `extraConfig.${key}`;
  return [
    [path, value(path)],
    [config, value(config)],
    ["extraArgs", argument?.slice(prefix.length)],
  ];
}

function devices(given: Case): Wrong[] {
  const { show, masqueradesInBpf } = given;
  const all = [
    ...settingsOf("devices", "devices", given),
    // BPF masquerades on devices
    ...(masqueradesInBpf ? [] : settingsOf("egress-masquerade-interfaces", "egressMasqueradeInterfaces", given)),
  ];
  return all.flatMap(([key, selected]) => {
    const named = [selected ?? []].flat().flatMap((each) => String(each).split(/[ ,]+/).filter(Boolean));
    return named.length === 0 || named.some((name) => isDevice(name, DEVICE))
      ? []
      : [{ key, rule: `selects ${show(selected)}, and kind's nodes have only ${DEVICE}; remove it` }];
  });
}

/** Whether an agent's pattern of devices, which may end with +, selects a device. */
const isDevice = (pattern: string, device: string) =>
  pattern.endsWith("+") ? device.startsWith(pattern.slice(0, -1)) : pattern === device;

function policies(given: Case): Wrong[] {
  // agents read it in any case
  return settingsOf("enable-policy", "policyEnforcementMode", given)
    .filter(([, value]) => String(value).toLowerCase() === "always")
    .map(([key]) => ({
      key,
      rule: "drops the traffic of the workload and CoreDNS, which have no policies; use default",
    }));
}

/** Parts of Cilium without which a new cluster gets no network. */
const PARTS = ["agent", "operator.enabled", "cni.install"];

/** Integrations whose operator asks a cloud, without a trace in `cilium-config`, in which `eni.enabled` leaves one. */
const CLOUDS = ["azure.enabled", "alibabacloud.enabled"];

function parts({ value }: Case): Wrong[] {
  const isThe = (word: string) => (key: string) => String(value(key)) === word;
  return [
    ...PARTS.filter(isThe("false")).map((key) => ({
      key,
      rule: "is needed: without it pods get no network; remove it",
    })),
    ...CLOUDS.filter(isThe("true")).map((key) => ({
      key,
      rule: "runs an operator that asks a cloud for its nodes, and kind's nodes are in none; remove it",
    })),
  ];
}

/** Folders of CNI on kind's nodes, by the value that sets Cilium's. */
const CNI_FOLDERS = { "cni.confPath": "/etc/cni/net.d", "cni.binPath": "/opt/cni/bin" };

/** Modes of chaining in which Cilium has no need of another network plugin. */
const OWN_CHAINS = ["none", "portmap", "", "null", "undefined"];

function cni({ value, show }: Case): Wrong[] {
  const wrong: Wrong[] = Object.entries(CNI_FOLDERS).flatMap(([key, folder]) => {
    const given = value(key) ?? folder;
    return String(given).replace(/\/+$/, "") === folder
      ? []
      : [{ key, rule: `is ${show(given)}, and containerd on kind's nodes reads ${folder}; remove it` }];
  });
  if (String(value("cni.customConf")) === "true" && !value("cni.configMap"))
    wrong.push({
      key: "cni.customConf",
      rule: "keeps agents from writing CNI's configuration, without which pods get no network; remove it, or set cni.configMap",
    });
  const mode = value("cni.chainingMode");
  if (!OWN_CHAINS.includes(String(mode)))
    wrong.push({
      key: "cni.chainingMode",
      rule: `is ${show(mode)}, and a new cluster has no other network plugin; remove it`,
    });
  return wrong;
}

function bandwidth({ value }: Case): Wrong[] {
  const given = value("bandwidthManager");
  const key = typeof given === "object" && given !== null ? "bandwidthManager.enabled" : "bandwidthManager";
  if (String(value(key)) !== "true") return [];
  // https://docs.cilium.io/en/stable/network/kubernetes/bandwidth-manager/
  const why = "needs net.core.default_qdisc, which nodes in containers do not have, so agents on kind disable it";
  return [{ key, rule: `${why}; remove it` }];
}

/** First and last port of the connections that a node itself opens, if it has Linux' default, as kind's have. */
export const EPHEMERAL_PORTS = [32768, 60999] as const;

/** First and last port of `nodePort.range`; undefined for what is no range, which agents refuse. */
function rangeOfNodePorts({ value }: Pick<Case, "value">): readonly [first: number, last: number] | undefined {
  const [, first, last] = /^(\d+),(\d+)$/.exec(String(value("nodePort.range"))) ?? [];
  return Number(first) < Number(last) ? [Number(first), Number(last)] : undefined;
}

/**
 * Paths of the values that end agents which replace kube-proxy: they do not protect NodePorts from a node's own
 * connections. Source: checkNodePortAndEphemeralPortRanges in Cilium 1.12 to 1.20, in daemon/cmd and later in pkg/kpr/initializer
 */
export function unprotectedNodePorts(given: Pick<Case, "value">): string[] {
  const [, last = 0] = rangeOfNodePorts(given) ?? [];
  if (last < EPHEMERAL_PORTS[0]) return [];
  return settingsOf("enable-auto-protect-node-port-range", "nodePort.autoProtectPortRange", given)
    .filter(([, protects]) => String(protects) === "false")
    .map(([path]) => path);
}

function nodePorts(given: Case): Wrong[] {
  const { value, show, nettool, hasKubeProxy } = given;
  const range = rangeOfNodePorts(given);
  if (range === undefined || hasKubeProxy) return [];
  const [first, last] = range;
  const shownRange = show(value("nodePort.range"));
  if (first <= nettool.nodePort && nettool.nodePort <= last) {
    const [start] = EPHEMERAL_PORTS;
    return unprotectedNodePorts(given).map((key) => ({
      key,
      rule: `ends the agent: nodePort.range ${shownRange} reaches ${start} or above, and agents then need autoProtectPortRange; remove it, or end the range before ${start}`,
    }));
  }
  return [
    {
      key: "nodePort.range",
      rule: `must be two ports such as 30000,32767 with nettool.nodePort between them, got ${shownRange}; remove it`,
    },
  ];
}

/** Services of Cilium's for which a value chooses the node's port. */
const OTHER_NODE_PORTS = [
  ...["hubble.ui.service", "hubble.relay.service", "clustermesh.apiserver.service"].map((at) => [at, "nodePort"]),
  ...["insecureNodePort", "secureNodePort"].map((name) => ["ingressController.service", name]),
] as [service: string, name: string][];

/** Ports that the API server refuses for a Service. */
function otherNodePorts({ value, show, nettool, cluster }: Case): Wrong[] {
  return OTHER_NODE_PORTS.flatMap(([service, name]): Wrong[] => {
    const key = `${service}.${name}`;
    const port = Number(value(key) ?? 0);
    if (port === 0 || !/^(?:NodePort|LoadBalancer)$/.test(String(value(`${service}.type`)))) return [];
    if (port === nettool.nodePort)
      return [{ key, rule: `is ${show(port)}, which the workload has; set another, or another nettool.nodePort` }];
    // patches can set another range
    const isInRange = (port >= 30000 && port <= 32767) || cluster.kubeadmConfigPatches.length > 0;
    return isInRange ? [] : [{ key, rule: `must be a port from 30000 to 32767, got ${show(port)}` }];
  });
}

/** Files of kubeconfigs that kubeadm writes, on the control plane alone, and with the rights of administrators. */
const KUBECONFIGS = ["/etc/kubernetes/admin.conf", "/etc/kubernetes/super-admin.conf"];

/** Pods mount the path from the node, where Kubernetes makes an empty file if there is none. */
function kubeConfig({ cluster, value, show }: Case): Wrong[] {
  const path = value("kubeConfigPath");
  if (typeof path !== "string" || path === "") return [];
  const isMounted = cluster.mounts.some(({ containerPath }) =>
    `${posix.normalize(path)}/`.startsWith(`${posix.normalize(containerPath).replace(/\/$/, "")}/`),
  );
  if (isMounted || (cluster.workers === 0 && KUBECONFIGS.includes(path))) return [];
  const rule = `is ${show(path)}, and kind's nodes have no such kubeconfig for Cilium, so its pods would read an empty one; remove it, or add the file to cluster.mounts`;
  return [{ key: "kubeConfigPath", rule }];
}

/** The taint of nodes without a network. */
const NOT_READY = "node.kubernetes.io/not-ready";

interface Toleration {
  readonly key?: string;
  readonly operator?: string;
  readonly value?: string;
  readonly effect?: string | null;
}

/** Taints of the control plane, of which the last is of Kubernetes up to 1.24. */
const CONTROL_PLANE = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

/** Whether pods with these tolerations start on a node that has one of some taints without a value. */
function tolerates(tolerations: readonly (Toleration | null)[], taints: readonly string[]): boolean {
  return tolerations.some((toleration) => {
    const { key = "", operator = "Equal", value = "", effect } = toleration ?? {};
    return (
      // without an effect it is for all
      ["", "NoSchedule"].includes(effect ?? "") &&
      (key === "" ? operator === "Exists" : taints.includes(key) && (operator === "Exists" || value === ""))
    );
  });
}

function scheduling({ cluster, value, show }: Case): Wrong[] {
  const wrong: Wrong[] = [];
  const tolerations = value("operator.tolerations");
  if (Array.isArray(tolerations) && !tolerates(tolerations as readonly (Toleration | null)[], [NOT_READY]))
    wrong.push({
      key: "operator.tolerations",
      rule: `must tolerate ${NOT_READY}: nodes have no network until the operator runs; add it, or remove the list`,
    });
  // patches can set other taints and further labels
  if (cluster.kubeadmConfigPatches.length > 0) return wrong;
  // kind takes the taint from a control plane that is the only node
  const ofAgents = value("tolerations") === null ? [] : value("tolerations");
  if (cluster.workers > 0 && Array.isArray(ofAgents) && !tolerates(ofAgents as readonly Toleration[], CONTROL_PLANE))
    wrong.push({
      key: "tolerations",
      rule: `must tolerate ${CONTROL_PLANE[0]}, or no agent runs on the control plane; add it, or remove the list`,
    });
  const nodes = nodeLabels(cluster);
  const missing = (key: string) => nodes.filter(([, labels]) => !matches(value(key), labels)).map(([name]) => name);
  const [leftOut] = missing("nodeSelector");
  const terms = (part: string) => `${part}affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution`;
  const uncertain = [MASTER, ...(cluster.workers === 0 ? [WITHOUT_BALANCERS] : [])];
  const unlike = (part: string) =>
    nodes.filter(([, labels]) => !hasAffinity(value(`${terms(part)}.nodeSelectorTerms`), labels, uncertain));
  const [[unwanted] = []] = unlike("");
  if (unwanted !== undefined)
    wrong.push({
      key: terms(""),
      rule: `excludes the node ${unwanted}, so no agent runs there; remove it, or set cluster.nodeLabels`,
    });
  if (unlike("operator.").length === nodes.length)
    wrong.push({
      key: terms("operator."),
      rule: "excludes every node, so no operator runs; remove it, or set cluster.nodeLabels",
    });
  if (leftOut !== undefined)
    wrong.push({
      key: "nodeSelector",
      rule: `is ${show(value("nodeSelector"))}, so no agent runs on the node ${leftOut}; remove it, or set cluster.nodeLabels`,
    });
  if (missing("operator.nodeSelector").length === nodes.length)
    wrong.push({
      key: "operator.nodeSelector",
      rule: `is ${show(value("operator.nodeSelector"))}, which no node has; remove it, or set cluster.nodeLabels`,
    });
  return wrong;
}

/** Label of control planes up to Kubernetes 1.23. */
const MASTER = "node-role.kubernetes.io/master";

/** Label of control planes, which kind takes from one that is the only node. */
const WITHOUT_BALANCERS = "node.kubernetes.io/exclude-from-external-load-balancers";

/** The labels that nodes have when kind has made them, by the name of the node; undefined stands for any value. */
function nodeLabels({ name, workers, nodeLabels: own }: Case["cluster"]) {
  const node = (key: string, host: string, more: Readonly<Record<string, string>>) =>
    [
      key,
      {
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": undefined,
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": undefined,
        "kubernetes.io/hostname": host,
        ...more,
        ...own[key],
      } as Readonly<Record<string, string | undefined>>,
    ] as const;
  const role = {
    "node-role.kubernetes.io/control-plane": "",
    [MASTER]: "",
    [WITHOUT_BALANCERS]: "",
  };
  const worker = (index: number) => node(`worker-${index + 1}`, `${name}-worker${index === 0 ? "" : index + 1}`, {});
  return [
    node("control-plane", controlPlaneName(name), role),
    ...Array.from({ length: workers }, (_, index) => worker(index)),
  ];
}

/** Whether a node with these labels is selected. */
function matches(selector: HelmValue | undefined, labels: Readonly<Record<string, string | undefined>>): boolean {
  return Object.entries(selector ?? {}).every(
    ([key, value]) => value === null || (key in labels && (labels[key] ?? value) === value),
  );
}

interface NodeSelectorTerm {
  readonly matchExpressions?: readonly ({
    readonly key?: string;
    readonly operator?: string;
    readonly values?: unknown;
  } | null)[];
  readonly matchFields?: unknown;
}

/** Whether a node with these labels may have an affinity: one of its terms with all its expressions. @param uncertain keys of labels that it may have or not */
function hasAffinity(
  terms: HelmValue | undefined,
  labels: Readonly<Record<string, string | undefined>>,
  uncertain: readonly string[],
): boolean {
  if (!Array.isArray(terms) || terms.length === 0) return true;
  return (terms as readonly (NodeSelectorTerm | null)[]).some((term) => {
    const { matchExpressions = [], matchFields } = term ?? {};
    // the API server refuses what is no list
    if (matchFields !== undefined || !Array.isArray(matchExpressions)) return true;
    return matchExpressions.every((expression) => {
      const { key = "", operator, values } = expression ?? {};
      const isThere = key in labels;
      const isListed = Array.isArray(values) && values.map(String).includes(labels[key] ?? "");
      if (uncertain.includes(key) || (isThere && labels[key] === undefined && operator !== "DoesNotExist")) return true;
      if (operator === "In") return isThere && isListed;
      if (operator === "NotIn") return !(isThere && isListed);
      if (operator === "Exists") return isThere;
      return operator === "DoesNotExist" ? !isThere : true;
    });
  });
}
