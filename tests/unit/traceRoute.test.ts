import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import type { Places } from "../../datapath/trace/namespaces";
import { readTables } from "../../datapath/trace/lookups";
import type { Packet } from "../../datapath/trace/packets";
import { probeTo, send } from "../../datapath/trace/probe";
import { readService, routeOfNames, routeOfScenario, type ServiceAddress } from "../../datapath/trace/route";
import type { TraceCluster } from "../../datapath/trace/traceCluster";
import type { KubeProxyMode } from "../../modes/kubeProxy";

const NET = { pod: "net", node: "a", address: "10.0.1.5" };
const SERVER = { pod: "server-b", node: "b", address: "10.0.2.7" };
const PLACES: Places = {
  nodes: [
    { node: "a", address: "172.18.0.3" },
    { node: "b", address: "172.18.0.4" },
  ],
  pods: [SERVER, NET],
  servers: [SERVER],
};
const SERVICE: ServiceAddress = { address: "10.96.0.9", port: 80, nodePort: 32_000 };
const INSIDE = ["10.0.0.0/16", "10.96.0.0/16", "10.0.0.0/8"];

const [NET6, SERVER6] = [
  { ...NET, address: "fd00:10:0:1::5" },
  { ...SERVER, address: "fd00:10:0:2::7" },
];
const PLACES6: Places = {
  nodes: [
    { node: "a", address: "fc00::3" },
    { node: "b", address: "fc00::4" },
  ],
  pods: [SERVER6, NET6],
  servers: [SERVER6],
};
const SERVICE6: ServiceAddress = { address: "fd00:10:96::9", port: 80, nodePort: 32_000 };
const INSIDE6 = ["fd00:10::/56", "fd00:10:96::/112"];

const route = (from: string, to: string) => routeOfNames(from, to, PLACES, SERVICE, INSIDE);

/** A cluster in which every command prints this. */
const clusterPrinting = (output: string, code = 0): TraceCluster =>
  ({
    pods: async () => [],
    exec: async () => ({ exitCode: code, stdout: output, stderr: "" }),
    startOnNode: () => {
      const [stdout, stderr] = [new PassThrough(), new PassThrough()];
      stdout.end(output);
      stderr.end();
      return { stdout, stderr, end: () => undefined };
    },
  }) as unknown as TraceCluster;

