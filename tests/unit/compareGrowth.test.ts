import { spawn, spawnSync } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { PassThrough } from "node:stream";
import type { V1EndpointSlice, V1Namespace, V1Pod, V1Service } from "@kubernetes/client-node";
import type { AttachableCluster } from "../../cluster/read";
import type { ServiceWriter } from "../../cluster/services";
import { prepareGrowth } from "../../compare/measure/growth";
import type { GrowthOptions, GrowthTarget } from "../../compare/measure/growthSingle";
import { parseConnections, timeConnections, watch, type Origin } from "../../compare/measure/growthProbes";
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
import type { Session } from "../../cluster/podExec";

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

function session(): Session & { stdout: PassThrough; stderr: PassThrough } {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const end = () => {
    stdout.end();
    stderr.end();
  };
  return { stdout, stderr, end };
}

/** A pod or node whose commands do to {@link FakeWriter} what they would do to a cluster. */
function commandsOn(writer: FakeWriter, has = "/usr/bin/sockperf") {
  const commands: string[][] = [];
  const counters = { watching: 0, serving: 0 };
  const start = (command: readonly string[]): Session => {
    commands.push([...command]);
    const it = session();
    const [program, , script, ...args] = command;
    const say = (text: string) => {
      it.stdout.write(text);
      it.end();
    };
    if (program === "perl" && script!.includes("EINPROGRESS")) {
      const [address] = args;
      counters.watching += 1;
      writer.log.push(`watch ${address}`);
      const tell = () => {
        const pod = writer.podAt(address!);
        if (pod !== undefined) it.stdout.write(`answer ${pod}\n`);
      };
      writer.changes.add(tell);
      it.stdout.write("ready\n");
      tell();
      return {
        ...it,
        end() {
          counters.watching -= 1;
          writer.changes.delete(tell);
          it.end();
        },
      };
    }
    if (program === "perl") {
      const [passes, , ...addresses] = args;
      say(
        Array.from({ length: Number(passes) }, () => `connected ${addresses.map(() => "12.5").join(" ")}\n`).join(""),
      );
    } else if (script!.includes("command -v")) say(`${has}\n`);
    else if (script!.includes("sockperf server")) {
      counters.serving += 1;
      it.stdout.write("ready\n");
      return {
        ...it,
        end() {
          counters.serving -= 1;
          it.end();
        },
      };
    } else say("sockperf: ---> percentile 50.000 =   41.5\nsockperf: ---> percentile 99.000 =   99.5\n");
    return it;
  };
  return { start, commands, counters };
}

/** The agent counts five rules and one frontend for each Service. */
function targetOf(writer: FakeWriter, pod = commandsOn(writer), node?: ReturnType<typeof commandsOn>): GrowthTarget {
  const agent = { metadata: { name: "cilium-x" }, spec: { nodeName: client!.node } } as V1Pod;
  const cluster = {
    pods: async () => [agent],
    exec: async () => ({ exitCode: 0, stdout: `${5 * writer.services.size}\n${writer.services.size}\n`, stderr: "" }),
    start: (_namespace: string, _pod: string, _container: string, command: readonly string[]) => pod.start(command),
    ...(node && { startOnNode: (_node: string, command: readonly string[]) => node.start(command) }),
  } as unknown as AttachableCluster;
  return { cluster, services: writer, client: client!, server: server!, otherServer: otherServer!, serviceCidr: CIDR };
}

const QUICK: GrowthOptions = { samples: 2, passes: 3, connections: 4, quietMs: 0, settleMs: 0 };

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

  it("refuses a namespace that this project did not create", async () => {
    const writer = new FakeWriter();
    writer.namespaceObject = { metadata: { labels: {} } };
    await expect(removeAll(writer)).rejects.toThrow(
      "The namespace cilium-modes-growth was not created by this project: it lacks the label app.kubernetes.io/managed-by=cilium-modes",
    );
    expect(writer.log).toEqual([]);
  });
});

