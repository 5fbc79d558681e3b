import { spawn, spawnSync } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { PassThrough } from "node:stream";
import type { V1EndpointSlice, V1Namespace, V1Pod, V1Service } from "@kubernetes/client-node";
import type { AttachableCluster } from "../../cluster/read";
import type { ServiceWriter } from "../../cluster/services";
import { prepareGrowth, type GrowthRun } from "../../compare/measure/growth";
import { takeTurns, type GrowthOptions, type GrowthTarget, type Steps } from "../../compare/measure/growthSingle";
import type { GrowthMetricId } from "../../compare/results";
import { startProber, type Origin } from "../../compare/measure/growthProbes";
import {
  createAll,
  endpointsOf,
  evenly,
  freeAddresses,
  nearest,
  removeAll,
  serviceOf,
  syntheticEndpoint,
  type GrowthService,
} from "../../compare/measure/growthServices";
import type { Conversation } from "../../cluster/podExec";

const CIDR = "10.96.0.0/16";
const OWN = { "app.kubernetes.io/managed-by": "cilium-modes" };
const [client, server, otherServer] = [
  { pod: "net", node: "worker", address: "10.0.1.1" },
  { pod: "server-a", node: "control-plane", address: "10.0.0.2" },
  { pod: "server-b", node: "worker", address: "10.0.1.2" },
];

/** What the API server has, and what it was asked in which order. */
class FakeWriter implements ServiceWriter {
  readonly log: string[] = [];
  readonly services = new Map<string, V1Service>();
  readonly slices = new Map<string, V1EndpointSlice>();
  readonly changes = new Set<() => void>();
  namespaceObject: V1Namespace | undefined;

  async namespace() {
    return this.namespaceObject;
  }
  async deleteNamespace(name: string) {
    this.log.push(`delete namespace ${name} with ${this.services.size} services`);
    this.namespaceObject = undefined;
  }
  async createNamespace(namespace: V1Namespace) {
    this.log.push(`create namespace ${namespace.metadata!.name}`);
    this.namespaceObject = namespace;
  }
  async serviceAddresses() {
    return ["10.96.0.1", "None", "10.96.255.253", ...this.addresses()];
  }
  async serviceNames() {
    return [...this.services.keys()];
  }
  async createService(service: V1Service) {
    const taken = this.addresses().includes(service.spec!.clusterIP!);
    if (taken) throw new Error(`${service.spec!.clusterIP} is taken`);
    this.note("create", service.metadata!.name!, () => this.services.set(service.metadata!.name!, service));
  }
  async createEndpoints(slice: V1EndpointSlice) {
    this.note("fill", slice.metadata!.name!, () => this.slices.set(slice.metadata!.name!, slice));
  }
  async replaceEndpoints(slice: V1EndpointSlice) {
    this.note("replace", slice.metadata!.name!, () => this.slices.set(slice.metadata!.name!, slice));
  }
  async deleteService(_namespace: string, name: string) {
    this.note("delete", name, () => {
      this.services.delete(name);
      this.slices.delete(name);
    });
  }
  async deleteServices(_namespace: string, labelSelector: string) {
    const [label, value] = labelSelector.split("=");
    for (const all of [this.services, this.slices])
      for (const [name, { metadata }] of all) if (metadata?.labels?.[label!] === value) all.delete(name);
  }
  /** The pod that answers at an address. */
  podAt(address: string): string | undefined {
    const name = [...this.services.values()].find(({ spec }) => spec?.clusterIP === address)?.metadata?.name;
    const target = this.slices.get(name ?? "")?.endpoints[0]?.addresses[0];
    return [server, otherServer].find((each) => each!.address === target)?.pod;
  }
  addresses() {
    return [...this.services.values()].map(({ spec }) => spec!.clusterIP!);
  }
  private note(verb: string, name: string, change: () => void) {
    change();
    this.log.push(`${verb} ${name}`);
    for (const each of this.changes) each();
  }
}