describe("the route of a trace", () => {
  it.each([
    ["server-b", { kind: "pod", address: SERVER.address, place: SERVER }],
    ["10.0.2.7:80", { kind: "pod", address: SERVER.address, port: 80, place: SERVER }],
    ["serversvc", { kind: "clusterIP", address: SERVICE.address, port: 80 }],
    ["10.96.0.9:80", { kind: "clusterIP", address: SERVICE.address, port: 80 }],
    ["172.18.0.4:32000", { kind: "nodePort", address: "172.18.0.4", port: 32_000, node: "b" }],
    ["192.0.2.1", { kind: "outside", address: "192.0.2.1" }],
    // in the cluster, without an expected path
    ["b", { kind: "other", address: "172.18.0.4" }],
    ["172.18.0.4:6443", { kind: "other", address: "172.18.0.4", port: 6443 }],
    ["10.96.0.1:443", { kind: "other", address: "10.96.0.1", port: 443 }],
    ["10.0.2.99", { kind: "other", address: "10.0.2.99" }],
  ])("--to %s leads from a pod to %j", (to, target) => {
    expect(route("net", to)).toEqual({ sender: { kind: "pod", place: NET }, target });
  });

  it("--from can be a node", () => {
    expect(route("a", "server-b").sender).toEqual({ kind: "node", node: "a" });
  });

  it.each([
    ["nobody", "server-b", /--from must be a pod of the workload or a node: server-b, net, a, b \(got "nobody"\)/],
    ["net", "nobody", /--to must be serversvc, an IPv4 address with an optional :port, or one of server-b, net, a, b/],
    ["net", "10.0.2.7:0", /got "10\.0\.2\.7:0"/],
    ["net", "10.0.2.7; reboot", /--to must be/],
    ["net", "net", /must differ \(both are net\)/],
  ])("--from %s --to %s is an error that lists the possible names", (from, to, words) => {
    expect(() => route(from, to)).toThrow(words);
  });

  it.each([
    ["server-b", { kind: "pod", address: SERVER6.address, place: SERVER6 }],
    ["[fd00:10:0:2::7]:80", { kind: "pod", address: SERVER6.address, port: 80, place: SERVER6 }],
    // another way to write the same
    ["fd00:10:0:2:0:0:0:7", { kind: "pod", address: SERVER6.address, place: SERVER6 }],
    ["[FC00::4]:32000", { kind: "nodePort", address: "fc00::4", port: 32_000, node: "b" }],
    ["serversvc", { kind: "clusterIP", address: SERVICE6.address, port: 80 }],
    ["2001:db8::1", { kind: "outside", address: "2001:db8::1" }],
    ["[fd00:10:96::1]:443", { kind: "other", address: "fd00:10:96::1", port: 443 }],
  ])("--to %s leads by IPv6 to %j", (to, target) => {
    const found = routeOfNames("net", to, PLACES6, SERVICE6, INSIDE6, "ipv6");
    expect(found.target).toEqual({ port: undefined, ...target });
  });

  it.each(["10.0.2.7", "fd00::1:", "[fd00::1", "fd00::1]:80", "[fd00::1]:0", "fe80::1%eth0", "fd00::1;reboot"])(
    "--to %s is no IPv6 address, and an error says the forms of one",
    (to) => {
      expect(() => routeOfNames("net", to, PLACES6, SERVICE6, INSIDE6, "ipv6")).toThrow(
        `--to must be serversvc, an IPv6 address, or [address]:port, or one of server-b, net, a, b (got "${to}")`,
      );
    },
  );

  it("by IPv6, a scenario fails without a pod or a router that has an address beyond its link", async () => {
    const scenario = (name: "cross-node" | "nodeport-own" | "outside", places = PLACES6, said = "") =>
      routeOfScenario(name, clusterPrinting(said), places, SERVICE6, INSIDE6, "ipv6");
    expect((await scenario("nodeport-own")).target).toEqual({
      ...{ kind: "nodePort", address: "fc00::3", port: 32_000, node: "a" },
    });
    await expect(scenario("cross-node", { ...PLACES6, pods: [] })).rejects.toThrow("or has no IPv6 address");
    await expect(scenario("nodeport-own", { ...PLACES6, nodes: [] })).rejects.toThrow("a has no IPv6 address");
    const gateway = (address: string) => scenario("outside", PLACES6, `default via ${address} dev eth0 metric 1024\n`);
    expect((await gateway("fc00::1")).target).toEqual({ kind: "outside", address: "fc00::1" });
    await expect(gateway("fe80::1")).rejects.toThrow("name an address with --to");
  });

  it("takes the Service's address of the family, and says when there is none", async () => {
    const withAddresses = (...clusterIPs: string[]) =>
      ({
        service: async () => ({
          spec: { clusterIP: clusterIPs[0], clusterIPs, ports: [{ port: 80, nodePort: 32_000 }] },
        }),
      }) as unknown as TraceCluster;
    expect(await readService(withAddresses("10.96.0.9", "fd00:10:96::9"), "ipv6")).toEqual(SERVICE6);
    expect(await readService(withAddresses("10.96.0.9", "fd00:10:96::9"), "ipv4")).toEqual(SERVICE);
    await expect(readService(withAddresses("10.96.0.9"), "ipv6")).rejects.toThrow(
      "The service serversvc has no IPv6 address (it has 10.96.0.9)",
    );
  });

  it("a scenario fails if the cluster lacks what it needs", async () => {
    const scenario = (name: "same-node" | "cross-node" | "outside", places = PLACES, said = "") =>
      routeOfScenario(name, clusterPrinting(said), places, SERVICE, INSIDE);
    expect((await scenario("cross-node")).target).toMatchObject({ kind: "pod", place: SERVER });
    await expect(scenario("same-node")).rejects.toThrow("needs a server on a");
    await expect(scenario("cross-node", { ...PLACES, pods: [] })).rejects.toThrow("The pod net is not running");
    const gateway = (address: string) => scenario("outside", PLACES, `default via ${address} dev eth0\n`);
    expect((await gateway("172.18.0.1")).target).toEqual({ kind: "outside", address: "172.18.0.1" });
    expect((await gateway("10.9.0.1")).target.kind).toBe("other");
    await expect(gateway("fe80::1")).rejects.toThrow("name an address with --to");
  });
});

