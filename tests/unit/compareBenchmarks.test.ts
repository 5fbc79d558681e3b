import { spawn, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { createServer, type AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { Bench, runRounds } from "../../compare/measure/benchmarks";
import { createBenchService } from "../../compare/measure/benchService";
import { endsOf, ipv6EndsOf, measuredPaths, seenClients, type MeasuredPath } from "../../compare/measure/paths";
import { podOrigin, programsOf, scriptsAt, startServers } from "../../compare/measure/servers";
import { BASIC_METRICS, BASIC_PATHS, EXTRAS, PATHS, type Extra, type PathId } from "../../compare/results";
import { measurementsOf, TOOLS, toolsIn } from "../../compare/measure/tools";
import type { AttachableCluster } from "../../cluster/read";

const toolOf = (metric: string) => TOOLS.find(({ metrics }) => metrics.some((each) => each === metric))!;
const toolFor = (path: PathId, metric: string) =>
  measurementsOf(EXTRAS).find((each) => each.path === path && each.tool.metrics.some((own) => own === metric))!.tool;
const MEASUREMENTS = measurementsOf([]);
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

  it("of sockperf 3.7 by UDP has percentiles and a rate, or says that a datagram was lost", () => {
    const udp = toolFor("cross-node", "udp-rate");
    const output = (received: number) =>
      [
        `sockperf: [Valid Duration] RunTime=1.539 sec; SentMessages=${received}; ReceivedMessages=${received}`,
        "sockperf: ---> percentile 99.000 =  151.978",
        "sockperf: ---> percentile 50.000 =   17.893",
      ].join("\n");
    expect([...udp.parse(output(39813)).values]).toEqual([
      ["udp-latency-p50", 17.893],
      ["udp-latency-p99", 151.978],
      ["udp-rate", 39813 / 1.539],
    ]);
    expect(() => udp.parse(output(99))).toThrow("only 99 requests were answered: a datagram was lost");
    const silent = "sockperf: No messages were received from the server. Is the server down?";
    expect(() => udp.parse(silent)).toThrow("No messages were received from the server");
  });

  it("is requested with the streams of the metric", () => {
    expect(toolOf("throughput-8").client("10.0.0.2", 5201, 2, 0.5)).toContain("-P 8 -t 2 -O 1 ");
    expect(toolOf("throughput-1").client("10.0.0.2", 5201, 2, 0.5)).toContain("-P 1 ");
    // sockperf takes whole seconds only
    expect(toolOf("latency-p50").client("10.0.0.2", 11111, 2, 0.5)).toContain("-t 3 ");
  });
});

const hasPerl = spawnSync("perl", ["-MTime::HiRes", "-e", "1"]).status === 0;
const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"));

(hasPerl && hasIpv6 ? describe : describe.skip)("the script that measures latencies by IPv6", () => {
  /** Answers each line by TCP, after a request for a kept connection, and each datagram. */
  const lines = createServer((socket) => {
    socket.once("data", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      socket.on("data", (data) => socket.write(data));
    });
    socket.on("error", () => undefined);
  });
  const datagrams = createSocket("udp6").on("message", (data, { port, address }) => {
    datagrams.send(Buffer.concat([data, Buffer.from(" pod=a")]), port, address);
  });
  beforeAll(async () => {
    await new Promise<void>((resolve) => lines.listen(0, "::1", resolve));
    await new Promise<void>((resolve) => datagrams.bind((lines.address() as AddressInfo).port, "::1", resolve));
  });
  afterAll(() => {
    lines.close();
    datagrams.close();
  });
  const run = async (metric: string, port = (lines.address() as AddressInfo).port) => {
    const tool = toolFor("cross-node-ipv6", metric);
    const child = spawn("sh", ["-c", tool.client("::1", port, 1, 0)], { env: { ...process.env, LC_ALL: "C" } });
    return tool.parse(await text(child.stdout));
  };

  it("has percentiles and single latencies of a kept connection", async () => {
    const { values, histogram } = await run("latency-p50");
    expect([...values.keys()]).toEqual(["latency-p50", "latency-p99"]);
    expect(values.get("latency-p99")!).toBeGreaterThanOrEqual(values.get("latency-p50")!);
    expect(histogram!.size).toBeGreaterThan(0);
  });

  it("has percentiles and a rate by UDP, and counts every response", async () => {
    const { values } = await run("udp-rate");
    expect([...values.keys()]).toEqual(["udp-latency-p50", "udp-latency-p99", "udp-rate"]);
    expect(values.get("udp-rate")!).toBeGreaterThan(0);
  });

  it("says why there is no latency", async () => {
    await expect(run("latency-p50", 1)).rejects.toThrow("ERROR: no connection to ::1: Connection refused");
  });
});

