import { z } from "zod";
import { ALL_MODES, TUNNELS } from "../modes/contract";

/** Version of the results' format; newer files are refused. Version 1 has no {@link EXTRAS}. */
export const RESULTS_VERSION = 2;

/** Measurements that `--include` adds to a comparison. */
export const EXTRAS = ["udp", "outside", "host", "ipv6"] as const;
export type Extra = (typeof EXTRAS)[number];

/** Paths that every comparison measures. */
export const BASIC_PATHS = {
  "same-node": "pod to pod on its own node",
  "cross-node": "pod to pod on another node",
  "cluster-ip": "pod to a ClusterIP whose pod is on another node",
  "node-port": "pod to a NodePort of another node, whose pod is on that node",
  outside: "from outside the cluster to a NodePort of the pod's node",
} as const;
type BasicPathId = keyof typeof BASIC_PATHS;

/** Paths on which metrics are measured, with those of {@link EXTRAS}. */
export const PATHS = {
  ...BASIC_PATHS,
  "outside-other": "from outside the cluster to a NodePort of another node than the pod's",
  host: "node to node in the nodes' own network, without pods",
  "same-node-ipv6": "pod to pod on its own node by IPv6",
  "cross-node-ipv6": "pod to pod on another node by IPv6",
  "cluster-ip-ipv6": "pod to a ClusterIP whose pod is on another node, by IPv6",
  "node-port-ipv6": "pod to a NodePort of another node, whose pod is on that node, by IPv6",
  "outside-ipv6": "from outside the cluster to a NodePort of the pod's node by IPv6",
} as const;
export type PathId = keyof typeof PATHS;

/** Whether a path uses IPv6 addresses. */
export function isIpv6Path(path: PathId): path is `${BasicPathId}-ipv6` {
  return path.endsWith("-ipv6");
}

/** Metrics that every comparison measures. */
export const BASIC_METRICS = {
  "throughput-1": { title: "throughput, one stream", unit: "Gbit/s", better: "higher" },
  "throughput-8": { title: "throughput, eight streams", unit: "Gbit/s", better: "higher" },
  "latency-p50": { title: "request and response on a kept connection, median", unit: "µs", better: "lower" },
  "latency-p99": { title: "request and response on a kept connection, 99th percentile", unit: "µs", better: "lower" },
  connections: { title: "new connections, a request each", unit: "1/s", better: "higher" },
} as const;

/** Metrics of the benchmarks, with those of {@link EXTRAS}. */
export const METRICS = {
  ...BASIC_METRICS,
  "udp-latency-p50": { title: "request and response by UDP, median", unit: "µs", better: "lower" },
  "udp-latency-p99": { title: "request and response by UDP, 99th percentile", unit: "µs", better: "lower" },
  "udp-rate": { title: "requests by UDP, each after the last one's response", unit: "1/s", better: "higher" },
} as const;
export type MetricId = keyof typeof METRICS;

/** Metrics that depend on the number of Services. */
export const GROWTH_METRICS = {
  "iptables-rules": { title: "iptables rules on the client's node", unit: "rules", better: "lower" },
  "nftables-rules": {
    title: "rules and map elements of kube-proxy in nftables on the client's node",
    unit: "rules",
    better: "lower",
  },
  "service-map": { title: "entries of Cilium's service map on the client's node", unit: "entries", better: "neither" },
  "new-service": { title: "time until a new Service answers a pod", unit: "ms", better: "lower" },
  "first-connection": { title: "time to open a connection from a pod to a Service", unit: "µs", better: "lower" },
  "kept-connection": { title: "request and response on a kept connection, median", unit: "µs", better: "lower" },
  "endpoint-change": { title: "time until a Service's changed endpoint answers a pod", unit: "ms", better: "lower" },
  // if kube-proxy runs, it serves nodes' requests to ClusterIPs, and Cilium those of pods
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
  /** Model name in /proc/cpuinfo. */
  cpu: z.string(),
  cpus: z.number().int(),
  memoryGiB: z.number(),
  kernel: z.string(),
  architecture: z.string(),
  /** Version of the Docker daemon; undefined if the clusters are not on this machine. */
  docker: z.string().optional(),
  /** One-minute load average before the first measurement. */
  load: z.number(),
});
export type Machine = z.infer<typeof Machine>;

/** Owners of iptables chains. */
export const RULE_OWNERS = ["kube-proxy", "Cilium", "kubelet", "others"] as const;
export type RuleOwner = (typeof RULE_OWNERS)[number];

const NodeInventory = z.object({
  node: z.string(),
  /** iptables chains by owner, and the rules in them or that jump to them. */
  iptables: z.record(z.enum(RULE_OWNERS), z.object({ chains: z.number().int(), rules: z.number().int() })),
  /** nftables tables other than iptables' own; undefined if nodes cannot be reached. */
  nftables: z.array(z.string()).optional(),
  /** Chains of kube-proxy's nftables, and their rules with the elements of its maps; undefined if it has none, or they were not read. */
  kubeProxyNftables: z.object({ chains: z.number().int(), rules: z.number().int() }).optional(),
  /** Entries of Cilium's service map by type: ClusterIP, NodePort, … */
  services: z.record(z.string(), z.number().int()),
  /** Interfaces of the node's network with their queueing disciplines; veths share one name. */
  interfaces: z.array(z.object({ name: z.string(), count: z.number().int(), queueing: z.string() })),
});
export type NodeInventory = z.infer<typeof NodeInventory>;

