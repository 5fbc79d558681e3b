import type { Contrast } from "../../../compare/analyse/statistics";
import {
  BASIC_METRICS,
  METRICS,
  BASIC_PATHS,
  RESULTS_VERSION,
  type Comparison,
  type GrowthMetricId,
  type GrowthSeries,
  type Inventory,
  type MetricId,
  type NodeInventory,
  type Series,
  type Subject,
  type TraceSummary,
} from "../../../compare/results";
import { MODE_CONTRACTS, type RoutingMode, type Tunnel } from "../../../modes/contract";
import { modeConfig } from "../../../modes/ciliumConfig";
import { expectedPath, SCENARIOS, type ExpectedHop, type Scenario, type PathFacts } from "../../../modes/tracePaths";

/** Numbers of Services in the samples' growth series. */
const SAMPLE_SERVICES = [1, 10, 100, 1000, 5000] as const;

type SampleMode = "kubeproxy" | "replacement" | "ebpf";

// All figures in this file are invented for tests.

/** Each round relative to the median. */
const ROUNDS = [1, 1.012, 0.991, 0.985, 1.02];

type BasicMetric = keyof typeof BASIC_METRICS;
type BasicPath = keyof typeof BASIC_PATHS;

const KUBEPROXY_FIGURES: Record<BasicMetric, Record<BasicPath, number>> = {
  "throughput-1": { "same-node": 21, "cross-node": 14, "cluster-ip": 13.6, "node-port": 12, outside: 15 },
  "throughput-8": { "same-node": 38, "cross-node": 25, "cluster-ip": 24.5, "node-port": 22, outside: 27 },
  "latency-p50": { "same-node": 38, "cross-node": 52, "cluster-ip": 55, "node-port": 68, outside: 44 },
  "latency-p99": { "same-node": 96, "cross-node": 130, "cluster-ip": 137, "node-port": 170, outside: 110 },
  connections: { "same-node": 9200, "cross-node": 7400, "cluster-ip": 6900, "node-port": 5600, outside: 8100 },
};

/** How much better than kube-proxy each mode is here, by path. */
const SPEEDUPS: Record<SampleMode, Record<BasicPath, number>> = {
  kubeproxy: { "same-node": 1, "cross-node": 1, "cluster-ip": 1, "node-port": 1, outside: 1 },
  replacement: { "same-node": 1.003, "cross-node": 0.998, "cluster-ip": 1.06, "node-port": 1.11, outside: 1.05 },
  ebpf: { "same-node": 1.1, "cross-node": 1.23, "cluster-ip": 1.3, "node-port": 1.45, outside: 1.18 },
};

/** The samples have no kube-proxy in mode nftables. */
type SampleGrowth = Exclude<GrowthMetricId, "nftables-rules">;

const GROWTH_FIGURES: Record<SampleMode, Record<SampleGrowth, (services: number) => number>> = {
  kubeproxy: {
    "iptables-rules": (services) => 92 + 8 * services,
    "service-map": (services) => 12 + 2 * services,
    "new-service": (services) => 180 + 0.38 * services,
    "first-connection": (services) => 120 + 0.04 * services,
    "kept-connection": () => 55,
    "endpoint-change": (services) => 240 + 0.35 * services,
    "new-service-from-node": (services) => 1.5 * services ** 0.1 + 40,
    "first-connection-from-node": () => 101,
    "endpoint-change-from-node": (services) => 240 + 0.35 * services,
  },
  replacement: {
    "iptables-rules": () => 24,
    "service-map": (services) => 18 + 6 * services,
    "new-service": (services) => 38 + 0.002 * services,
    "first-connection": () => 108,
    "kept-connection": () => 52,
    "endpoint-change": (services) => 44 + 0.002 * services,
    "new-service-from-node": (services) => 1.5 * services ** 0.1 + 40,
    "first-connection-from-node": () => 101,
    "endpoint-change-from-node": (services) => 44 + 0.002 * services,
  },
  ebpf: {
    "iptables-rules": () => 12,
    "service-map": (services) => 18 + 6 * services,
    "new-service": (services) => 36 + 0.001 * services,
    "first-connection": () => 95,
    "kept-connection": () => 42,
    "endpoint-change": (services) => 41 + 0.002 * services,
    "new-service-from-node": (services) => 1.5 * services ** 0.1 + 40,
    "first-connection-from-node": () => 101,
    "endpoint-change-from-node": (services) => 41 + 0.002 * services,
  },
};

