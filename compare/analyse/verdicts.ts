import { GROWTH_METRICS, METRICS, type Comparison, type GrowthMetricId, type MetricId, type PathId } from "../results";
import { servicesText, type BenchmarkRow, type GrowthRow, type Row } from "./rows";
import { leastChance, SIGNIFICANCE, type Ratio } from "./statistics";
import { amountText, listed, timesText } from "./words";

/** Maximum number of headline sentences. */
const MOST = 8;

/** Headline results: the largest differences first, then where none was shown. */
export function verdictsOf(
  comparison: Comparison,
  reference: string,
  benchmarks: readonly BenchmarkRow[],
  growth: readonly GrowthRow[],
): readonly string[] {
  const [only, second] = comparison.subjects;
  if (only !== undefined && second === undefined)
    return [
      `Only ${only.name} was measured, so there is nothing to compare it with: name two or more stacks, or --baseline`,
    ];
  const rows = [...benchmarks, ...growth];
  if (rows.length === 0) return ["Nothing was measured, so no difference in performance is known"];
  // a sequential comparison has rounds enough by its rule
  const few = comparison.method.stopping === undefined ? tooFewRounds(rows, reference) : undefined;
  const others = few === undefined ? comparison.subjects : [];
  const none = others
    .filter(({ name }) => name !== reference)
    .flatMap(({ name }) => noDifference(name, reference, rows))
    .slice(0, MOST / 2);
  const caveats = few === undefined ? [] : [few];
  const claims = claimsOf(reference, benchmarks, growth).slice(0, MOST - caveats.length - none.length);
  const { cpu, cpus, kernel } = comparison.machine;
  const [first, ...further] = claims.map(({ text }) => text);
  const machine = `On this machine (${cpus} × ${cpu}, Linux ${kernel})`;
  return [...caveats, ...(first === undefined ? [] : [`${machine}, ${lowerCase(first)}`]), ...further, ...none];
}

/** Metrics that mostly follow another one, and therefore rank last. */
const SECONDARY: ReadonlySet<string> = new Set<MetricId>([
  "latency-p99",
  "throughput-8",
  "udp-latency-p99",
  "udp-rate",
]);
const isSecondary = ({ metric }: { readonly metric: string }) => SECONDARY.has(metric);

/** A sentence about a row, and the size of its difference. */
interface Claim {
  readonly text: string;
  readonly size: number;
}

/** The largest difference of each metric, over all paths or with most Services; at most half are growth metrics. */
function claimsOf(
  reference: string,
  benchmarks: readonly BenchmarkRow[],
  growth: readonly GrowthRow[],
): readonly Claim[] {
  const largest = Math.max(0, ...growth.map(({ services }) => services));
  const candidates = [
    ...benchmarks.map((row) => ({ row, words: `${WHERE[row.path]}, ${BENCHMARK_WORDS[row.metric]}` })),
    ...growth
      .filter(({ services, metric }) => services === largest && metric !== "service-map")
      .map((row) => ({ row, words: `At ${servicesText(largest)}, ${GROWTH_WORDS[row.metric]}` })),
  ];
  const claims = candidates.flatMap(({ row, words }) => {
    const claim = claimOf(row, words, reference);
    return claim === undefined ? [] : [{ ...claim, metric: row.metric }];
  });
  claims.sort((left, right) => Number(isSecondary(left)) - Number(isSecondary(right)) || right.size - left.size);
  const largestOf = claims.filter(({ metric }, index) => claims.findIndex((each) => each.metric === metric) === index);
  const beyond = largestOf.filter(({ metric }) => metric in GROWTH_METRICS).slice(MOST / 2);
  return largestOf.filter((claim) => !beyond.includes(claim));
}

function claimOf(row: Row, words: string, reference: string): Claim | undefined {
  const shown = [...row.ratios].filter(([subject, ratio]) => isClaimable(row, subject, reference, ratio));
  const base = row.summaries.get(reference);
  if (shown.length === 0 || base === undefined) return undefined;
  const amounts = shown.map(([subject, ratio]) => {
    const noisy = isNoisy(row, subject, reference) ? "; noisy" : "";
    const times = Number.isFinite(ratio.ratio) ? ` (${timesText(ratio)}${noisy})` : "";
    return `${amountText(row.summaries.get(subject)!.median, row.unit)} in ${subject}${times}`;
  });
  const text = `${words} ${listed([`${amountText(base.median, row.unit)} in ${reference}`, ...amounts])}`;
  return { text, size: Math.max(...shown.map(([, { ratio }]) => Math.abs(Math.log(ratio)))) };
}