describe("the measurements of a round", () => {
  const metricsOn = (extras: readonly Extra[], path: PathId) =>
    measurementsOf(extras)
      .filter((each) => each.path === path)
      .flatMap(({ tool }) => tool.metrics)
      .toSorted();
  const pathsWith = (extras: readonly Extra[]) => [...new Set(measurementsOf(extras).map(({ path }) => path))];
  const BASIC = Object.keys(BASIC_METRICS).toSorted();

  it("are the basic metrics on the basic paths, unless more is included", () => {
    expect(pathsWith([])).toEqual(Object.keys(BASIC_PATHS));
    expect(measurementsOf([])).toHaveLength(20);
    for (const path of pathsWith([])) expect(metricsOn([], path)).toEqual(BASIC);
  });

  it("have the included paths, by IPv6 with tools that know it", () => {
    expect(pathsWith(["outside"]).at(-1)).toBe("outside-other");
    expect(pathsWith(["host"]).at(-1)).toBe("host");
    expect(pathsWith(["ipv6"]).slice(5)).toEqual(Object.keys(BASIC_PATHS).map((path) => `${path}-ipv6`));
    expect(metricsOn(["ipv6"], "cluster-ip-ipv6")).toEqual(BASIC);
    const programs = measurementsOf(EXTRAS).flatMap(({ path, tool }) => (path.endsWith("-ipv6") ? tool.program : []));
    expect([...new Set(programs)].toSorted()).toEqual(["iperf3", "perl", "wrk"]);
  });

  it("have UDP on every path if it is included", () => {
    for (const path of pathsWith(EXTRAS)) {
      const udp = ["udp-latency-p50", "udp-latency-p99", "udp-rate"];
      expect(metricsOn(EXTRAS, path)).toEqual([...BASIC, ...udp].toSorted());
    }
  });
});