describe("a watch of an address", () => {
  const origin = (it: Session): Origin => ({ name: "net", start: () => it });

  it("returns the time of a pod's first answer, also after the answer", async () => {
    const it = session();
    const { ready, answerOf } = watch(origin(it), "10.96.9.9", 80, 60);
    it.stdout.write("ready\nanswer a\n");
    await ready;
    const [a, later] = [await answerOf("a", 1), answerOf("b", 1)];
    it.stdout.write("answer b\n");
    expect(await later).toBeGreaterThanOrEqual(a);
    expect(await answerOf("a", 1)).toBe(a);
    it.end();
  });

  it("reports where and why it ended", async () => {
    const it = session();
    const { ready, answerOf } = watch(origin(it), "10.96.9.9", 80, 60);
    it.stderr.write("sh: perl: not found\n");
    it.end();
    await expect(ready).rejects.toThrow("net cannot watch 10.96.9.9: sh: perl: not found");
    await expect(answerOf("a", 1)).rejects.toThrow("perl: not found");
  });

  it("times out without an answer", async () => {
    const it = session();
    const { answerOf } = watch(origin(it), "10.96.9.9", 80, 60);
    await expect(answerOf("a", 0.01)).rejects.toThrow("net gets no answer of a at 10.96.9.9 within 0.01 s");
    it.end();
  });
});

describe("timed connections", () => {
  it("are the median of each complete pass", () => {
    expect(parseConnections("connected 1.0 9.0 2.0\nconnected 4.0 5.0 6.0\nconnected 7.0\n", 3)).toEqual([2, 5]);
  });

  it("report refused connections", async () => {
    const it = session();
    it.stderr.write("no connection to 10.96.9.9: Connection refused\n");
    it.end();
    await expect(timeConnections({ name: "net", start: () => it }, ["10.96.9.9"], 80, 2)).rejects.toThrow(
      "net: no connection to 10.96.9.9: Connection refused",
    );
  });
});

const hasPerl = spawnSync("perl", ["-MSocket", "-e", "1"]).status === 0;