function session(): Conversation & { stdout: PassThrough; stderr: PassThrough; sent: string[] } {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const end = () => {
    stdout.end();
    stderr.end();
  };
  const sent: string[] = [];
  return { stdout, stderr, sent, send: (line) => void sent.push(line), end };
}

/** A pod or node whose commands do to {@link FakeWriter} what they would do to a cluster. */
function commandsOn(writer: FakeWriter, has = "/usr/bin/sockperf") {
  const commands: string[][] = [];
  const counters = { watching: 0, serving: 0 };
  const start = (command: readonly string[]): Conversation => {
    commands.push([...command]);
    const it = session();
    const [program, , script] = command;
    if (program === "perl") {
      let stop: (() => void) | undefined;
      const send = (line: string) => {
        const [id, what, address, ...more] = line.split(" ");
        if (what === "connect") it.stdout.write(`${id} connected ${more.map(() => "12.5").join(" ")}\n`);
        else if (what === "watch") {
          counters.watching += 1;
          writer.log.push(`watch ${address}`);
          const tell = () => {
            const pod = writer.podAt(address!);
            if (pod !== undefined) it.stdout.write(`${id} answer ${pod}\n`);
          };
          writer.changes.add(tell);
          stop = () => {
            counters.watching -= 1;
            writer.changes.delete(tell);
          };
          it.stdout.write(`${id} ready\n`);
          tell();
        } else stop!();
      };
      return { ...it, send };
    }
    if (script!.includes("sockperf server")) {
      counters.serving += 1;
      it.stdout.write("ready\n");
      return {
        ...it,
        end() {
          counters.serving -= 1;
          it.end();
        },
      };
    }
    return it;
  };
  const answer = (script: string) =>
    script.includes("command -v")
      ? `${has}\n`
      : "sockperf: ---> percentile 50.000 =   41.5\nsockperf: ---> percentile 99.000 =   99.5\n";
  return { start, answer, commands, counters };
}

/** The agent counts five rules and one frontend for each Service. */
function targetOf(writer: FakeWriter, pod = commandsOn(writer), node?: ReturnType<typeof commandsOn>): GrowthTarget {
  const agent = { metadata: { name: "cilium-x" }, spec: { nodeName: client!.node } } as V1Pod;
  const cluster = {
    pods: async () => [agent],
    exec: async (...[, name, , [, , script]]: [string, string, string, string[]]) => ({
      exitCode: 0,
      stdout: name === client!.pod ? pod.answer(script!) : `${5 * writer.services.size}\n${writer.services.size}\n`,
      stderr: "",
    }),
    start: (_namespace: string, _pod: string, _container: string, command: readonly string[]) => pod.start(command),
    ...(node && { startOnNode: (_node: string, command: readonly string[]) => node.start(command) }),
  } as unknown as AttachableCluster;
  return { cluster, services: writer, client: client!, server: server!, otherServer: otherServer!, serviceCidr: CIDR };
}

const QUICK: GrowthOptions = { connections: 4, quietMs: 0, settleMs: 0 };

const grown = (run: GrowthRun, services: number) => finished(run.growTo(services));

/** The result of steps that one cluster takes alone. */
async function finished<Result>(steps: Steps<Result>): Promise<Result> {
  const [outcome] = await takeTurns([steps], undefined);
  if (outcome!.status === "rejected") throw outcome!.reason;
  return outcome!.value;
}

/** Everything that one cluster measures in a round. */
const measured = (run: GrowthRun, wanted?: ReadonlySet<GrowthMetricId>) => finished(run.measure(wanted));

describe("the addresses of Services", () => {
  it("are allocated from the end of the network, without used ones", () => {
    const { take, left } = freeAddresses(CIDR, ["10.96.255.253", "None", "192.168.0.1"]);
    expect(left).toBe(65_534 - 1);
    expect([take(), take(), take()]).toEqual(["10.96.255.254", "10.96.255.252", "10.96.255.251"]);
  });

  it("are reused if no other is left, without the network's first and last address", () => {
    const addresses = freeAddresses("10.96.0.0/30", []);
    const [first, second] = [addresses.take(), addresses.take()];
    expect([first, second]).toEqual(["10.96.0.2", "10.96.0.1"]);
    expect(() => addresses.take()).toThrow("the service network 10.96.0.0/30 has no free address");
    addresses.giveBack(first);
    expect(addresses.left).toBe(1);
    expect(addresses.take()).toBe(first);
  });
});