describe("the measured paths", () => {
  const NO_CLIENT = new Error("no client outside the cluster has the tools");
  const cluster = {} as AttachableCluster;
  const service = { clusterIp: "10.96.0.9", nodePortOf: () => 30080, remove: async () => undefined };

  it("lead to the client's own node, to another, through services, and in from outside", () => {
    const ends = endsOf([FAR, NEAR], [FAR, NEAR, CLIENT], NODES);
    const { paths, omitted } = measuredPaths(cluster, ends, service, { outside: async () => "" });
    expect(omitted).toEqual([]);
    expect(paths.map(({ id, address, portOf }) => [id, address, portOf({ port: 80 })])).toEqual([
      ["same-node", "10.0.1.2", 80],
      ["cross-node", "10.0.0.2", 80],
      ["cluster-ip", "10.96.0.9", 80],
      ["node-port", "172.18.0.2", 30080],
      ["outside", "172.18.0.2", 30080],
    ]);
  });

  it("are reported as omitted with one node, or without a client outside", () => {
    const alone = measuredPaths(cluster, endsOf([NEAR], [NEAR, CLIENT], NODES), undefined, { outside: NO_CLIENT });
    expect(alone.paths.map(({ id }) => id)).toEqual(["same-node"]);
    expect(alone.omitted).toEqual(
      (["cross-node", "cluster-ip", "node-port", "outside"] as const).map(
        (path) => `${PATHS[path]}: the cluster has only one node`,
      ),
    );
    const inside = measuredPaths(cluster, endsOf([FAR, NEAR], [FAR, NEAR, CLIENT], NODES), service, {
      outside: NO_CLIENT,
    });
    expect(inside.omitted).toEqual([`${PATHS.outside}: no client outside the cluster has the tools`]);
  });

  const IPV6 = { near: "fd00:10::2", far: "fd00:10:0:1::2", farNode: "fc00::2" };
  const wanted = Object.keys(PATHS) as PathId[];
  const both = {
    ...service,
    clusterIpv6: "fd00:10:96::9",
    nodePortOf: ({ protocol }: { protocol?: "UDP" }) => (protocol ? 30081 : 30080),
  };

  it("lead through another node, between nodes and by IPv6 if that is included", () => {
    const ends = endsOf([FAR, NEAR], [FAR, NEAR, CLIENT], NODES);
    const run = async () => "";
    const { paths, omitted } = measuredPaths(cluster, ends, both, { outside: run, node: run }, { wanted, ipv6: IPV6 });
    expect(omitted).toEqual([]);
    const udp = { port: 11112, protocol: "UDP" } as const;
    expect(paths.slice(5).map(({ id, address, portOf }) => [id, address, portOf({ port: 80 }), portOf(udp)])).toEqual([
      ["outside-other", "172.18.0.3", 30080, 30081],
      ["host", "172.18.0.2", 18080, 11112],
      ["same-node-ipv6", "fd00:10::2", 80, 11112],
      ["cross-node-ipv6", "fd00:10:0:1::2", 80, 11112],
      ["cluster-ip-ipv6", "fd00:10:96::9", 80, 11112],
      ["node-port-ipv6", "fc00::2", 30080, 30081],
      ["outside-ipv6", "fc00::2", 30080, 30081],
    ]);
  });

  it("say why included paths are omitted: no IPv6, no client on the node, one node", () => {
    const ends = endsOf([FAR, NEAR], [FAR, NEAR, CLIENT], NODES);
    const clients = { outside: async () => "", node: new Error("no container nettool runs on this node") };
    expect(measuredPaths(cluster, ends, both, clients, { wanted }).omitted).toEqual([
      `${PATHS.host}: no container nettool runs on this node`,
      "all paths by IPv6: cluster.ipFamily is not dual",
    ]);
    const alone = endsOf([NEAR], [NEAR, CLIENT], NODES);
    const one = measuredPaths(
      cluster,
      alone,
      undefined,
      { outside: NO_CLIENT },
      { wanted, ipv6: { ...IPV6, far: undefined, farNode: undefined } },
    );
    expect(one.paths.map(({ id }) => id)).toEqual(["same-node", "same-node-ipv6"]);
    expect(one.omitted).toEqual(
      wanted.filter((path) => !/^same-node/.test(path)).map((path) => `${PATHS[path]}: the cluster has only one node`),
    );
  });

  it("have the IPv6 addresses of the servers and of the far one's node", async () => {
    const reader = {
      pods: async () => [
        { metadata: { name: "nettool-a" }, status: { podIPs: [{ ip: "10.0.0.2" }, { ip: "fd00:10:0:1::2" }] } },
        { metadata: { name: "nettool-b" }, status: { podIPs: [{ ip: "10.0.1.2" }] } },
      ],
      nodes: async () => [
        {
          metadata: { name: "a" },
          status: {
            addresses: [
              { type: "InternalIP", address: "172.18.0.2" },
              { type: "InternalIP", address: "fc00::2" },
            ],
          },
        },
      ],
    };
    const ends = endsOf([FAR, NEAR], [FAR, NEAR, CLIENT], NODES);
    expect(await ipv6EndsOf(reader, ends)).toEqual({ near: undefined, far: "fd00:10:0:1::2", farNode: "fc00::2" });
  });

  it("show whose address a server sees of a client outside, through its node and through another", async () => {
    const ends = endsOf([FAR, NEAR], [FAR, NEAR, CLIENT], NODES);
    const seenWith = (answers: Readonly<Record<string, string>>) =>
      seenClients(ends, service, {
        address: "172.18.0.9",
        run: async (script) => {
          const [, node] = /http:\/\/([\d.]+):30080\/probe$/.exec(script)!;
          if (answers[node!] === undefined) throw new Error("exit code 28");
          return `pod=nettool-a client=${answers[node!]}:40000\n`;
        },
      });
    expect(await seenWith({ "172.18.0.2": "172.18.0.9", "172.18.0.3": "172.18.0.3" })).toEqual([
      { node: "own", address: "client" },
      { node: "other", address: "node" },
    ]);
    expect(await seenWith({ "172.18.0.3": "10.0.1.7" })).toEqual([{ node: "other", address: "other" }]);
    expect(await seenClients(ends, undefined, { address: "172.18.0.9", run: async () => "" })).toEqual([]);
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
    (await startServers(podOrigin(clusterWith("ready\n"), FAR), PROGRAMS)).end();
    expect(ended).toEqual(["nettool-a"]);
    expect(started[0]).toContain("iperf3 -s -p 5201");
    expect(started[0]).toContain("sockperf server --tcp -p 11111");
    await expect(startServers(podOrigin(clusterWith(""), FAR), new Set(["wrk"]))).rejects.toThrow(
      /nettool-a: the servers .* exited/,
    );
    expect(started[1]).not.toContain("iperf3 -s");
    const origin = { ...podOrigin(clusterWith("ready\n"), FAR), isNode: true };
    (await startServers(origin, PROGRAMS, toolsIn(measurementsOf(EXTRAS)))).end();
    expect(started[2]).toContain("sockperf server -p 11112 ");
    expect(started[2]).toContain("PORT=18080 /usr/local/bin/serve ");
  });
});