/** A comparison of the three modes in five rounds. Its figures are invented for tests. */
export function sampleComparison(overrides: Partial<Comparison> = {}): Comparison {
  return {
    resultsVersion: RESULTS_VERSION,
    startedAt: "2026-11-20T08:00:00.000Z",
    finishedAt: "2026-11-20T09:12:40.000Z",
    machine: {
      cpu: "Invented Test CPU 9000",
      cpus: 8,
      memoryGiB: 31.2,
      kernel: "6.18.0-test",
      architecture: "x86_64",
      docker: "29.1.3",
      load: 0.42,
    },
    method: {
      rounds: ROUNDS.length,
      seconds: 5,
      warmUpSeconds: 1,
      interleaved: true,
      services: [...SAMPLE_SERVICES],
      command: "npx cilium-modes compare kubeproxy replacement ebpf --rounds 5 --seconds 5",
    },
    subjects: [sampleSubject("kubeproxy"), sampleSubject("replacement"), sampleSubject("ebpf")],
    ...overrides,
  };
}

/** A subject of {@link sampleComparison}, whose stack is called like its mode. */
export function sampleSubject(mode: SampleMode, overrides: Partial<Subject> = {}): Subject {
  const tunnel = overrides.tunnel ?? "disabled";
  return {
    name: mode,
    mode,
    tunnel,
    cilium: "1.20.2",
    kubernetes: "1.36.1",
    verification: { verdict: "pass", failed: [] },
    inventory: sampleInventory(mode, tunnel),
    series: seriesOf(mode),
    growth: growthOf(mode),
    omitted: [],
    ...overrides,
  };
}

/** The subject with another value in each round of the series that are chosen: the old one times a factor. */
export function slowed(subject: Subject, factor: number, chosen: (series: Series) => boolean): Subject {
  const changed = (series: Series): Series => {
    const worse = METRICS[series.metric].better === "lower" ? factor : 1 / factor;
    return { ...series, values: series.values.map((value) => value * worse) };
  };
  return { ...subject, series: subject.series.map((series) => (chosen(series) ? changed(series) : series)) };
}

/** The subject with a few of its series, which are tested for chance in less time. */
export function thinned(subject: Subject): Subject {
  const metrics: readonly MetricId[] = ["throughput-1", "latency-p50", "connections"];
  return {
    ...subject,
    series: subject.series.filter(({ metric }) => metrics.includes(metric)),
    growth: subject.growth.filter(({ services }) => services === 5000),
  };
}

/** The subject with its values of one measurement replaced in every path. */
export function withValues(subject: Subject, metric: MetricId, values: readonly number[]): Subject {
  const series = subject.series.map((each) => (each.metric === metric ? { ...each, values: [...values] } : each));
  return { ...subject, series };
}

function seriesOf(mode: SampleMode): Series[] {
  const paths = Object.keys(BASIC_PATHS) as BasicPath[];
  return (Object.keys(BASIC_METRICS) as BasicMetric[]).flatMap((metric, metricIndex) =>
    paths.map((path, pathIndex): Series => {
      const speedup = SPEEDUPS[mode][path];
      const base = KUBEPROXY_FIGURES[metric][path];
      const middle = METRICS[metric].better === "lower" ? base / speedup : base * speedup;
      const values = roundsOf(middle, mode.length + metricIndex + pathIndex);
      return metric === "latency-p50" || metric === "latency-p99"
        ? { path, metric, values, histogram: histogramOf(KUBEPROXY_FIGURES["latency-p50"][path] / speedup) }
        : { path, metric, values };
    }),
  );
}

function growthOf(mode: SampleMode): GrowthSeries[] {
  return SAMPLE_SERVICES.flatMap((services, index) =>
    (Object.keys(GROWTH_FIGURES[mode]) as SampleGrowth[]).map((metric): GrowthSeries => {
      const figure = GROWTH_FIGURES[mode][metric](services);
      const counted = metric === "iptables-rules" || metric === "service-map";
      return { services, metric, values: counted ? [figure] : roundsOf(figure, mode.length + index) };
    }),
  );
}

function roundsOf(middle: number, shift: number): number[] {
  return ROUNDS.map((_, round) => Number((middle * ROUNDS[(round + shift) % ROUNDS.length]!).toPrecision(6)));
}

/** Bounds a tenth apart around the median, with a tail. */
function histogramOf(median: number): [number, number][] {
  const counts = [40, 900, 5200, 9800, 6100, 2400, 800, 260, 90, 40, 12, 3];
  return counts.map((count, index) => [Math.round(median * (0.7 + index * 0.1)), count]);
}