describe("synthetic endpoints", () => {
  it("are unique, and have no server", () => {
    const all = Array.from({ length: 5000 }, (_, index) => syntheticEndpoint(index));
    expect(new Set(all.map(({ address, port }) => `${address}:${port}`)).size).toBe(5000);
    const networks = new Set(all.map(({ address }) => address.replace(/\.\d+$/, "")));
    expect([...networks]).toEqual(["192.0.2", "198.51.100", "203.0.113"]);
    const hosts = all.map(({ address }) => Number(address.split(".").at(-1)));
    expect([Math.min(...hosts), Math.max(...hosts)]).toEqual([1, 254]);
  });
});

describe("the Services with a server", () => {
  it.each([
    [1, 4, [0]],
    [3, 4, [0, 1, 2]],
    [8, 4, [1, 3, 5, 7]],
    [10, 4, [1, 4, 6, 9]],
  ])("of %i are spread evenly, at most %i, and include the last", (total, count, expected) => {
    expect(evenly(total, count)).toEqual(expected);
  });

  it("are the nearest existing ones, without duplicates", () => {
    expect(nearest([1, 3, 5, 7], [0, 4, 7])).toEqual([0, 4, 7]);
  });
});

describe("a synthetic Service", () => {
  const one: GrowthService = { name: "a", clusterIp: "10.96.9.9", endpoint: { address: "192.0.2.1", port: 1024 } };

  it("has no selector, and an endpoint for each port by the port's name", () => {
    const service = serviceOf({ ...one, extraPort: 11111 });
    const slice = endpointsOf({ ...one, extraPort: 11111 });
    expect(service.spec).toEqual({
      clusterIP: "10.96.9.9",
      ports: [
        { name: "http", port: 80, protocol: "TCP" },
        { name: "extra", port: 11111, protocol: "TCP" },
      ],
    });
    expect(slice.ports?.map(({ name, port }) => [name, port])).toEqual([
      ["http", 1024],
      ["extra", 11111],
    ]);
    expect(slice.metadata?.labels?.["kubernetes.io/service-name"]).toBe("a");
  });

  it("that is refused ends the creation of all", async () => {
    const writer = new FakeWriter();
    const services = Array.from({ length: 100 }, (_, index) => ({
      ...one,
      name: `s${index}`,
      clusterIp: `10.96.1.${index % 40}`,
    }));
    await expect(createAll(writer, services, undefined)).rejects.toThrow("is taken");
    const made = writer.log.length;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(writer.log).toHaveLength(made);
    expect(writer.services.size).toBeLessThan(60);
  });
});

describe("the removal of Services", () => {
  it("deletes the Services before their namespace", async () => {
    const writer = new FakeWriter();
    writer.namespaceObject = { metadata: { labels: OWN } };
    for (const name of ["a", "b"]) writer.services.set(name, { metadata: { name } });
    await removeAll(writer);
    expect(writer.log).toEqual(["delete a", "delete b", "delete namespace cilium-modes-growth with 0 services"]);
  });

  it("deletes many in parts, and then those without a part", async () => {
    const writer = new FakeWriter();
    const run = await prepareGrowth(targetOf(writer), undefined, QUICK);
    await grown(run, 200);
    writer.services.set("old", { metadata: { name: "old" } });
    writer.log.length = 0;
    await run.remove();
    expect(writer.log).toEqual(["delete old", "delete namespace cilium-modes-growth with 0 services"]);
    expect(writer.slices.size).toBe(0);
  });

  it("deletes each if the API server refuses to delete many", async () => {
    const writer = new FakeWriter();
    const run = await prepareGrowth(targetOf(writer), undefined, QUICK);
    await grown(run, 100);
    writer.deleteServices = () => Promise.reject(new Error("method not allowed"));
    writer.log.length = 0;
    await run.remove();
    expect(writer.log).toHaveLength(101);
    expect(writer.services.size).toBe(0);
  });

  it("refuses a namespace that this project did not create", async () => {
    const writer = new FakeWriter();
    writer.namespaceObject = { metadata: { labels: {} } };
    await expect(removeAll(writer)).rejects.toThrow(
      "The namespace cilium-modes-growth was not created by this project: it lacks the label app.kubernetes.io/managed-by=cilium-modes",
    );
    expect(writer.log).toEqual([]);
  });
});

