import { PassThrough } from "node:stream";
import { Bench, runRounds } from "../../compare/measure/benchmarks";
import {
  createBenchService,
  endsOf,
  measuredPaths,
  programsOf,
  startServers,
  type MeasuredPath,
} from "../../compare/measure/paths";
import { PATHS, type PathId } from "../../compare/results";
import { TOOLS } from "../../compare/measure/tools";
import type { AttachableCluster } from "../../cluster/read";

const toolOf = (metric: string) => TOOLS.find(({ metrics }) => metrics.some((each) => each === metric))!;
const METHOD = { rounds: 2, seconds: 1, warmUpSeconds: 0.5 };
const PROGRAMS = new Set(["sockperf", "wrk", "iperf3"]);
const [CLIENT, NEAR, FAR] = [
  { pod: "net", node: "b", address: "10.0.1.1" },
  { pod: "nettool-b", node: "b", address: "10.0.1.2" },
  { pod: "nettool-a", node: "a", address: "10.0.0.2" },
];
const NODES = [
  { node: "a", address: "172.18.0.2" },
  { node: "b", address: "172.18.0.3" },
];

describe("the output of a tool", () => {
  it("of sockperf 3.7 has percentiles and single packets", () => {
    const { values, histogram } = toolOf("latency-p99").parse(
      [
        "sockperf: ---> percentile 99.000 = 1479.252",
        "sockperf: ---> percentile 50.000 =  367.827",
        "bucket 119 7",
        "bucket 3 1",
      ].join("\n"),
    );
    expect([...values]).toEqual([
      ["latency-p50", 367.827],
      ["latency-p99", 1479.252],
    ]);
    expect([...histogram!]).toEqual([
      [332.3, 7],
      [1.158, 1],
    ]);
  });

  it("of wrk 4.1.0 is a rate, or an error if requests failed", () => {
    const wrk = toolOf("connections");
    expect([...wrk.parse("  1027 requests in 2.06s, 135.40KB read\nRequests/sec:    497.69\n").values]).toEqual([
      ["connections", 497.69],
    ]);
    expect(() => wrk.parse("  Socket errors: connect 0, read 0, write 0, timeout 3\nRequests/sec: 4.2")).toThrow(
      "wrk reported errors: Socket errors: connect 0, read 0, write 0, timeout 3",
    );
    expect(() => wrk.parse("unable to connect to 10.0.0.1:80 Connection refused")).toThrow("Connection refused");
  });

  it("of iperf3 3.12 is what the receiver got, or its error", () => {
    const iperf = toolOf("throughput-8");
    const output = JSON.stringify({ end: { sum_received: { bits_per_second: 1589054754.7 } } });
    expect([...iperf.parse(`warning\n${output}`).values]).toEqual([["throughput-8", 1.5890547547]]);
    expect(() => iperf.parse('{"error":"the server is busy running a test"}')).toThrow("the server is busy");
  });

  it("is requested with the streams of the metric", () => {
    expect(toolOf("throughput-8").client("10.0.0.2", 5201, 2, 0.5)).toContain("-P 8 -t 2 -O 1 ");
    expect(toolOf("throughput-1").client("10.0.0.2", 5201, 2, 0.5)).toContain("-P 1 ");
    // sockperf takes whole seconds only
    expect(toolOf("latency-p50").client("10.0.0.2", 11111, 2, 0.5)).toContain("-t 3 ");
  });
});

describe("the measured paths", () => {
  const NO_CLIENT = new Error("no client outside the cluster has the tools");
  const cluster = {} as AttachableCluster;
  const service = { clusterIp: "10.96.0.9", nodePorts: new Map([[80, 30080]]), remove: async () => undefined };

  it("lead to the client's own node, to another, through services, and in from outside", () => {
    const ends = endsOf([FAR, NEAR], [FAR, NEAR, CLIENT], NODES);
    const { paths, omitted } = measuredPaths(cluster, ends, service, async () => "");
    expect(omitted).toEqual([]);
    expect(paths.map(({ id, address, portOf }) => [id, address, portOf(80)])).toEqual([
      ["same-node", "10.0.1.2", 80],
      ["cross-node", "10.0.0.2", 80],
      ["cluster-ip", "10.96.0.9", 80],
      ["node-port", "172.18.0.2", 30080],
      ["outside", "172.18.0.2", 30080],
    ]);
  });

  it("are reported as omitted with one node, or without a client outside", () => {
    const alone = measuredPaths(cluster, endsOf([NEAR], [NEAR, CLIENT], NODES), undefined, NO_CLIENT);
    expect(alone.paths.map(({ id }) => id)).toEqual(["same-node"]);
    expect(alone.omitted).toEqual(
      (["cross-node", "cluster-ip", "node-port", "outside"] as const).map(
        (path) => `${PATHS[path]}: the cluster has only one node`,
      ),
    );
    const inside = measuredPaths(cluster, endsOf([FAR, NEAR], [FAR, NEAR, CLIENT], NODES), service, NO_CLIENT);
    expect(inside.omitted).toEqual([`${PATHS.outside}: no client outside the cluster has the tools`]);
  });

  it("need the client pod", () => {
    expect(() => endsOf([FAR, NEAR], [FAR, NEAR], NODES)).toThrow("the client pod net is not running");
  });

  it("use the tools that the client has", async () => {
    expect(await programsOf(async () => "/usr/bin/wrk\n/usr/bin/iperf3\n")).toEqual(new Set(["wrk", "iperf3"]));
  });

  it("have servers that listen before requests, and end on request", async () => {
    const ended: string[] = [];
    const started: string[] = [];
    const clusterWith = (output: string) =>
      ({
        start(_namespace, pod, _container, command) {
          started.push(command.at(-1)!);
          const [stdout, stderr] = [new PassThrough(), new PassThrough()];
          stdout.end(output);
          return { stdout, stderr, send: () => undefined, end: () => ended.push(pod) };
        },
      }) as Pick<AttachableCluster, "start"> as AttachableCluster;
    (await startServers(clusterWith("ready\n"), FAR, PROGRAMS)).end();
    expect(ended).toEqual(["nettool-a"]);
    expect(started[0]).toContain("iperf3 -s -p 5201");
    expect(started[0]).toContain("sockperf server --tcp -p 11111");
    await expect(startServers(clusterWith(""), FAR, new Set(["wrk"]))).rejects.toThrow(
      /nettool-a: the servers .* exited/,
    );
    expect(started[1]).not.toContain("iperf3 -s");
  });
});