(hasPerl ? describe : describe.skip)("the scripts that run in pods", () => {
  const here: Origin = {
    name: "here",
    start([program, ...args]) {
      const { stdin, stdout, stderr } = spawn(program!, args, { stdio: "pipe", env: { ...process.env, LC_ALL: "C" } });
      return { stdout, stderr, end: () => void stdin.end() };
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

  it("report each pod that answers, until they are ended", async () => {
    pod = "server-a";
    const { ready, answerOf, end } = watch(here, "127.0.0.1", port, 20);
    await ready;
    const first = await answerOf("server-a", 5);
    pod = "server-b";
    expect(await answerOf("server-b", 5)).toBeGreaterThan(first);
    end();
    await expect(answerOf("server-c", 5)).rejects.toThrow("here cannot watch 127.0.0.1: the command exited");
  });

  it("continue before a server listens", async () => {
    const late = createServer((_, response) => response.end("PodName: late | PodIP: eth0 none\n"));
    await new Promise<void>((resolve) => late.listen(0, "127.0.0.1", resolve));
    const { port: free } = late.address() as AddressInfo;
    await new Promise((resolve) => late.close(resolve));
    const { ready, answerOf, end } = watch(here, "127.0.0.1", free, 20);
    await ready;
    await expect(answerOf("late", 0.1)).rejects.toThrow("no answer");
    await new Promise<void>((resolve) => late.listen(free, "127.0.0.1", resolve));
    await answerOf("late", 5);
    end();
    late.close();
  });

  it("time the requested passes, or report the failed connection", async () => {
    const medians = await timeConnections(here, ["127.0.0.1", "127.0.0.1"], port, 3);
    expect(medians).toHaveLength(3);
    for (const each of medians) expect(each).toBeGreaterThan(0);
    await expect(timeConnections(here, ["127.0.0.1"], 1, 3)).rejects.toThrow("here: no connection to 127.0.0.1");
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
    await run.growTo(1);
    expect(writer.addresses()).toEqual(["10.96.255.254"]);
  });

  it("grows to each number; its last Service is created last and has a server", async () => {
    const writer = new FakeWriter();
    const run = await prepareGrowth(targetOf(writer), undefined, QUICK);
    await run.growTo(1);
    await run.growTo(40);
    await run.growTo(40);
    expect(writer.services.size).toBe(40);
    expect(new Set(writer.addresses()).size).toBe(40);
    const answering = writer
      .addresses()
      .flatMap((address, index) => (writer.podAt(address) === server!.pod ? index : []));
    expect(answering).toEqual([0, 9, 19, 29, 39]);
    const address = writer.services.get("crowd-00039")!.spec!.clusterIP!;
    expect(writer.log.slice(-3)).toEqual(["create crowd-00039", "fill crowd-00039", `watch ${address}`]);
    await expect(run.growTo(10)).rejects.toThrow("The cluster has 40 Services already, more than 10");
  });

  it("measures everything from the pod and its node, and keeps the number of Services", async () => {
    const writer = new FakeWriter();
    const [pod, node] = [commandsOn(writer), commandsOn(writer)];
    const run = await prepareGrowth(targetOf(writer, pod, node), undefined, QUICK);
    await run.growTo(10);
    const series = await run.measure();
    expect(run.omitted()).toEqual([]);
    expect(series.map(({ metric, services, values }) => [metric, services, values.length])).toEqual([
      ["iptables-rules", 10, 1],
      ["service-map", 10, 1],
      ["first-connection", 10, 3],
      ["first-connection-from-node", 10, 3],
      ["kept-connection", 10, 3],
      ["new-service", 10, 2],
      ["endpoint-change", 10, 2],
      ["new-service-from-node", 10, 2],
      ["endpoint-change-from-node", 10, 2],
    ]);
    expect(series.slice(0, 5).map(({ values }) => values[0])).toEqual([50, 10, 12.5, 12.5, 41.5]);
    expect(writer.services.size).toBe(10);
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
    await run.growTo(1);
    const series = await run.measure();
    expect(series.slice(0, 3).map(({ metric, values }) => [metric, values])).toEqual([
      ["iptables-rules", [5]],
      ["nftables-rules", [2]],
      ["service-map", [1]],
    ]);
  });

  it("connects before the Service is created, and changes the endpoint after the first answer", async () => {
    const writer = new FakeWriter();
    const run = await prepareGrowth(targetOf(writer, commandsOn(writer, "")), undefined, { ...QUICK, samples: 1 });
    await run.growTo(1);
    writer.log.length = 0;
    await run.measure();
    expect(run.omitted()).toEqual([
      "request and response on a kept connection, median, with 1 Services: the workload's image has no sockperf",
    ]);
    expect(writer.log).toEqual([
      "watch 10.96.255.252",
      "create single-1",
      "fill single-1",
      "replace single-1",
      "delete single-1",
    ]);
    await run.measure();
    expect(run.omitted()).toHaveLength(1);
  });

  it("omits failed measurements with reasons, and deletes their Service", async () => {
    const writer = new FakeWriter();
    const pod = commandsOn(writer);
    const run = await prepareGrowth(targetOf(writer, pod), undefined, QUICK);
    await run.growTo(2);
    writer.replaceEndpoints = () => Promise.reject(new Error("refused"));
    const series = await run.measure();
    expect(run.omitted()).toEqual([
      "time until a new Service answers a pod, time until a Service's changed endpoint answers a pod, with 2 Services: refused",
    ]);
    expect(series.map(({ metric }) => metric)).not.toContain("new-service");
    expect(writer.services.size).toBe(2);
    expect(pod.counters.watching).toBe(0);
  });

  it("fails with the reason if it is aborted, and can be removed", async () => {
    const writer = new FakeWriter();
    const abort = new AbortController();
    const run = await prepareGrowth(targetOf(writer), abort.signal, QUICK);
    await run.growTo(3);
    writer.replaceEndpoints = async () => abort.abort(new Error("interrupted"));
    await expect(run.measure()).rejects.toThrow("interrupted");
    await expect(run.growTo(20)).rejects.toThrow("interrupted");
    await run.remove();
    expect(writer.services.size).toBe(0);
    expect(writer.namespaceObject).toBeUndefined();
  });

  it("fails if the service network is too small", async () => {
    const target = { ...targetOf(new FakeWriter()), serviceCidr: "10.96.0.0/29" };
    const run = await prepareGrowth(target, undefined, QUICK);
    await expect(run.growTo(6)).rejects.toThrow(
      "the service network 10.96.0.0/29 has only 5 free addresses, too few for 6 Services",
    );
  });
});