describe("a prober", () => {
  const proberOf = (it: Conversation) => startProber({ name: "net", start: () => it });

  it("returns the time of a pod's first answer, also after the answer", async () => {
    const it = session();
    const { ready, answerOf } = proberOf(it).watch("10.96.9.9", 80);
    expect(it.sent).toEqual(["1 watch 10.96.9.9 80"]);
    it.stdout.write("1 ready\n1 answer a\n");
    await ready;
    const [a, later] = [await answerOf("a", 1), answerOf("b", 1)];
    it.stdout.write("1 answer b\n");
    expect(await later).toBeGreaterThanOrEqual(a);
    expect(await answerOf("a", 1)).toBe(a);
    it.end();
  });

  it("takes no answer of an earlier watch", async () => {
    const it = session();
    const prober = proberOf(it);
    prober.watch("10.96.9.9", 80).end();
    const { answerOf, end } = prober.watch("10.96.9.9", 80);
    it.stdout.write("1 answer a\n2 ready\n");
    await expect(answerOf("a", 0.05)).rejects.toThrow("net gets no answer of a at 10.96.9.9 within 0.05 s");
    const waiting = answerOf("a", 5);
    end();
    end();
    await expect(waiting).rejects.toThrow("net cannot watch 10.96.9.9: the watch was ended");
    expect(it.sent).toEqual(["1 watch 10.96.9.9 80", "stop", "2 watch 10.96.9.9 80", "stop"]);
    it.end();
  });

  it("reports where and why it ended", async () => {
    const it = session();
    const { ready, answerOf } = proberOf(it).watch("10.96.9.9", 80);
    it.stderr.write("sh: perl: not found\n");
    it.end();
    await expect(ready).rejects.toThrow("net cannot watch 10.96.9.9: sh: perl: not found");
    await expect(answerOf("a", 1)).rejects.toThrow("perl: not found");
  });

  it("times connections, and reports why it cannot", async () => {
    const it = session();
    const prober = proberOf(it);
    const addresses = ["10.96.9.7", "10.96.9.8", "10.96.9.9"];
    const times = [1, 2, 3].map(() => prober.timeConnections(addresses, 80));
    expect(it.sent[1]).toBe("2 connect 80 10.96.9.7 10.96.9.8 10.96.9.9");
    it.stdout.write(
      "1 connected 1.0 9.0 2.0\n2 failed no connection to 10.96.9.9: Connection refused\n3 connected 4\n",
    );
    expect(await times[0]).toBe(2);
    await expect(times[1]).rejects.toThrow("net: no connection to 10.96.9.9: Connection refused");
    await expect(times[2]).rejects.toThrow("net timed 1 of 3 connections");
    it.end();
  });
});

const hasPerl = spawnSync("perl", ["-MSocket", "-e", "1"]).status === 0;