describe("a probe", () => {
  const probe = probeTo("10.96.0.9", 80, 1);
  const sending = (output: string) =>
    send(clusterPrinting(output), { kind: "pod", place: NET }, probe, "10.96.0.9", 80);

  it("has a unique mark, and ports to choose from", () => {
    expect(probe.command).toMatch(/^curl .* --local-port \d+-\d+ http:\/\/10\.96\.0\.9:80\/[\da-f]{32}$/);
    expect(probeTo("10.0.2.7", undefined, 2).command).toMatch(/^ping -n -c 1 -W 2 -p [\da-f]{32} 10\.0\.2\.7$/);
    expect(probeTo("10.0.2.7", 80, 3).mark.data).not.toEqual(probe.mark.data);
  });

  it("has a command for IPv6 whose brackets no shell and no curl takes for a pattern", () => {
    expect(probeTo("fd00:10:96::9", 80, 1).command).toMatch(
      /^curl -g .* --local-port \d+-\d+ 'http:\/\/\[fd00:10:96::9\]:80\/[\da-f]{32}'$/,
    );
    const ping = probeTo("fd00::7", undefined, 2);
    expect(ping.command).toMatch(/^ping -6 -n -c 1 -W 2 -p [\da-f]{32} fd00::7$/);
    expect(ping.mark.protocol).toBe("ICMPv6");
  });

  it.each([
    ["0", true],
    ["28", false],
    ["7", false],
  ])("an exit code %s of its command means answered: %s", async (code, answered) => {
    expect(await sending(`exit code ${code}\n`)).toBe(answered);
  });

  it.each(["exit code 127\n", "exit code 45\n", ""])("fails if its command could not send it: %j", async (said) => {
    await expect(sending(said)).rejects.toThrow("net could not send the probe");
  });
});

