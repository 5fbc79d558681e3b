import type { CheckResult } from "./verify";
import type { Finding } from "./checks/check";

/** Kinds of fault, as `drill --class` takes them and the docs list them. */
export const FAULT_CLASSES = [
  "kubernetes",
  "configuration",
  "kernel",
  "device",
  "programs",
  "routing",
  "netfilter",
  "services",
  "policy",
  "maps",
  "dns",
  "traffic",
] as const;
/** One of {@link FAULT_CLASSES}. */
export type FaultClass = (typeof FAULT_CLASSES)[number];

/**
 * Root causes that a verification can name, the most fundamental first: where several are found, the first explains the
 * symptoms of the later ones.
 */
export const CAUSES = {
  "cluster-unreachable": "kubernetes",
  "node-address-taken": "device",
  "runtime-down": "kubernetes",
  "node-not-ready": "kubernetes",
  "node-unreachable": "kubernetes",
  "object-missing": "kubernetes",
  "permission-missing": "kubernetes",
  "account-replaced": "kubernetes",
  "agent-missing": "kubernetes",
  "agent-not-ready": "kubernetes",
  "agent-silent": "kubernetes",
  "control-plane-down": "kubernetes",
  "lease-taken": "kubernetes",
  "webhook-unreachable": "kubernetes",
  "admission-policy": "kubernetes",
  "operator-down": "kubernetes",
  "cni-foreign": "kubernetes",
  "addresses-exhausted": "kubernetes",
  "cilium-node-missing": "kubernetes",
  "cilium-node-foreign": "kubernetes",
  "pod-without-network": "kubernetes",
  "endpoint-foreign": "kubernetes",
  "pod-without-endpoint": "kubernetes",
  "template-changed": "configuration",
  "config-overridden": "configuration",
  "config-changed": "configuration",
  "agent-outdated": "configuration",
  "agent-differs": "configuration",
  "mode-fallback": "configuration",
  "kube-proxy-running": "configuration",
  "kube-proxy-missing": "configuration",
  "kube-proxy-mode": "configuration",
  "workload-not-ready": "kubernetes",
  "bpf-file-system": "kernel",
  "sysctl-changed": "kernel",
  "conntrack-full": "kernel",
  "device-down": "device",
  "device-missing": "device",
  "address-missing": "device",
  "address-foreign": "device",
  "mac-changed": "device",
  "mtu-mismatch": "device",
  "traffic-shaped": "device",
  "program-missing": "programs",
  "program-foreign": "programs",
  "rule-foreign": "routing",
  "rule-missing": "routing",
  "route-foreign": "routing",
  "route-missing": "routing",
  "network-overlap": "routing",
  "neighbor-wrong": "routing",
  "netfilter-foreign": "netfilter",
  "netfilter-missing": "netfilter",
  "kube-proxy-leftover": "netfilter",
  "neighbor-unresolved": "routing",
  "service-changed": "services",
  "host-port-taken": "services",
  "endpoints-incomplete": "services",
  "service-map-stale": "services",
  "endpoint-identity": "maps",
  "ipcache-stale": "maps",
  "endpoint-map-stale": "maps",
  "map-full": "maps",
  "policy-map-stale": "policy",
  "policy-drop": "policy",
  "node-resolver": "dns",
  "dns-down": "dns",
  "dns-config": "dns",
  "dns-outside": "dns",
  "dns-tcp": "dns",
  "probe-failing": "traffic",
  "xdp-loses-packets": "traffic",
  detour: "routing",
  "service-untranslated": "traffic",
  "packet-loss": "traffic",
  "large-packets": "traffic",
  "source-address": "traffic",
} as const satisfies Readonly<Record<string, FaultClass>>;

/** A root cause's name. */
export type CauseId = keyof typeof CAUSES;

/** One root cause, with everything that fails because of it. */
export interface Diagnosis {
  /** Undefined where the evidence fits no known cause: then only the symptom is known. */
  readonly cause?: CauseId | undefined;
  /** Nodes that have it; empty for the whole cluster. */
  readonly nodes: readonly string[];
  /** What was observed, with the object's name. */
  readonly seen: string;
  readonly reason: string;
  /** A command or a setting that fixes it. */
  readonly remedy?: string | undefined;
  /** The check that found it. */
  readonly check: string;
  /** Other checks that fail because of it, with their subjects. */
  readonly symptoms: readonly { readonly check: string; readonly subjects: readonly string[] }[];
}

/** Checks that send traffic, or depend on it. */
const TRAFFIC = [
  ...["pod-to-pod", "packet-size", "pod-to-node", "services", "node-ports", "from-outside", "node-ports-from-here"],
  ...[
    "way-out",
    "lost-packets",
    "source-address",
    "dns",
    "health",
    "translation",
    "masquerading",
    "hops",
    "packet-path",
    "drops",
    "hubble",
  ],
];
/** Those of them that need a service. */
const SERVICES = [
  "packet-size",
  "services",
  "node-ports",
  "from-outside",
  "node-ports-from-here",
  "dns",
  "translation",
  "source-address",
];
/** Checks that show what an agent makes of its configuration. */
const DATAPATH = [
  ...["status", "features", "controllers", "programs", "routes", "devices", "netfilter", "service-map", "host-ports"],
  ...["datapath-maps", "kube-proxy-rules", "kernel", "pod-network", "packet-size"],
];

