import { z } from "zod";
import { ALL_MODES, TUNNELS } from "../../modes/contract";

/** The number of a comparison's format. A file with a newer one is refused. */
export const RESULTS_VERSION = 1;

/** Where a request goes, and from where; each is measured with every metric. */
export const PATHS = {
  "same-node": "pod to pod on its own node",
  "cross-node": "pod to pod on another node",
  "cluster-ip": "pod to a ClusterIP whose pod is on another node",
  "node-port": "pod to a NodePort of another node, whose pod is on that node",
  outside: "from outside the cluster to a NodePort of the pod's node",
} as const;
export type PathId = keyof typeof PATHS;

/** What is measured, in which unit, and which way is better. */
export const METRICS = {
  "throughput-1": { title: "throughput, one stream", unit: "Gbit/s", better: "higher" },
  "throughput-8": { title: "throughput, eight streams", unit: "Gbit/s", better: "higher" },
  "latency-p50": { title: "request and response on a kept connection, median", unit: "µs", better: "lower" },
  "latency-p99": { title: "request and response on a kept connection, 99th percentile", unit: "µs", better: "lower" },
  connections: { title: "new connections, a request each", unit: "1/s", better: "higher" },
} as const;
export type MetricId = keyof typeof METRICS;

/** What is measured with so many Services in the cluster. */
export const GROWTH_METRICS = {
  "iptables-rules": { title: "iptables rules on the client's node", unit: "rules", better: "lower" },
  "service-map": { title: "entries of Cilium's service map on the client's node", unit: "entries", better: "neither" },
  "new-service": { title: "time until a new Service answers a pod", unit: "ms", better: "lower" },
  "first-connection": { title: "time to open a connection from a pod to a Service", unit: "µs", better: "lower" },
  "kept-connection": { title: "request and response on a kept connection, median", unit: "µs", better: "lower" },
  "endpoint-change": { title: "time until a Service's changed endpoint answers a pod", unit: "ms", better: "lower" },
  // where kube-proxy runs, it answers for ClusterIPs there, and Cilium in pods
  "new-service-from-node": { title: "time until a new Service answers a node", unit: "ms", better: "lower" },
  "first-connection-from-node": {
    title: "time to open a connection from a node to a Service",
    unit: "µs",
    better: "lower",
  },
  "endpoint-change-from-node": {
    title: "time until a Service's changed endpoint answers a node",
    unit: "ms",
    better: "lower",
  },
} as const;
export type GrowthMetricId = keyof typeof GROWTH_METRICS;

const Machine = z.object({
  /** As /proc/cpuinfo names it. */
  cpu: z.string(),
  cpus: z.number().int(),
  memoryGiB: z.number(),
  kernel: z.string(),
  architecture: z.string(),
  /** The Docker daemon's version; undefined where the clusters are not on this machine. */
  docker: z.string().optional(),
  /** One-minute load average before the first measurement. */
  load: z.number(),
});
export type Machine = z.infer<typeof Machine>;

/** Whose an iptables chain is. */
export const RULE_OWNERS = ["kube-proxy", "Cilium", "kubelet", "others"] as const;
export type RuleOwner = (typeof RULE_OWNERS)[number];

const NodeInventory = z.object({
  node: z.string(),
  /** iptables by owner: chains that it made, and rules in them or that jump to them. */
  iptables: z.record(z.enum(RULE_OWNERS), z.object({ chains: z.number().int(), rules: z.number().int() })),
  /** Names of the nftables tables, without those that iptables itself keeps there; undefined where nodes cannot be asked. */
  nftables: z.array(z.string()).optional(),
  /** Entries of Cilium's service map by type: ClusterIP, NodePort … */
  services: z.record(z.string(), z.number().int()),
  /** Interfaces of the node's own network, veths counted as one name, with what queues their packets. */
  interfaces: z.array(z.object({ name: z.string(), count: z.number().int(), queueing: z.string() })),
});
export type NodeInventory = z.infer<typeof NodeInventory>;