(hasPerl ? describe : describe.skip)("the prober's script", () => {
  const here: Origin = {
    name: "here",
    start([program, ...args]) {
      const { stdin, stdout, stderr } = spawn(program!, args, { stdio: "pipe", env: { ...process.env, LC_ALL: "C" } });
      return { stdout, stderr, send: (line) => void stdin.write(`${line}\n`), end: () => void stdin.end("\n") };
    },
  };
  let pod = "server-a";
  const http = createServer((_, response) => response.end(`PodName: ${pod} | PodIP: eth0 none\n`));
  let port = 0;
  beforeAll(async () => {
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    port = (http.address() as AddressInfo).port;
  });
  afterAll(() => void http.close());

  it("reports each pod that answers, times connections between watches, and ends on request", async () => {
    pod = "server-a";
    const prober = startProber(here);
    const { ready, answerOf, end } = prober.watch("127.0.0.1", port);
    await ready;
    const first = await answerOf("server-a", 5);
    pod = "server-b";
    expect(await answerOf("server-b", 5)).toBeGreaterThan(first);
    end();
    expect(await prober.timeConnections(["127.0.0.1", "127.0.0.1"], port)).toBeGreaterThan(0);
    const again = prober.watch("127.0.0.1", port);
    await again.answerOf("server-b", 5);
    prober.end();
    await expect(again.answerOf("server-c", 5)).rejects.toThrow("here cannot watch 127.0.0.1: the command exited");
  });

  it("watches before a server listens", async () => {
    const late = createServer((_, response) => response.end("PodName: late | PodIP: eth0 none\n"));
    await new Promise<void>((resolve) => late.listen(0, "127.0.0.1", resolve));
    const { port: free } = late.address() as AddressInfo;
    await new Promise((resolve) => late.close(resolve));
    const prober = startProber(here);
    const { ready, answerOf } = prober.watch("127.0.0.1", free);
    await ready;
    await expect(answerOf("late", 0.1)).rejects.toThrow("no answer");
    await new Promise<void>((resolve) => late.listen(free, "127.0.0.1", resolve));
    await answerOf("late", 5);
    prober.end();
    late.close();
  });

  it("reports a failed connection, and goes on", async () => {
    const prober = startProber(here);
    await expect(prober.timeConnections(["127.0.0.1"], 1)).rejects.toThrow("here: no connection to 127.0.0.1");
    expect(await prober.timeConnections(["127.0.0.1"], port)).toBeGreaterThan(0);
    prober.end();
  });
});

describe("measurements that take turns", () => {
  const log: string[] = [];
  beforeEach(() => (log.length = 0));
  async function* steps(name: string, rest: number, count: number): Steps<string> {
    try {
      for (let step = 1; step <= count; step++) {
        log.push(`${name}${step}`);
        yield rest;
      }
      return name;
    } finally {
      log.push(`${name} ends`);
    }
  }
  async function* failing(): Steps<string> {
    yield 0;
    throw new Error("refused");
  }

  it("take one step after the other, and rest together as long as the longest rest", async () => {
    const start = performance.now();
    const outcomes = await takeTurns([steps("A", 40, 2), steps("B", 80, 1), steps("C", 20, 3)], undefined);
    expect(log).toEqual(["A1", "B1", "C1", "A2", "B ends", "C2", "A ends", "C3", "C ends"]);
    // 80, 40 and 20; one after the other they would rest for 220 ms
    expect(performance.now() - start).toBeGreaterThan(135);
    expect(outcomes).toEqual(["A", "B", "C"].map((value) => ({ status: "fulfilled", value })));
  });

  it("continue without one that fails", async () => {
    const [failed, other] = await takeTurns([failing(), steps("B", 0, 3)], undefined);
    expect(failed).toMatchObject({ status: "rejected", reason: new Error("refused") });
    expect(other).toEqual({ status: "fulfilled", value: "B" });
  });

  it("end with what they created if they are interrupted", async () => {
    const abort = new AbortController();
    const turns = takeTurns([steps("A", 60_000, 2), steps("B", 0, 2)], abort.signal);
    setTimeout(() => abort.abort(new Error("Interrupted")), 10);
    await expect(turns).rejects.toThrow("Interrupted");
    expect(log).toEqual(["A1", "B1", "A ends", "B ends"]);
  });
});

