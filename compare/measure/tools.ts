import { lastLine } from "../../cluster/podExec";
import type { MetricId } from "../results";

/** Result of one run of a tool. */
export interface ToolResult {
  readonly values: ReadonlyMap<MetricId, number>;
  /** Numbers of single latencies by upper bound in µs. */
  readonly histogram?: ReadonlyMap<number, number>;
}

/** A tool that measures between a client and a server. */
export interface Tool {
  readonly program: string;
  readonly metrics: readonly MetricId[];
  /** Port of its server. */
  readonly port: number;
  /** Shell command of its server; undefined if the workload's own server is used. */
  readonly server?: string;
  /** Seconds of warm-up in a benchmark, if not more. Default: 0 */
  readonly leastWarmUp?: number;
  /** Shell command of the client; prints what {@link parse} reads. */
  client(address: string, port: number, seconds: number, warmUpSeconds: number): string;
  /** @throws Error if the output has no result */
  parse(output: string): ToolResult;
}

/** Ends a hanging tool, which would disturb the next measurement. */
const limited = (seconds: number) => `timeout ${Math.ceil(seconds) + 10}`;

const STREAMS = { "throughput-1": 1, "throughput-8": 8 } as const;

/** iperf3 takes whole seconds, and ignores the first ones, in which connections reach their speed. */
function throughput(metric: keyof typeof STREAMS): Tool {
  return {
    program: "iperf3",
    metrics: [metric],
    port: 5201,
    server: "iperf3 -s -p 5201",
    client: (address, port, seconds, warmUp) =>
      `${limited(seconds + warmUp)} iperf3 -c ${address} -p ${port} -P ${STREAMS[metric]} -t ${seconds} -O ${Math.ceil(warmUp)} --connect-timeout 3000 -J`,
    parse(output) {
      const { end, error } = JSON.parse(output.slice(output.indexOf("{"))) as {
        end?: { sum_received?: { bits_per_second: number } };
        error?: string;
      };
      if (end?.sum_received === undefined) throw new Error(error ?? "iperf3 printed no sum");
      return { values: new Map([[metric, end.sum_received.bits_per_second / 1e9]]) };
    },
  };
}

/** Ratio of consecutive bounds of a histogram. */
const STEP = 1.05;

/** Prints the count of each bucket from sockperf's list of packets. */
const COUNT = `awk -F', ' '/^[0-9]/ && $4 > 0 { n[int(log($4) / log(${STEP})) + 1]++ } END { for (i in n) print "bucket", i, n[i] }'`;

const latency: Tool = {
  program: "sockperf",
  metrics: ["latency-p50", "latency-p99"],
  port: 11111,
  server: "sockperf server --tcp -p 11111",
  // one second has too few packets for the 99th percentile
  leastWarmUp: 1,
  // takes whole seconds, and ignores the first 0.4 s
  client: (address, port, seconds, warmUp) =>
    [
      "log=$(mktemp) || exit 1",
      `${limited(seconds + warmUp)} sockperf ping-pong --tcp -i ${address} -p ${port} -t ${Math.ceil(seconds + warmUp)} --full-rtt --full-log "$log" 2>&1 | grep -E 'percentile (50|99)\\.000|ERROR|errno'`,
      `${COUNT} "$log"`,
      'rm -f "$log"',
    ].join("\n"),
  parse(output) {
    const percentile = (of: number) => Number(new RegExp(`percentile ${of}\\.000 =\\s*([\\d.]+)`).exec(output)?.[1]);
    const [p50, p99] = [percentile(50), percentile(99)];
    if (!(p50 > 0 && p99 > 0)) throw new Error(lastLine(output) ?? "sockperf printed no percentiles");
    const buckets = [...output.matchAll(/^bucket (-?\d+) (\d+)$/gm)];
    return {
      values: new Map([
        ["latency-p50", p50],
        ["latency-p99", p99],
      ]),
      histogram: new Map(
        buckets.map(([, step, count]) => [Number((STEP ** Number(step)).toPrecision(4)), Number(count)] as const),
      ),
    };
  },
};

const connections: Tool = {
  program: "wrk",
  metrics: ["connections"],
  port: 80,
  client: (address, port, seconds, warmUp) => {
    const ask = (duration: number) =>
      `${limited(duration)} wrk -t 1 -c 4 -d ${Math.max(1, Math.round(duration))}s -H 'Connection: close' http://${address}:${port}/`;
    const first = warmUp > 0 ? `${ask(warmUp)} >/dev/null 2>&1; ` : "";
    return `${first}${ask(seconds)} 2>&1`;
  },
  parse(output) {
    const rate = Number(/Requests\/sec:\s*([\d.]+)/.exec(output)?.[1]);
    if (!(rate > 0)) throw new Error(lastLine(output) ?? "wrk printed no rate");
    const errors = /Socket errors: .*/.exec(output)?.[0];
    if (errors !== undefined) throw new Error(`wrk reported errors: ${errors}`);
    return { values: new Map([["connections", rate]]) };
  },
};

/** The tools, in the order of measurement. */
export const TOOLS: readonly Tool[] = [latency, connections, throughput("throughput-1"), throughput("throughput-8")];