/** Components whose memory and CPU are measured. */
export const COMPONENTS = ["cilium-agent", "cilium-operator", "kube-proxy"] as const;

const ComponentUse = z.object({
  component: z.enum(COMPONENTS),
  node: z.string(),
  /** Resident set in MiB, without the page cache. */
  memoryMiB: z.number(),
  /** Average CPU during the benchmarks, in thousandths of one CPU. */
  cpuMillis: z.number(),
});
export type ComponentUse = z.infer<typeof ComponentUse>;

const TraceSummary = z.object({
  scenario: z.string(),
  verdict: z.string(),
  /** The request's stations, such as `pod>`, `veth<`, `device>`: the role, and whether the packet left (>) or entered (<) it. */
  request: z.array(z.string()),
  reply: z.array(z.string()),
  /** Rewrites of the request, such as `destination by kernel`. */
  rewrites: z.array(z.string()),
  /** TTL of the request at its last hop; undefined if it was not seen. */
  ttl: z.number().int().optional(),
  /** Whether netfilter of any node saw the packet; undefined if that cannot be read. */
  netfilter: z.boolean().optional(),
});
export type TraceSummary = z.infer<typeof TraceSummary>;

/** Nodes that a client outside asks: the pod's own, or another one. */
export const ASKED_NODES = ["own", "other"] as const;

/** Whose address a server sees of a client outside the cluster. */
const SeenClient = z.object({
  node: z.enum(ASKED_NODES),
  address: z.enum(["client", "node", "other"]),
});
export type SeenClient = z.infer<typeof SeenClient>;

const Inventory = z.object({
  /** Settings that define the cluster, by their names in the stack file. */
  settings: z.record(z.string(), z.string()),
  /** The ConfigMap cilium-config. */
  config: z.record(z.string(), z.string()),
  nodes: z.array(NodeInventory),
  components: z.array(ComponentUse),
  walks: z.array(TraceSummary),
  /** What a server sees of a client outside; undefined in results of earlier versions, and without benchmarks. */
  outside: z.array(SeenClient).optional(),
});
export type Inventory = z.infer<typeof Inventory>;

/** Results of one benchmark in one cluster, one value per round. */
const Series = z.object({
  path: z.enum(Object.keys(PATHS) as [PathId, ...PathId[]]),
  metric: z.enum(Object.keys(METRICS) as [MetricId, ...MetricId[]]),
  values: z.array(z.number()),
  /** Histogram of all rounds' latencies: upper bounds in µs, and numbers of latencies up to each bound and above the previous one. */
  histogram: z.array(z.tuple([z.number(), z.number()])).optional(),
});
export type Series = z.infer<typeof Series>;

const GrowthSeries = z.object({
  /** Number of Services besides the cluster's own. */
  services: z.number().int(),
  metric: z.enum(Object.keys(GROWTH_METRICS) as [GrowthMetricId, ...GrowthMetricId[]]),
  values: z.array(z.number()),
});
export type GrowthSeries = z.infer<typeof GrowthSeries>;

const Subject = z.object({
  /** Name of the stack, or a variant as `STACK:KEY=VALUE,…`. */
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
  /** Missing measurements with reasons, one sentence each. */
  omitted: z.array(z.string()),
});
export type Subject = z.infer<typeof Subject>;

/** Results of a comparison, as kept in a file. */
export const Comparison = z.object({
  resultsVersion: z.int().min(1).max(RESULTS_VERSION),
  startedAt: z.string(),
  finishedAt: z.string(),
  machine: Machine,
  method: z.object({
    /** Measured rounds of every measurement; of a sequential comparison the maximum. */
    rounds: z.number().int(),
    /** How a sequential comparison ended ratios early; undefined if all took all rounds. */
    stopping: z
      .object({
        /** Rounds after which it looked first; it also looked after every later one. */
        first: z.number().int(),
        /** Maximum number of rounds. */
        last: z.number().int(),
        /** Largest chance of a false difference in a family of ratios without one, over all looks. */
        errorRate: z.number(),
      })
      .optional(),
    /** Seconds per benchmark and round. */
    seconds: z.number(),
    /** Seconds of warm-up before each. */
    warmUpSeconds: z.number(),
    /** Whether the clusters ran side by side and took turns (A B C A B C), or one after the other. */
    interleaved: z.boolean(),
    /** Numbers of Services; empty without the growth series. */
    services: z.array(z.number().int()),
    /** Measurements in addition to the basic ones. Default: none */
    extras: z.array(z.enum(EXTRAS)).optional(),
    /** Command that repeats the comparison. */
    command: z.string(),
  }),
  subjects: z.array(Subject).min(1),
});
export type Comparison = z.infer<typeof Comparison>;