/** A difference of noisy values is claimed beyond this ratio, by the nearer end of the interval. */
const BEYOND_NOISE = 1.5;

function isClaimable(row: Row, subject: string, reference: string, { outcome, low, high }: Ratio): boolean {
  const nearest = Math.max(low, 1 / high);
  return outcome !== "no difference" && (!isNoisy(row, subject, reference) || nearest > BEYOND_NOISE);
}

function isNoisy({ summaries }: Row, ...subjects: readonly string[]): boolean {
  return subjects.some((name) => summaries.get(name)?.isNoisy ?? true);
}

function noDifference(subject: string, reference: string, rows: readonly (BenchmarkRow | GrowthRow)[]): string[] {
  const compared = rows.filter(({ better, ratios }) => better !== "neither" && ratios.has(subject));
  const metrics = [...new Set(compared.map(({ metric }) => metric))];
  const alike = metrics.filter((metric) =>
    compared.every((row) => row.metric !== metric || row.ratios.get(subject)!.outcome === "no difference"),
  );
  if (alike.length === 0) return [];
  const names = alike.map((metric) => titleOf(metric));
  const what = alike.length === metrics.length ? "any measurement" : names.join("; ");
  return [`No difference was shown between ${reference} and ${subject} in ${what}`];
}

/** A caveat if there are so few values that chance explains any difference. */
function tooFewRounds(rows: readonly Row[], reference: string): string | undefined {
  const counts = rows.flatMap((row) => {
    const base = row.summaries.get(reference);
    return [...row.ratios].flatMap(([subject, { low, high }]) =>
      base === undefined || low === high ? [] : [[row.summaries.get(subject)!.count, base.count] as const],
    );
  });
  if (counts.length === 0 || counts.some(([own, base]) => leastChance(own, base) < SIGNIFICANCE)) return undefined;
  const rounds = Math.max(...counts.flat());
  return (
    `With ${rounds} ${rounds === 1 ? "round" : "rounds"}, chance explains any difference: use at least 4, or 5 to show a ` +
    "difference on a single path"
  );
}

const titleOf = (metric: MetricId | GrowthMetricId) =>
  metric in METRICS ? METRICS[metric as MetricId].title : GROWTH_METRICS[metric as GrowthMetricId].title;

const lowerCase = (sentence: string) => sentence.charAt(0).toLowerCase() + sentence.slice(1);

const WHERE: Readonly<Record<PathId, string>> = {
  "same-node": "Within a node",
  "cross-node": "Across nodes",
  "cluster-ip": "Through a ClusterIP",
  "node-port": "Through another node's NodePort",
  outside: "From outside through a NodePort",
  "outside-other": "From outside through another node's NodePort",
  host: "Between the nodes themselves",
  "same-node-ipv6": "Within a node by IPv6",
  "cross-node-ipv6": "Across nodes by IPv6",
  "cluster-ip-ipv6": "Through a ClusterIP by IPv6",
  "node-port-ipv6": "Through another node's NodePort by IPv6",
  "outside-ipv6": "From outside through a NodePort by IPv6",
};

const BENCHMARK_WORDS: Readonly<Record<MetricId, string>> = {
  "throughput-1": "one stream carries",
  "throughput-8": "eight streams carry",
  "latency-p50": "a request and its response take",
  "latency-p99": "the slowest request of a hundred takes, with its response,",
  connections: "new connections are served at",
  "udp-latency-p50": "a UDP request and its response take",
  "udp-latency-p99": "the slowest UDP request of a hundred takes, with its response,",
  "udp-rate": "UDP requests are answered, one after the other, at",
};

const GROWTH_WORDS: Readonly<Record<GrowthMetricId, string>> = {
  "iptables-rules": "iptables on the client's node has",
  "nftables-rules": "kube-proxy's nftables on the client's node have",
  "service-map": "Cilium's service map has",
  "new-service": "a new Service answers a pod after",
  "first-connection": "a pod's connection to a Service opens in",
  "kept-connection": "a request and its response on a kept connection to a Service take",
  "endpoint-change": "a changed endpoint of a Service answers a pod after",
  "new-service-from-node": "a new Service answers a node after",
  "first-connection-from-node": "a node's connection to a Service opens in",
  "endpoint-change-from-node": "a changed endpoint of a Service answers a node after",
};