/**
 * Checks that can fail because of each cause; `*` is any. A cause on one node explains what fails on that node, or between it
 * and another. What is not listed explains nothing but itself.
 */
const EXPLAINS: Readonly<Partial<Record<CauseId, readonly string[]>>> = {
  "cluster-unreachable": ["*"],
  "node-not-ready": ["*"],
  "node-address-taken": ["*"],
  "node-unreachable": ["*"],
  "runtime-down": ["*"],
  "object-missing": ["*"],
  "permission-missing": ["agents", "operator", "controllers", "status", "workload", "service-map", "datapath-maps"],
  "account-replaced": ["agents", "operator", "controllers", "status", "workload", "service-map", "datapath-maps"],
  "agent-missing": ["*"],
  "agent-not-ready": ["*"],
  "agent-silent": ["*"],
  "control-plane-down": ["service", "service-map", "workload", "operator", "coredns", ...SERVICES],
  "lease-taken": ["service", "service-map", "workload", "operator", "coredns", ...SERVICES],
  "webhook-unreachable": ["service", "service-map", "workload", "controllers", ...SERVICES],
  "admission-policy": ["service", "service-map", "workload", "controllers"],
  "workload-not-ready": [...TRAFFIC, "service-map", "pod-network", "datapath-maps", "workload"],
  "cni-foreign": [...TRAFFIC, "workload", "pod-network", "datapath-maps"],
  "addresses-exhausted": ["workload", "controllers"],
  "cilium-node-missing": [...TRAFFIC, "routes", "datapath-maps"],
  "cilium-node-foreign": [...TRAFFIC, "routes", "datapath-maps", "netfilter"],
  "endpoint-foreign": [...TRAFFIC, "datapath-maps"],
  "pod-without-endpoint": [...TRAFFIC, "datapath-maps"],
  "template-changed": [...DATAPATH, ...TRAFFIC, "agents", "operator", "policies", "workload"],
  "config-overridden": [...DATAPATH, ...TRAFFIC, "agents", "policies", "workload"],
  "config-changed": [...DATAPATH, ...TRAFFIC, "agents", "policies", "workload"],
  "agent-differs": [...DATAPATH, ...TRAFFIC],
  "mode-fallback": [...DATAPATH, ...TRAFFIC],
  "kube-proxy-running": ["kube-proxy-rules", "netfilter", ...TRAFFIC],
  "kube-proxy-missing": ["kube-proxy-rules", ...SERVICES],
  "kube-proxy-mode": ["netfilter", ...SERVICES],
  "bpf-file-system": ["*"],
  "sysctl-changed": [...TRAFFIC, "routes"],
  "conntrack-full": TRAFFIC,
  "device-down": [...TRAFFIC, "routes", "programs", "devices", "kernel"],
  "device-missing": [...TRAFFIC, "routes", "programs", "devices", "kernel"],
  "address-missing": [...TRAFFIC, "routes", "devices", "pod-network"],
  "address-foreign": TRAFFIC,
  "mac-changed": [...TRAFFIC, "service", "service-map"],
  "mtu-mismatch": [...TRAFFIC, "devices", "pod-network"],
  "traffic-shaped": TRAFFIC,
  "program-missing": [...TRAFFIC, "service-map", "policies"],
  "program-foreign": TRAFFIC,
  "rule-foreign": [...TRAFFIC, "routes"],
  "rule-missing": [...TRAFFIC, "routes"],
  "route-foreign": [...TRAFFIC, "routes"],
  "route-missing": [...TRAFFIC, "routes"],
  "network-overlap": TRAFFIC,
  "neighbor-wrong": TRAFFIC,
  "neighbor-unresolved": TRAFFIC,
  detour: TRAFFIC,
  "netfilter-foreign": TRAFFIC,
  "netfilter-missing": [...TRAFFIC, "netfilter"],
  "kube-proxy-leftover": [...TRAFFIC, "netfilter"],
  "service-changed": ["service-map", ...SERVICES],
  "host-port-taken": ["service-map", "host-ports", ...SERVICES],
  "endpoints-incomplete": ["service-map", "packet-path", ...SERVICES],
  "service-map-stale": ["service-map", ...SERVICES],
  "endpoint-identity": ["datapath-maps", ...TRAFFIC],
  "ipcache-stale": TRAFFIC,
  "endpoint-map-stale": TRAFFIC,
  "map-full": TRAFFIC,
  "policy-map-stale": [...TRAFFIC, "policies"],
  "policy-drop": TRAFFIC,
  "dns-down": ["dns"],
  "dns-config": ["dns"],
  "probe-failing": [...TRAFFIC, "service-map"],
  "xdp-loses-packets": ["from-outside", "node-ports-from-here", "packet-size", "drops"],
  "large-packets": ["packet-size", "drops", "hubble", "translation"],
  "service-untranslated": SERVICES,
  "source-address": ["masquerading", "translation"],
  "packet-loss": TRAFFIC,
};

