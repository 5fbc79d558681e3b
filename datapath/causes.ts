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
  "node-not-ready": "kubernetes",
  "agent-missing": "kubernetes",
  "agent-not-ready": "kubernetes",
  "agent-silent": "kubernetes",
  "operator-down": "kubernetes",
  "workload-not-ready": "kubernetes",
  "pod-without-endpoint": "kubernetes",
  "config-overridden": "configuration",
  "config-changed": "configuration",
  "agent-outdated": "configuration",
  "agent-differs": "configuration",
  "mode-fallback": "configuration",
  "kube-proxy-running": "configuration",
  "kube-proxy-missing": "configuration",
  "sysctl-changed": "kernel",
  "conntrack-full": "kernel",
  "device-down": "device",
  "device-missing": "device",
  "address-missing": "device",
  "mtu-mismatch": "device",
  "traffic-shaped": "device",
  "program-missing": "programs",
  "program-foreign": "programs",
  "rule-foreign": "routing",
  "rule-missing": "routing",
  "route-foreign": "routing",
  "route-missing": "routing",
  "neighbor-wrong": "routing",
  "detour": "routing",
  "netfilter-foreign": "netfilter",
  "netfilter-missing": "netfilter",
  "kube-proxy-leftover": "netfilter",
  "service-changed": "services",
  "endpoints-incomplete": "services",
  "service-map-stale": "services",
  "ipcache-stale": "maps",
  "endpoint-map-stale": "maps",
  "map-full": "maps",
  "policy-drop": "policy",
  "dns-down": "dns",
  "dns-config": "dns",
  "source-address": "traffic",
  "large-packets": "traffic",
  "xdp-loses-packets": "traffic",
  "packet-loss": "traffic",
} as const satisfies Readonly<Record<string, FaultClass>>;

/** A root cause's name. */
export type CauseId = keyof typeof CAUSES;

/** One root cause, with everything that fails because of it. */
export interface Diagnosis {
  readonly cause: CauseId;
  /** Nodes that have it; empty for the whole cluster. */
  readonly nodes: readonly string[];
  /** What was observed, with the object's name. */
  readonly seen: string;
  readonly reason: string;
  /** A command or a setting that mends it. */
  readonly remedy: string;
  /** The check that found it. */
  readonly check: string;
  /** Checks that fail because of it, with their subjects. */
  readonly symptoms: readonly { readonly check: string; readonly subjects: readonly string[] }[];
}