/** Whose memory and CPU are read. */
export const COMPONENTS = ["cilium-agent", "cilium-operator", "kube-proxy"] as const;

const ComponentUse = z.object({
  component: z.enum(COMPONENTS),
  node: z.string(),
  /** Resident set, MiB: without files that the kernel keeps in memory as long as nobody needs the room. */
  memoryMiB: z.number(),
  /** Of one CPU, in thousandths, while the benchmarks ran. */
  cpuMillis: z.number(),
});
export type ComponentUse = z.infer<typeof ComponentUse>;

const TraceSummary = z.object({
  scenario: z.string(),
  verdict: z.string(),
  /** The request's stations, such as `pod>`, `veth<`, `device>`: role, and whether it came out of (>) or into (<) it. */
  request: z.array(z.string()),
  reply: z.array(z.string()),
  /** Who changed an address on the request's way, such as `destination by kernel`. */
  rewrites: z.array(z.string()),
  /** Of the request where it was seen last; undefined where it was not seen. */
  ttl: z.number().int().optional(),
  /** Whether the kernel's netfilter of any node saw the packet; undefined where it cannot be read. */
  netfilter: z.boolean().optional(),
});
export type TraceSummary = z.infer<typeof TraceSummary>;

const Inventory = z.object({
  /** The settings that make the mode, by their names in the stack file. */
  settings: z.record(z.string(), z.string()),
  /** cilium-config. */
  config: z.record(z.string(), z.string()),
  nodes: z.array(NodeInventory),
  components: z.array(ComponentUse),
  walks: z.array(TraceSummary),
});
export type Inventory = z.infer<typeof Inventory>;

/** One benchmark's results in one cluster, a value each round. */
const Series = z.object({
  path: z.enum(Object.keys(PATHS) as [PathId, ...PathId[]]),
  metric: z.enum(Object.keys(METRICS) as [MetricId, ...MetricId[]]),
  values: z.array(z.number()),
  /** All rounds' single latencies: upper bound in µs, and how many were at most that and above the bound before. */
  histogram: z.array(z.tuple([z.number(), z.number()])).optional(),
});
export type Series = z.infer<typeof Series>;

const GrowthSeries = z.object({
  /** How many Services there were beside the cluster's own. */
  services: z.number().int(),
  metric: z.enum(Object.keys(GROWTH_METRICS) as [GrowthMetricId, ...GrowthMetricId[]]),
  values: z.array(z.number()),
});
export type GrowthSeries = z.infer<typeof GrowthSeries>;

const Subject = z.object({
  /** The stack. */
  name: z.string(),
  mode: z.enum(ALL_MODES),
  tunnel: z.enum(TUNNELS),
  /** Cilium's, without v. */
  cilium: z.string(),
  /** The API server's, without v. */
  kubernetes: z.string(),
  verification: z.object({ verdict: z.string(), failed: z.array(z.string()) }),
  inventory: Inventory,
  series: z.array(Series),
  growth: z.array(GrowthSeries),
  /** What was not measured, and why: a sentence each. */
  omitted: z.array(z.string()),
});
export type Subject = z.infer<typeof Subject>;

/** Everything that one comparison found, as it is kept in a file. */
export const Comparison = z.object({
  resultsVersion: z.literal(RESULTS_VERSION),
  startedAt: z.string(),
  finishedAt: z.string(),
  machine: Machine,
  method: z.object({
    /** Rounds of every benchmark that count. */
    rounds: z.number().int(),
    /** Seconds that each benchmark runs in each round. */
    seconds: z.number(),
    /** Seconds before each that do not count. */
    warmUpSeconds: z.number(),
    /** Whether the clusters stood side by side and took turns (A B C A B C), or came one after the other. */
    interleaved: z.boolean(),
    /** Numbers of Services that the growth series asked for; empty without it. */
    services: z.array(z.number().int()),
    /** The command that repeats it. */
    command: z.string(),
  }),
  subjects: z.array(Subject).min(1),
});
export type Comparison = z.infer<typeof Comparison>;