describe("the kernel's connection tracking", () => {
  const { packet } = {
    packet: {
      source: "10.0.1.5",
      destination: "172.18.0.1",
      ttl: 64,
      content: { protocol: "ICMP", type: 8, identifier: 7, data: Buffer.alloc(0) },
    } as const,
  };
  const own =
    "icmp 1 29 src=10.0.1.5 dst=172.18.0.1 type=8 code=0 id=7 src=172.18.0.1 dst=172.18.0.3 type=0 code=0 id=7";
  const read = async (output: string) =>
    (await readTables(clusterPrinting(output), "a", { family: "ipv4", packets: [packet] })).kernel;

  it("is filtered for the probe", async () => {
    const others = [own.replaceAll("id=7", "id=77"), own.replace("10.0.1.5", "10.0.1.55"), own.replace("icmp", "udp")];
    expect(await read(`${[own, ...others].join("\n")}\nread\n`)).toEqual([own]);
    expect(await read("read\n")).toEqual([]);
  });

  it("comes with the rules of kube-proxy's nftables where the kernel has translated by them", async () => {
    const table = readFileSync(join(__dirname, "evidence/kube-proxy-1.34.2-nftables.txt"), "utf8");
    const tcp = {
      ...{ source: "172.18.0.3", destination: "172.18.0.2", ttl: 64 },
      content: { protocol: "TCP", syn: true, ack: false, sourcePort: 5, destinationPort: 32000, data: Buffer.alloc(0) },
    } as unknown as Packet;
    const entry = (from: string, port: number) =>
      `tcp 6 9 src=172.18.0.3 dst=172.18.0.2 sport=5 dport=32000 src=${from} dst=172.18.0.3 sport=${port} dport=5`;
    const translated = entry("10.0.2.81", 80);
    const lines = async (kubeProxy?: KubeProxyMode, to = "172.18.0.2:32000", line = translated) => {
      const [address, port] = to.split(":") as [string, string];
      const asked = { address, port: Number(port) };
      const both = `${line}\nread\n`;
      const cluster = { ...clusterPrinting(both), onNode: async () => table };
      const { lookups } = await readTables(cluster, "a", { family: "ipv4", packets: [tcp], asked, kubeProxy });
      return lookups.flatMap(({ table: from, line }) => (from.startsWith("kube-proxy") ? [`${from}: ${line}`] : []));
    };
    expect(await lines("nftables")).toEqual([
      "kube-proxy's nftables: 172.18.0.2:32000/TCP leads to 10.0.0.207:80, 10.0.1.96:80, 10.0.2.81:80",
    ]);
    expect(await lines()).toEqual([]);
    // on the sender's node
    expect(await lines("nftables", "172.18.0.2:32000", entry("172.18.0.2", 32000))).toEqual([]);
    // Cilium has translated this one, before the kernel saw it
    expect(await lines("nftables", "10.96.114.15:80")).toEqual([]);
  });

  it("is filtered for a probe of IPv6 too, whose addresses begin as others do", async () => {
    const [CLIENT, POD] = ["fd00:10:0:1::5", "fd00:10:0:2::7"];
    const tcp = {
      ...{ source: CLIENT, destination: POD, ttl: 64 },
      content: { protocol: "TCP", syn: true, ack: false, sourcePort: 61_001, destinationPort: 80 },
    } as unknown as Packet;
    // as conntrack-tools print it
    const kernel = `tcp      6 119 TIME_WAIT src=${CLIENT} dst=${POD} sport=61001 dport=80 src=${POD} dst=${CLIENT} sport=80 dport=61001 [ASSURED] mark=0 use=1`;
    // as Cilium does (pkg/maps/ctmap/types.go of 1.20.2): without brackets
    const cilium = `TCP OUT ${CLIENT}:61001 -> ${POD}:80 expires=9710 Packets=0 Bytes=0`;
    const others = [
      kernel.replaceAll("61001", "61002"),
      kernel.replaceAll(CLIENT, `${CLIENT}:1`),
      kernel.replaceAll(POD, `${POD}7`),
    ];
    const othersOfCilium = [
      cilium.replace(":61001", ":61002"),
      cilium.replace(CLIENT, `${CLIENT}:1`),
      cilium.replace("TCP", "UDP"),
    ];
    const asked: string[] = [];
    const cluster = clusterPrinting(`${[kernel, ...others].join("\n")}\nread\n`);
    const agent = { metadata: { name: "cilium-a" }, spec: { nodeName: "a" }, status: {} };
    const { lookups } = await readTables(
      {
        ...cluster,
        pods: async () => [agent],
        startOnNode: (node: string, command: readonly string[]) => {
          asked.push(command.at(-1)!);
          return cluster.startOnNode(node, command);
        },
        exec: async (_namespace: string, _pod: string, _container: string, command: readonly string[]) => {
          asked.push(command.at(-1)!);
          const isList = command.at(-1)!.includes("lb list");
          const stdout = isList
            ? "[fd00:10:96::9]:80/TCP (1) [fd00:10:0:2::7]:80/TCP (5) (1)"
            : [cilium, ...othersOfCilium];
          return { exitCode: 0, stdout: [stdout].flat().join("\n"), stderr: "" };
        },
      } as unknown as TraceCluster,
      "a",
      { family: "ipv6", packets: [tcp], asked: { address: "fd00:10:96::9", port: 80 } },
    );
    expect(lookups.map(({ table, line }) => [table, line])).toEqual([
      ["service map", "[fd00:10:96::9]:80/TCP (1) [fd00:10:0:2::7]:80/TCP (5) (1)"],
      ["Cilium's connection tracking", `TCP OUT ${CLIENT}:61001 -> ${POD}:80`],
      ["kernel's connection tracking", kernel.replace(/ +/g, " ")],
    ]);
    expect(asked).toContain("conntrack -L -f ipv6 2>/dev/null && echo read");
    expect(asked.join("\n")).toContain("grep -E '^(\\[fd00:10:96::9\\]:80|\\[::\\]:80)(/| )'");
  });

  it("is undefined if it cannot be read", async () => {
    expect(await read("")).toBeUndefined();
    expect(await read(`${own}\n`)).toBeUndefined();
  });
});
