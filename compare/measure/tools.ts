import { lastLine } from "../../cluster/podExec";
import { BASIC_PATHS, isIpv6Path, PATHS, type Extra, type MetricId, type PathId } from "../results";

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
  /** Default: TCP */
  readonly protocol?: "UDP";
  /** Family of the paths that it measures. Default: both */
  readonly family?: "IPv4" | "IPv6";
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

/** The p-th percentile in the output of a tool. @throws Error if it has none */
function percentilesIn(output: string, program: string): readonly [p50: number, p99: number] {
  const percentile = (of: number) => Number(new RegExp(`percentile ${of}\\.000 =\\s*([\\d.]+)`).exec(output)?.[1]);
  const [p50, p99] = [percentile(50), percentile(99)];
  if (!(p50 > 0 && p99 > 0)) throw new Error(lastLine(output) ?? `${program} printed no percentiles`);
  return [p50, p99];
}

/** Request and response on a kept TCP connection. */
function parseLatency(program: string) {
  return (output: string): ToolResult => {
    const [p50, p99] = percentilesIn(output, program);
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
  };
}

/** A lost datagram ends a run; fewer responses than this have no 99th percentile. */
const LEAST_RESPONSES = 100;

/** Request and response by UDP. */
function parseUdp(program: string) {
  return (output: string): ToolResult => {
    const [p50, p99] = percentilesIn(output, program);
    const [, seconds, count] = /Valid Duration.*RunTime=([\d.]+) sec;.*ReceivedMessages=(\d+)/.exec(output) ?? [];
    if (!(Number(count) >= LEAST_RESPONSES))
      throw new Error(`only ${count ?? "0"} requests were answered: a datagram was lost`);
    return {
      values: new Map([
        ["udp-latency-p50", p50],
        ["udp-latency-p99", p99],
        ["udp-rate", Number(count) / Number(seconds)],
      ]),
    };
  };
}

/** One second has too few packets for the 99th percentile. */
const LATENCY_WARM_UP = 1;

/** Runs sockperf, which takes whole seconds, and ignores the first 0.4 s. */
const pingPong = (options: string, seconds: number, wanted: string) =>
  `${limited(seconds)} sockperf ping-pong ${options} -t ${Math.ceil(seconds)} --full-rtt 2>&1 | grep -E '${wanted}|ERROR|errno|No messages'`;

const latency: Tool = {
  program: "sockperf",
  metrics: ["latency-p50", "latency-p99"],
  port: 11111,
  family: "IPv4",
  server: "sockperf server --tcp -p 11111",
  leastWarmUp: LATENCY_WARM_UP,
  client: (address, port, seconds, warmUp) =>
    [
      "log=$(mktemp) || exit 1",
      pingPong(`--tcp -i ${address} -p ${port} --full-log "$log"`, seconds + warmUp, "percentile (50|99)\\.000"),
      `${COUNT} "$log"`,
      'rm -f "$log"',
    ].join("\n"),
  parse: parseLatency("sockperf"),
};

const udpLatency: Tool = {
  program: "sockperf",
  metrics: ["udp-latency-p50", "udp-latency-p99", "udp-rate"],
  port: 11112,
  protocol: "UDP",
  family: "IPv4",
  server: "sockperf server -p 11112",
  leastWarmUp: LATENCY_WARM_UP,
  client: (address, port, seconds, warmUp) =>
    pingPong(`-i ${address} -p ${port}`, seconds + warmUp, "percentile (50|99)\\.000|Valid Duration"),
  parse: parseUdp("sockperf"),
};

/**
 * Sends requests by IPv6 to the workload's server, each after the last one's response, and prints what sockperf prints:
 * its version in Debian (3.7) has no IPv6. Arguments: tcp or udp, address, port, seconds of warm-up, and seconds.
 */