describe("scripts on a node", () => {
  const originWith = (output: string, log: string) => ({
    name: "worker",
    start: () => {
      const [stdout, stderr] = [new PassThrough(), new PassThrough()];
      stdout.end(output);
      stderr.end(log);
      return { stdout, stderr, send: () => undefined, end: () => undefined };
    },
  });

  it("return what they print, or fail with what they say instead", async () => {
    expect(await scriptsAt(originWith("42\n", "a warning\n"))("echo 42")).toBe("42\n");
    await expect(scriptsAt(originWith("", "no container nettool runs on this node\n"))("true")).rejects.toThrow(
      "worker: no container nettool runs on this node",
    );
  });
});

describe("benchmarks", () => {
  const RATE = "Requests/sec: 100\n";
  const asked: string[] = [];
  const bench = (name: string, answer: (script: string) => string, programs = PROGRAMS) => {
    const path = (id: PathId): MeasuredPath => ({
      id,
      address: id,
      portOf: ({ port }) => port,
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
    await runRounds(benches, MEASUREMENTS, METHOD, choose as () => undefined, new AbortController().signal);
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
    await runRounds(benches, MEASUREMENTS, METHOD, choose, new AbortController().signal);
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
    await expect(runRounds([one], MEASUREMENTS, METHOD, () => undefined, controller.signal)).rejects.toThrow(
      "Interrupted",
    );
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
  const service = async () =>
    ({ spec: { clusterIP: "10.96.0.9", ports: [{ name: "p80", port: 80, nodePort: 30080 }] } }) as never;

  it("has one server, replaces an earlier one, and can be removed", async () => {
    const calls: string[] = [];
    const created = await createBenchService({ service }, writer(calls) as never, FAR);
    expect([created.clusterIp, created.nodePortOf({ port: 80 })]).toEqual(["10.96.0.9", 30080]);
    expect(calls).toEqual(["delete", "delete", "service", "endpoint 10.0.0.2 80,5201,11111"]);
    await created.remove();
    expect(calls.at(-1)).toBe("delete");
  });

  it("has ports of UDP and addresses of both families if they are measured, and leaves nothing of them", async () => {
    const calls: string[] = [];
    const created: { spec?: unknown; names?: unknown[] } = { names: [] };
    const recording = {
      deleteService: async (_: string, name: string) => void calls.push(`delete ${name}`),
      createService: async ({ spec }: { spec: unknown }) => void (created.spec = spec),
      createEndpoints: async (slice: {
        addressType: string;
        metadata: { name: string };
        endpoints: { addresses: string[] }[];
      }) => void calls.push(`${slice.metadata.name} ${slice.addressType} ${slice.endpoints[0]!.addresses[0]}`),
    };
    const read = async () =>
      ({
        spec: {
          clusterIP: "10.96.0.9",
          clusterIPs: ["10.96.0.9", "fd00:10:96::9"],
          ports: [
            { name: "p80", port: 80, nodePort: 30080 },
            { name: "u80", port: 80, protocol: "UDP", nodePort: 30081 },
          ],
        },
      }) as never;
    const options = { tools: toolsIn(measurementsOf(EXTRAS)), ipv6Address: "fd00:10:0:1::2" };
    const own = await createBenchService({ service: read }, recording as never, FAR, options);
    expect(created.spec).toMatchObject({ ipFamilyPolicy: "RequireDualStack", ipFamilies: ["IPv4", "IPv6"] });
    const { ports } = created.spec as { ports: { name: string; protocol: string }[] };
    expect(ports.map(({ name, protocol }) => `${name} ${protocol}`)).toEqual([
      "p80 TCP",
      "u80 UDP",
      "p5201 TCP",
      "p11111 TCP",
      "u11112 UDP",
    ]);
    expect([own.clusterIpv6, own.nodePortOf({ port: 80 }), own.nodePortOf({ port: 80, protocol: "UDP" })]).toEqual([
      "fd00:10:96::9",
      30080,
      30081,
    ]);
    await own.remove();
    const deleted = ["delete nettool-bench", "delete nettool-bench-ipv6"];
    const slices = ["nettool-bench IPv4 10.0.0.2", "nettool-bench-ipv6 IPv6 fd00:10:0:1::2"];
    expect(calls).toEqual([...deleted, ...slices, ...deleted]);
  });

  it("is removed if its creation fails", async () => {
    const calls: string[] = [];
    await expect(createBenchService({ service }, writer(calls, true) as never, FAR)).rejects.toThrow("refused");
    expect(calls).toEqual(["delete", "delete", "service", "delete", "delete"]);
  });
});