const RANKS = Object.keys(CAUSES) as CauseId[];

/** Where a cause stands: the first explains the later ones. What fits no cause comes last. */
const rankOf = (cause: CauseId | undefined) => (cause === undefined ? RANKS.length : RANKS.indexOf(cause));

interface Found extends Finding {
  readonly check: string;
}

/**
 * Find the root causes of what failed: the most fundamental cause is reported once, and whatever fails because of it is its
 * symptom.
 */
export function diagnose(results: readonly CheckResult[]): Diagnosis[] {
  const failing: Found[] = results.flatMap(({ id, findings }) =>
    findings
      .filter(({ verdict }) => verdict === "fail" || verdict === "inconclusive")
      .map((finding) => ({ check: id, ...finding })),
  );
  const groups = [
    ...groupBy(failing, ({ check, cause, reason, remedy }) =>
      JSON.stringify([check, cause, cause === undefined ? reason : remedy]),
    ).values(),
  ];
  // of one cause, what was observed comes before what could not be
  const isUnread = (found: readonly Found[]) => Number(found[0]!.verdict === "inconclusive");
  const ordered = groups.sort((a, b) => rankOf(a[0]!.cause) - rankOf(b[0]!.cause) || isUnread(a) - isUnread(b));
  const roots: { readonly found: readonly Found[]; readonly symptoms: Found[] }[] = [];
  for (const found of ordered) {
    // each of a group may be explained by another
    const own = found.filter((each) => {
      const root = roots.find(({ found: [first, ...more] }) => explains([first!, ...more], each));
      root?.symptoms.push(each);
      return root === undefined;
    });
    if (own.length > 0) roots.push({ found: own, symptoms: [] });
  }
  return roots.map(({ found, symptoms }) => diagnosisOf(found, symptoms));
}

function explains(causes: readonly Found[], symptom: Found): boolean {
  const { cause, check } = causes[0]!;
  if (cause === undefined) return false;
  // no node, agent or controller changes Cilium's own objects, nor a Service
  const isOfObjects =
    symptom.cause === "config-changed" || symptom.cause === "service-changed" || symptom.check === "helm-objects";
  if (isOfObjects && cause !== "cluster-unreachable") return false;
  // the same cause found by several checks, or on paths that have a node in common
  if (cause === symptom.cause && (check !== symptom.check || TRAFFIC.includes(check)))
    return shareNodes(causes, symptom);
  const explained = EXPLAINS[cause] ?? [];
  // the kubelet asks pods, and kernels ask each other, as other processes of nodes do
  const asked = /^(?:probe-failing|neighbor-unresolved)$/.test(symptom.cause ?? "") ? "pod-to-node" : symptom.check;
  if (!["*", asked, symptom.check].some((each) => explained.includes(each))) return false;
  if (rankOf(cause) >= rankOf(symptom.cause)) return false;
  // a detour leads through a node that has nothing to do with its cause
  return symptom.cause === "detour" || shareNodes(causes, symptom);
}

/** Whether a symptom is on a node of the cause, or between it and another; what names no node concerns all. */
function shareNodes(causes: readonly Found[], { nodes, backendNodes = [] }: Found): boolean {
  const concerned = [...(nodes ?? []), ...backendNodes];
  return (
    nodes === undefined ||
    causes.some((cause) => cause.nodes === undefined || cause.nodes.some((node) => concerned.includes(node)))
  );
}

/** The nodes that all findings have in common, such as the one at which packets of all others are lost; or else all of theirs. */
function nodesOf(found: readonly Found[]): string[] {
  const all = [...new Set(found.flatMap(({ nodes }) => nodes ?? []))];
  const common = all.filter((node) => found.every(({ nodes }) => nodes?.includes(node)));
  return common.length > 0 ? common : all;
}

function diagnosisOf(found: readonly Found[], symptoms: readonly Found[]): Diagnosis {
  const [{ cause, check, reason, remedy }] = found as [Found];
  const checks = groupBy(symptoms, (each) => each.check);
  return {
    ...{ cause, check, remedy },
    reason: reason ?? "",
    nodes: nodesOf(found),
    seen: [...new Set(found.map(({ subject, seen }) => `${subject}: ${seen}`))].join("; "),
    symptoms: [...checks].map(([id, findings]) => ({
      check: id,
      subjects: [...new Set(findings.map(({ subject }) => subject))],
    })),
  };
}

function groupBy<T>(all: readonly T[], keyOf: (each: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const each of all) groups.set(keyOf(each), [...(groups.get(keyOf(each)) ?? []), each]);
  return groups;
}