describe("a growth series", () => {
  it("first removes leftovers of earlier runs", async () => {
    const writer = new FakeWriter();
    writer.namespaceObject = { metadata: { labels: OWN } };
    writer.services.set("crowd-00000", { metadata: { name: "crowd-00000" }, spec: { clusterIP: "10.96.255.254" } });
    const run = await prepareGrowth(targetOf(writer), undefined, QUICK);
    expect(writer.log).toEqual([
      "delete crowd-00000",
      "delete namespace cilium-modes-growth with 0 services",
      "create namespace cilium-modes-growth",
    ]);
    await grown(run, 1);
    expect(writer.addresses()).toEqual(["10.96.255.254"]);
  });

  it("grows to each number; its last Service is created last and has a server", async () => {
    const writer = new FakeWriter();
    const run = await prepareGrowth(targetOf(writer), undefined, QUICK);
    await grown(run, 1);
    await grown(run, 40);
    await grown(run, 40);
    expect(writer.services.size).toBe(40);
    expect(new Set(writer.addresses()).size).toBe(40);
    const answering = writer
      .addresses()
      .flatMap((address, index) => (writer.podAt(address) === server!.pod ? index : []));
    expect(answering).toEqual([0, 9, 19, 29, 39]);
    const address = writer.services.get("crowd-00039")!.spec!.clusterIP!;
    expect(writer.log.slice(-3)).toEqual(["fill crowd-00039", "create crowd-00039", `watch ${address}`]);
    await expect(grown(run, 10)).rejects.toThrow("The cluster has 40 Services already, more than 10");
  });

  it("measures everything from the pod and its node, and keeps the number of Services", async () => {
    const writer = new FakeWriter();
    const [pod, node] = [commandsOn(writer), commandsOn(writer)];
    const run = await prepareGrowth(targetOf(writer, pod, node), undefined, QUICK);
    await grown(run, 10);
    const series = await measured(run);
    expect(run.omitted()).toEqual([]);
    expect(series.map(({ metric, services, values }) => [metric, services, values.length])).toEqual([
      ["iptables-rules", 10, 1],
      ["service-map", 10, 1],
      ["first-connection", 10, 1],
      ["first-connection-from-node", 10, 1],
      ["kept-connection", 10, 1],
      ["new-service", 10, 1],
      ["endpoint-change", 10, 1],
      ["new-service-from-node", 10, 1],
      ["endpoint-change-from-node", 10, 1],
    ]);
    expect(series.slice(0, 5).map(({ values }) => values[0])).toEqual([50, 10, 12.5, 12.5, 41.5]);
    expect(writer.services.size).toBe(10);
    await run.remove();
    expect([pod.counters, node.counters]).toEqual([
      { watching: 0, serving: 0 },
      { watching: 0, serving: 0 },
    ]);
  });

  it("counts the rules of kube-proxy's nftables too, where the node has them", async () => {
    const writer = new FakeWriter();
    const target = targetOf(writer);
    const table = "table ip kube-proxy {\n\tchain services {\n\t\tjump a\n\t\tjump b\n\t}\n}\n";
    const cluster = { ...target.cluster, onNode: async () => table };
    const run = await prepareGrowth({ ...target, cluster }, undefined, QUICK);
    await grown(run, 1);
    const series = await measured(run);
    expect(series.slice(0, 3).map(({ metric, values }) => [metric, values])).toEqual([
      ["iptables-rules", [5]],
      ["nftables-rules", [2]],
      ["service-map", [1]],
    ]);
  });

  it("connects before the Service is created, and changes the endpoint after the first answer", async () => {
    const writer = new FakeWriter();
    const run = await prepareGrowth(targetOf(writer, commandsOn(writer, "")), undefined, QUICK);
    await grown(run, 1);
    writer.log.length = 0;
    await measured(run);
    expect(run.omitted()).toEqual([
      "request and response on a kept connection, median, with 1 Services: the workload's image has no sockperf",
    ]);
    expect(writer.log).toEqual([
      "watch 10.96.255.252",
      "create single-1",
      "fill single-1",
      "watch 10.96.255.252",
      "replace single-1",
      "delete single-1",
    ]);
    await measured(run);
    expect(run.omitted()).toHaveLength(1);
  });

  it("measures only what is wanted, and what comes with it", async () => {
    const writer = new FakeWriter();
    const run = await prepareGrowth(targetOf(writer), undefined, QUICK);
    await grown(run, 3);
    writer.log.length = 0;
    const metricsOf = async (...wanted: GrowthMetricId[]) =>
      (await measured(run, new Set(wanted))).map(({ metric }) => metric);
    expect(await metricsOf("first-connection")).toEqual(["first-connection"]);
    expect(await metricsOf("service-map")).toEqual(["iptables-rules", "service-map"]);
    expect(writer.log).toEqual([]);
    expect(await metricsOf("kept-connection")).toEqual(["kept-connection"]);
    expect(writer.log).not.toContain("replace single-1");
    expect(await metricsOf("endpoint-change")).toEqual(["new-service", "endpoint-change"]);
  });

  it("lets no cluster apply a change while another measures connections", async () => {
    const log: string[] = [];
    const runs = [];
    for (const name of ["A", "B"]) {
      const writer = new FakeWriter();
      const pod = commandsOn(writer);
      const start = (command: readonly string[]): Conversation => {
        const it = pod.start(command);
        const send = (line: string) => {
          if (line.includes("connect")) log.push(`${name} connects`);
          it.send(line);
        };
        return { ...it, send };
      };
      const answer = (script: string) => {
        if (script.includes("sockperf ping-pong")) log.push(`${name} keeps a connection`);
        return pod.answer(script);
      };
      const run = await prepareGrowth(targetOf(writer, { ...pod, start, answer }), undefined, QUICK);
      await grown(run, 1);
      writer.log.push = (...lines) => log.push(...lines.map((line) => `${name}: ${line}`));
      runs.push(run);
    }
    await takeTurns(
      runs.map((run) => run.measure()),
      undefined,
    );
    expect(log.filter((line) => !/watch|fill/.test(line))).toEqual([
      ...["A connects", "B connects"],
      ...["A: create single-1", "B: create single-1"],
      ...["A keeps a connection", "B keeps a connection"],
      ...["A: replace single-1", "B: replace single-1"],
      ...["A: delete single-1", "B: delete single-1"],
    ]);
  });

  it("omits failed measurements with reasons, and deletes their Service", async () => {
    const writer = new FakeWriter();
    const pod = commandsOn(writer);
    const run = await prepareGrowth(targetOf(writer, pod), undefined, QUICK);
    await grown(run, 2);
    writer.replaceEndpoints = () => Promise.reject(new Error("refused"));
    const series = await measured(run);
    expect(run.omitted()).toEqual([
      "request and response on a kept connection, median, time until a new Service answers a pod, time until a Service's changed endpoint answers a pod, with 2 Services: refused",
    ]);
    expect(series.map(({ metric }) => metric)).not.toContain("new-service");
    expect(writer.services.size).toBe(2);
    expect(pod.counters.watching).toBe(0);
  });

  it("fails with the reason if it is aborted, and can be removed", async () => {
    const writer = new FakeWriter();
    const abort = new AbortController();
    const run = await prepareGrowth(targetOf(writer), abort.signal, QUICK);
    await grown(run, 3);
    writer.replaceEndpoints = async () => abort.abort(new Error("interrupted"));
    await expect(measured(run)).rejects.toThrow("interrupted");
    await expect(grown(run, 20)).rejects.toThrow("interrupted");
    await run.remove();
    expect(writer.services.size).toBe(0);
    expect(writer.namespaceObject).toBeUndefined();
  });

  it("fails if the service network is too small", async () => {
    const target = { ...targetOf(new FakeWriter()), serviceCidr: "10.96.0.0/29" };
    const run = await prepareGrowth(target, undefined, QUICK);
    await expect(grown(run, 6)).rejects.toThrow(
      "the service network 10.96.0.0/29 has only 5 free addresses, too few for 6 Services",
    );
  });
});