describe("benchmarks", () => {
  const RATE = "Requests/sec: 100\n";
  const asked: string[] = [];
  const bench = (name: string, answer: (script: string) => string, programs = PROGRAMS) => {
    const path = (id: PathId): MeasuredPath => ({
      id,
      address: id,
      portOf: (port) => port,
      run: async (script) => {
        const tool = TOOLS.find(({ program }) => script.includes(`${program} `))!;
        asked.push(`${name} ${id} ${tool.program}`);
        return answer(script);
      },
    });
    const paths = [path("same-node"), path("cross-node")];
    return new Bench(name, paths, new Map(paths.map(({ id }) => [id, programs])), []);
  };
  beforeEach(() => (asked.length = 0));

  it("take turns between clusters at every measurement, and start with another in the next round", async () => {
    const benches = [bench("A", () => RATE, new Set(["wrk"])), bench("B", () => RATE, new Set(["wrk"]))];
    const rounds: number[] = [];
    const choose = (round: number) => void rounds.push(round);
    await runRounds(benches, METHOD, choose as () => undefined, new AbortController().signal);
    expect(rounds).toEqual([1, 2]);
    expect(asked).toEqual([
      "A same-node wrk",
      "B same-node wrk",
      "A cross-node wrk",
      "B cross-node wrk",
      "B same-node wrk",
      "A same-node wrk",
      "B cross-node wrk",
      "A cross-node wrk",
    ]);
    expect(benches[0]!.series()).toEqual([
      { path: "same-node", metric: "connections", values: [100, 100] },
      { path: "cross-node", metric: "connections", values: [100, 100] },
    ]);
    expect(benches[0]!.omitted()).toContain(
      "pod to pod on its own node, throughput, one stream: the workload's image has no iperf3; set nettool.baseImage to one that has it",
    );
  });

  it("leave out clusters and measurements that a round does not need", async () => {
    const wrk = new Set(["wrk"]);
    const benches = ["A", "B", "C"].map((name) => bench(name, () => RATE, wrk));
    const choose = (round: number) =>
      round === 1 ? undefined : (path: PathId) => new Set(path === "same-node" ? ["A", "C"] : []);
    await runRounds(benches, METHOD, choose, new AbortController().signal);
    expect(asked.slice(6)).toEqual(["C same-node wrk", "A same-node wrk"]);
  });

  it("report failures, keep other results, and add up latencies", async () => {
    let calls = 0;
    const half = bench(
      "A",
      () =>
        ++calls === 1 ? "bucket 1 2\npercentile 50.000 = 40\npercentile 99.000 = 90" : "sockperf: ERROR: no route",
      new Set(["sockperf"]),
    );
    for (let round = 0; round < 2; round++) await half.measure("same-node", toolOf("latency-p50"), METHOD);
    expect(half.series()).toEqual([
      { path: "same-node", metric: "latency-p50", values: [40], histogram: [[1.05, 2]] },
      { path: "same-node", metric: "latency-p99", values: [90] },
    ]);
    expect(half.omitted()).toEqual([
      expect.stringMatching(/^pod to pod on its own node, .*: sockperf: ERROR: no route$/),
    ]);
  });

  it("end after the current measurement if they are interrupted", async () => {
    const controller = new AbortController();
    const one = bench("A", () => {
      controller.abort(new Error("Interrupted"));
      return RATE;
    });
    await expect(runRounds([one], METHOD, () => undefined, controller.signal)).rejects.toThrow("Interrupted");
    expect(asked).toHaveLength(1);
  });
});

describe("the measured Service", () => {
  const writer = (calls: string[], fails = false) => ({
    deleteService: async () => void calls.push("delete"),
    createService: async () => void calls.push("service"),
    createEndpoints: async ({
      endpoints,
      ports,
    }: {
      endpoints: { addresses: string[] }[];
      ports?: { port?: number }[];
    }) => {
      if (fails) throw new Error("refused");
      calls.push(`endpoint ${endpoints[0]!.addresses[0]} ${ports!.map(({ port }) => port).join(",")}`);
    },
  });
  const service = async () => ({ spec: { clusterIP: "10.96.0.9", ports: [{ port: 80, nodePort: 30080 }] } }) as never;

  it("has one server, replaces an earlier one, and can be removed", async () => {
    const calls: string[] = [];
    const created = await createBenchService({ service }, writer(calls) as never, FAR);
    expect([created.clusterIp, created.nodePorts.get(80)]).toEqual(["10.96.0.9", 30080]);
    expect(calls).toEqual(["delete", "service", "endpoint 10.0.0.2 80,5201,11111"]);
    await created.remove();
    expect(calls.at(-1)).toBe("delete");
  });

  it("is removed if its creation fails", async () => {
    const calls: string[] = [];
    await expect(createBenchService({ service }, writer(calls, true) as never, FAR)).rejects.toThrow("refused");
    expect(calls).toEqual(["delete", "service", "delete"]);
  });
});