function sampleInventory(mode: SampleMode, tunnel: Tunnel): Inventory {
  const { switches, services } = MODE_CONTRACTS[mode];
  const config = Object.entries(modeConfig({ mode, tunnel, version: "1.20.2" }));
  const nodes = ["control-plane", "worker", "worker2"].map((name) => `cilium-${mode}-${name}`);
  return {
    settings: {
      kubeProxyReplacement: String(switches.kubeProxyReplacement),
      "bpf.masquerade": String(switches.bpfMasquerade),
      tunnel,
      "cilium.version": "1.20.2",
    },
    config: Object.fromEntries([
      ["cluster-name", mode],
      ["ipam", "cluster-pool"],
      ...config.filter((entry): entry is [string, string] => entry[1] !== null),
    ]),
    nodes: nodes.map((node) => nodeInventory(node, mode, tunnel)),
    components: nodes.flatMap((node, index): Inventory["components"] => [
      { component: "cilium-agent", node, memoryMiB: 212.4 + index, cpuMillis: 31 },
      ...(index === 0 ? [{ component: "cilium-operator" as const, node, memoryMiB: 58.1, cpuMillis: 3 }] : []),
      ...(services === "kube-proxy"
        ? [{ component: "kube-proxy" as const, node, memoryMiB: 27.8 + index, cpuMillis: 4 }]
        : []),
    ]),
    walks: (Object.keys(SCENARIOS) as Scenario[]).map((scenario) => traceOf(scenario, mode, tunnel)),
  };
}

function nodeInventory(node: string, mode: SampleMode, tunnel: Tunnel): NodeInventory {
  const contract = MODE_CONTRACTS[mode];
  const isKubeProxys = contract.services === "kube-proxy";
  return {
    node,
    iptables: {
      "kube-proxy": isKubeProxys ? { chains: 34, rules: 92 } : { chains: 0, rules: 0 },
      Cilium: contract.masquerading === "BPF" ? { chains: 9, rules: 12 } : { chains: 9, rules: 24 },
      kubelet: { chains: 2, rules: 4 },
      others: { chains: 3, rules: 6 },
    },
    nftables: isKubeProxys ? ["ip docker"] : [],
    services: isKubeProxys ? { ClusterIP: 12 } : { ClusterIP: 12, NodePort: 6 },
    interfaces: [
      { name: "lo", count: 1, queueing: "noqueue" },
      { name: "eth0", count: 1, queueing: "noqueue" },
      { name: "cilium_host", count: 1, queueing: "noqueue" },
      { name: "cilium_net", count: 1, queueing: "noqueue" },
      ...(tunnel === "disabled" ? [] : [{ name: `cilium_${tunnel}`, count: 1, queueing: "noqueue" }]),
      { name: "veth", count: 4, queueing: "noqueue" },
    ],
  };
}

/** A trace on the mode's expected path. */
function traceOf(scenario: Scenario, mode: RoutingMode, tunnel: Tunnel): TraceSummary {
  const path = expectedPath({ ...MODE_CONTRACTS[mode], tunnel, ...WAYS[scenario] });
  const stations = (hops: readonly ExpectedHop[]) =>
    hops.map(({ role, direction }) => `${role}${direction === "out" ? ">" : "<"}`);
  const changed = scenario === "outside" ? "source" : "destination";
  return {
    scenario,
    verdict: "pass",
    request: stations(path?.request ?? []),
    reply: stations(path?.reply ?? []),
    rewrites: path?.rewriter === undefined ? [] : [`${changed} by ${path.rewriter}`],
    ttl: scenario === "same-node" || tunnel !== "disabled" ? 63 : 62,
    netfilter: MODE_CONTRACTS[mode].hostRouting === "Legacy",
  };
}

const NET = { node: "worker", pod: "net" };
const NEAR = { node: "worker", pod: "near" };
const FAR = { node: "worker2", pod: "far" };
const POD = { kind: "pod", ...NET } as const;

const WAYS: Record<Scenario, Pick<PathFacts, "sender" | "target" | "arrived">> = {
  "same-node": { sender: POD, target: { kind: "pod", ...NEAR }, arrived: NEAR },
  "cross-node": { sender: POD, target: { kind: "pod", ...FAR }, arrived: FAR },
  clusterip: { sender: POD, target: { kind: "clusterIP" }, arrived: FAR },
  "nodeport-own": { sender: POD, target: { kind: "nodePort", node: "worker" }, arrived: FAR },
  "nodeport-other": { sender: POD, target: { kind: "nodePort", node: "worker2" }, arrived: FAR },
  "node-nodeport": {
    sender: { kind: "node", node: "worker" },
    target: { kind: "nodePort", node: "worker" },
    arrived: FAR,
  },
  "host-nodeport": { sender: { kind: "machine" }, target: { kind: "nodePort", node: "worker2" }, arrived: FAR },
  outside: { sender: POD, target: { kind: "outside" }, arrived: undefined },
};

/** Two series of one metric, of which less is better. */
export const contrast = (
  values: readonly number[],
  reference: readonly number[],
  other: Partial<Contrast> = {},
): Contrast => ({
  values,
  reference,
  better: "lower",
  isCount: false,
  family: "one",
  ...other,
});