const ECHO = `use strict; use warnings;
use Socket qw(:DEFAULT IPPROTO_TCP TCP_NODELAY inet_pton pack_sockaddr_in6);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);
my ($protocol, $address, $port, $warm_up, $seconds) = @ARGV;
sub now { clock_gettime(CLOCK_MONOTONIC) }
my $is_tcp = $protocol eq "tcp";
$SIG{PIPE} = "IGNORE";
$SIG{ALRM} = sub { die "ERROR: no response from $address\\n" };
alarm $warm_up + $seconds + 3;
socket(my $socket, PF_INET6, $is_tcp ? SOCK_STREAM : SOCK_DGRAM, 0) or die "ERROR: no socket: $!\\n";
connect($socket, pack_sockaddr_in6($port, inet_pton(AF_INET6, $address))) or die "ERROR: no connection to $address: $!\\n";
if ($is_tcp) {
    setsockopt($socket, IPPROTO_TCP, TCP_NODELAY, 1);
    syswrite $socket, "GET /echo HTTP/1.1\\r\\n\\r\\n";
    my $head = "";
    while ($head !~ /\\r\\n\\r\\n/) { sysread $socket, $head, 4096, length $head or die "ERROR: $address closes the connection\\n" }
}
my $line = "x" x 13 . "\\n";
my ($begin, @took) = now() + $warm_up;
my $sent = now();
while ($sent < $begin + $seconds) {
    syswrite $socket, $line or die "ERROR: cannot send to $address: $!\\n";
    my $text = "";
    do { sysread $socket, $text, 4096, length $text or die "ERROR: no response from $address: $!\\n" } while length $text < length $line;
    my $answered = now();
    push @took, ($answered - $sent) * 1e6 if $sent >= $begin;
    $sent = $answered;
}
@took = sort { $a <=> $b } @took;
my %buckets;
$buckets{int(log($_) / log(${STEP})) + 1}++ for @took;
print "bucket $_ $buckets{$_}\\n" for keys %buckets;
printf "percentile %d.000 = %.3f\\n", $_, $took[$_ / 100 * $#took] for 50, 99;
printf "[Valid Duration] RunTime=%.3f sec; ReceivedMessages=%d\\n", $seconds, scalar @took;`;

const echo = (protocol: "tcp" | "udp", address: string, port: number, seconds: number, warmUp: number) =>
  `${limited(seconds + warmUp)} perl -e '${ECHO}' ${protocol} ${address} ${port} ${warmUp} ${seconds} 2>&1`;

const latencyByIpv6: Tool = {
  program: "perl",
  metrics: latency.metrics,
  port: 80,
  family: "IPv6",
  leastWarmUp: LATENCY_WARM_UP,
  client: (...where) => echo("tcp", ...where),
  parse: parseLatency("perl"),
};

const udpLatencyByIpv6: Tool = {
  program: "perl",
  metrics: udpLatency.metrics,
  port: 80,
  protocol: "UDP",
  family: "IPv6",
  leastWarmUp: LATENCY_WARM_UP,
  client: (...where) => echo("udp", ...where),
  parse: parseUdp("perl"),
};

/** An address in a URL. */
const inUrl = (address: string) => (address.includes(":") ? `[${address}]` : address);

const connections: Tool = {
  program: "wrk",
  metrics: ["connections"],
  port: 80,
  client: (address, port, seconds, warmUp) => {
    const ask = (duration: number) =>
      `${limited(duration)} wrk -t 1 -c 4 -d ${Math.max(1, Math.round(duration))}s -H 'Connection: close' http://${inUrl(address)}:${port}/`;
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

/** The tools of basic measurements, in their order. */
export const TOOLS: readonly Tool[] = [latency, connections, throughput("throughput-1"), throughput("throughput-8")];

/** A tool on a path. */
export interface Measurement {
  readonly path: PathId;
  readonly tool: Tool;
}

/** Everything that one round measures, in this order. */
export function measurementsOf(extras: readonly Extra[]): readonly Measurement[] {
  const has = (extra: Extra) => extras.includes(extra);
  const tools = [latency, latencyByIpv6, ...(has("udp") ? [udpLatency, udpLatencyByIpv6] : []), ...TOOLS.slice(1)];
  const paths = (Object.keys(PATHS) as PathId[]).filter((path) => {
    if (path in BASIC_PATHS) return true;
    if (isIpv6Path(path)) return has("ipv6");
    return has(path === "host" ? "host" : "outside");
  });
  return paths.flatMap((path) => {
    const family = isIpv6Path(path) ? "IPv6" : "IPv4";
    return tools.filter((tool) => (tool.family ?? family) === family).map((tool) => ({ path, tool }));
  });
}

/** The tools of measurements. */
export function toolsIn(measurements: readonly Measurement[]): readonly Tool[] {
  return [...new Set(measurements.map(({ tool }) => tool))];
}
