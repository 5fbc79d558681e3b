import type { Captured } from "../../datapath/trace/capture";
import type { Namespaces } from "../../datapath/trace/namespaces";
import { hopsOf, trafficOf, type Mark } from "../../datapath/trace/legs";
import { translates } from "../../datapath/trace/lookups";
import { parseCapture } from "../../datapath/trace/packets";
import type { Station } from "../../datapath/trace/result";
import { captureOf, icmp, icmpv6, ipv4, ipv6, tcp, vxlan, type CaptureRecord } from "./support/packets";

const DATA = Buffer.from("00112233445566778899aabbccddeeff", "hex");
const OTHER = Buffer.from("ffffffffffffffffffffffffffffffff", "hex");
const PING: Mark = { protocol: "ICMP", data: DATA };
const CONNECTION: Mark = { protocol: "TCP", data: Buffer.from("c0ffee"), ports: [61_000, 61_001] };
const [NET, SERVER, NODE] = ["10.0.1.5", "10.0.2.7", "172.18.0.3"];

const station = (node: string, name: string, role: Station["role"], pod?: string): Station => ({
  node,
  ...(pod === undefined ? {} : { pod }),
  interface: name,
  role,
});

/** Two nodes with a pod each; interfaces 1 to 3 of a node are its eth0, its pod's veth and cilium_host. */
const groundOf = (clocks: readonly [string, string] = ["laptop", "laptop"]): Namespaces => {
  const node = (name: string, clock: string) => ({
    node: name,
    address: NODE,
    clock,
    stations: new Map([
      [1, station(name, "eth0", "device")],
      [2, station(name, "lxc1", "veth")],
      [3, station(name, "cilium_host", "cilium_host")],
    ]),
  });
  const pod = (name: string, on: string, address: string) => ({
    node: on,
    pod: name,
    address,
    clock: "",
    stations: new Map([[1, station(on, "eth0", "pod", name)]]),
  });
  return {
    nodes: [node("a", clocks[0]), node("b", clocks[1])],
    pods: [pod("net", "a", NET), pod("server", "b", SERVER)],
  };
};

const captured = (vantage: Captured["vantage"], ...records: CaptureRecord[]): Captured => {
  const pcap = captureOf(records);
  return { vantage, pcap, dropped: 0, frames: parseCapture(pcap) };
};

const echo = (nanoseconds: number, index: number, out: boolean, ttl = 64, data = DATA): CaptureRecord => ({
  nanoseconds: BigInt(nanoseconds),
  index,
  out,
  packet: ipv4(NET, SERVER, ttl, icmp(8, 7, data)),
});
const answer = (nanoseconds: number, index: number, out: boolean): CaptureRecord => ({
  nanoseconds: BigInt(nanoseconds),
  index,
  out,
  packet: ipv4(SERVER, NET, 64, icmp(0, 7, DATA)),
});

const namesOf = (sightings: readonly { readonly station: Station }[]) =>
  sightings.map(({ station: { node, pod, interface: name } }) => `${pod ?? node}:${name}`);

describe("the packets of a probe", () => {
  it("are ordered by time over all namespaces; at equal times the node's precede the pod's", () => {
    const all = [
      captured({ node: "a" }, echo(30, 1, true), echo(20, 2, false)),
      captured({ node: "b" }, echo(40, 1, false)),
      captured({ node: "a", pod: "net" }, echo(10, 1, true)),
      captured({ node: "b", pod: "server" }, echo(40, 1, false), answer(50, 1, true)),
    ];
    const { request, reply } = trafficOf(all, groundOf(), PING);
    expect(namesOf(request)).toEqual(["net:eth0", "a:lxc1", "a:eth0", "b:eth0", "server:eth0"]);
    expect(namesOf(reply)).toEqual(["server:eth0"]);
  });

  it("exclude other packets", () => {
    const all = [captured({ node: "a" }, echo(1, 1, true, 64, OTHER), echo(2, 3, true), echo(3, 99, true))];
    expect(namesOf(trafficOf(all, groundOf(), PING).request)).toEqual(["a:cilium_host"]);
  });

  it("exclude frames that a bridge flooded to a device, but not those that a tunnel delivers to a pod", () => {
    const forOther = (index: number) => ({ ...echo(index, index, false), forOther: true });
    const all = [captured({ node: "a" }, forOther(1), forOther(3))];
    expect(namesOf(trafficOf(all, groundOf(), PING).request)).toEqual(["a:cilium_host"]);
  });

  it("are ordered from node to node if the nodes' clocks differ, also in a tunnel, which keeps the TTL", () => {
    const tunnelled = (nanoseconds: number, index: number, out: boolean, ttl: number) => ({
      ...echo(nanoseconds, index, out, ttl),
      packet: ipv4(NODE, "172.18.0.4", 64, vxlan(8472, ipv4(NET, SERVER, ttl, icmp(8, 7, DATA)))),
    });
    const all = [
      captured({ node: "b" }, tunnelled(1, 1, false, 64), echo(2, 3, false, 64), echo(3, 2, true, 63)),
      captured({ node: "a" }, echo(500, 2, false, 64), echo(600, 3, true, 64), tunnelled(700, 1, true, 64)),
      captured({ node: "a", pod: "net" }, echo(400, 1, true, 64)),
    ];
    expect(namesOf(trafficOf(all, groundOf(["one", "another"]), PING).request)).toEqual([
      "net:eth0",
      "a:lxc1",
      "a:cilium_host",
      "a:eth0",
      "b:eth0",
      "b:cilium_host",
      "b:lxc1",
    ]);
  });

  it("are those of the attempt that got farthest", () => {
    const all = [captured({ node: "a" }, echo(1, 2, false), echo(900, 2, false), echo(901, 1, true))];
    expect(trafficOf(all, groundOf(), PING).request.map(({ frame }) => frame.nanoseconds)).toEqual([900n, 901n]);
  });

  const syn = (nanoseconds: number, index: number, source: string, sourcePort: number, sequence: number) => ({
    nanoseconds: BigInt(nanoseconds),
    index,
    out: true,
    packet: ipv4(source, SERVER, 64, tcp(sourcePort, 80, { sequence, syn: true })),
  });

  it("are found in a connection whatever addresses and ports they get", () => {
    const sequence = 0xffffffff;
    const all = [
      captured({ node: "a" }, syn(1, 1, NODE, 2_048, sequence), {
        nanoseconds: 9n,
        index: 1,
        out: true,
        packet: ipv4(NODE, SERVER, 64, tcp(2_048, 80, { sequence: 0, ack: true, data: Buffer.from("GET /c0ffee") })),
      }),
      captured({ node: "b" }, syn(2, 1, NODE, 2_048, sequence), syn(3, 1, NODE, 61_002, 77), {
        nanoseconds: 4n,
        index: 1,
        out: true,
        packet: ipv4(SERVER, NODE, 64, tcp(80, 2_048, { acknowledgement: 0, syn: true, ack: true })),
      }),
    ];
    const { request, reply } = trafficOf(all, groundOf(), CONNECTION);
    expect(namesOf(request)).toEqual(["a:eth0", "b:eth0"]);
    expect(namesOf(reply)).toEqual(["b:eth0"]);
  });

  it("are found by the sender's port if the connection failed", () => {
    const all = [
      captured({ node: "a" }, syn(1, 2, NET, 61_001, 5), syn(2, 1, NODE, 1_024, 5), syn(3, 1, NET, 61_002, 6)),
    ];
    expect(namesOf(trafficOf(all, groundOf(), CONNECTION).request)).toEqual(["a:lxc1", "a:eth0"]);
  });

  it("include ICMP errors about them", () => {
    const quoted = Buffer.concat([ipv4(NET, SERVER, 64, icmp(8, 7, DATA))]);
    const packet = ipv4(NODE, NET, 64, icmp(3, 0, quoted));
    const { errors } = trafficOf([captured({ node: "a" }, { index: 1, packet })], groundOf(), PING);
    expect(errors.map(({ frame }) => frame.packet.source)).toEqual([NODE]);
  });
});

describe("the packets of an IPv6 probe", () => {
  const [CLIENT, POD, OF_NODE] = ["fd00:10:0:1::5", "fd00:10:0:2::7", "fc00::3"];
  const record = (index: number, packet: Buffer): CaptureRecord => ({
    ...{ nanoseconds: BigInt(index), index, packet },
    etherType: 0x86dd,
  });

  it("are its echoes; messages about neighbors are none of them", () => {
    const solicitation = record(1, ipv6(CLIENT, POD, 255, icmpv6(135, 0, Buffer.alloc(16))));
    const all = [
      captured(
        { node: "a" },
        solicitation,
        record(2, ipv6(CLIENT, POD, 64, icmpv6(128, 7, DATA))),
        record(3, ipv6(POD, CLIENT, 64, icmpv6(129, 7, DATA))),
        // what IPv4 calls a request is an error here
        record(1, ipv6(OF_NODE, CLIENT, 64, icmpv6(1, 0, ipv6(CLIENT, POD, 64, icmpv6(128, 7, DATA))))),
      ),
    ];
    const { request, reply, errors } = trafficOf(all, groundOf(), { protocol: "ICMPv6", data: DATA });
    expect([request, reply, errors].map(namesOf)).toEqual([["a:lxc1"], ["a:cilium_host"], ["a:eth0"]]);
  });

  it("have hops with addresses and ports in brackets, and errors about their connection", () => {
    const syn = (source: string, port: number) => ipv6(source, POD, 64, tcp(port, 80, { sequence: 5, syn: true }));
    const all = [
      captured(
        { node: "a" },
        record(1, syn(CLIENT, 61_001)),
        record(2, syn(OF_NODE, 1_024)),
        record(3, ipv6(POD, OF_NODE, 64, icmpv6(1, 0, syn(OF_NODE, 1_024)))),
      ),
    ];
    const { request, errors } = trafficOf(all, groundOf(), CONNECTION);
    expect(errors).toHaveLength(1);
    const [first, second] = hopsOf(request, 0n, "[fd00:10:96::9]:80", () => false);
    expect(first).toMatchObject({ source: `[${CLIENT}]:61001`, destination: `[${POD}]:80` });
    expect([...first!.rewritten, ...second!.rewritten]).toEqual([
      { field: "destination", from: "[fd00:10:96::9]:80", to: `[${POD}]:80`, by: "socket LB" },
      { field: "source", from: `[${CLIENT}]:61001`, to: `[${OF_NODE}]:1024`, by: "BPF" },
    ]);
  });
});

describe("the hops of a packet", () => {
  const connect = (index: number, source: string, destination: string, sourcePort = 61_001, port = 80) => ({
    nanoseconds: BigInt(index * 1000),
    index,
    out: true,
    packet: ipv4(source, destination, 65 - index, tcp(sourcePort, port, { sequence: 5, syn: true })),
  });
  const hops = (asked: string | undefined, byKernel: boolean, ...records: CaptureRecord[]) => {
    const { request } = trafficOf([captured({ node: "a" }, ...records)], groundOf(), CONNECTION);
    return hopsOf(request, 1000n, asked, () => byKernel);
  };

  it("have times, addresses, TTLs and rewriters", () => {
    const [first, second] = hops("10.96.0.9:80", false, connect(1, NET, SERVER), connect(2, NODE, SERVER));
    expect(first).toMatchObject({ microseconds: 0, source: `${NET}:61001`, destination: `${SERVER}:80`, ttl: 64 });
    expect(first!.rewritten).toEqual([
      { field: "destination", from: "10.96.0.9:80", to: `${SERVER}:80`, by: "socket LB" },
    ]);
    expect(second).toMatchObject({ microseconds: 1, ttl: 63 });
    expect(second!.rewritten).toEqual([{ field: "source", from: `${NET}:61001`, to: `${NODE}:61001`, by: "BPF" }]);
  });

  it("attribute a rewrite to the kernel if its connection tracking has both addresses", () => {
    const [first, second] = hops("172.18.0.4:32000", true, connect(1, NET, SERVER), connect(2, NODE, SERVER, 9));
    expect([...first!.rewritten, ...second!.rewritten].map(({ by }) => by)).toEqual(["kernel", "kernel"]);
  });
});

describe("an entry of the kernel's connection tracking", () => {
  // kube-proxy's NodePort in Kubernetes 1.34, Linux 6.1
  const line =
    "tcp 6 119 TIME_WAIT src=10.0.1.5 dst=172.18.0.4 sport=61001 dport=32000 src=10.0.2.7 dst=172.18.0.3 sport=80 dport=4242 [ASSURED] mark=0 use=1";
  it.each([
    ["10.0.1.5:61001", "172.18.0.3:4242", true],
    ["172.18.0.4:32000", "10.0.2.7:80", true],
    ["10.0.2.7:80", "172.18.0.4:32000", true],
    ["10.0.1.5:61001", "172.18.0.4:32000", false],
    ["10.0.1.5:61002", "172.18.0.3:4242", false],
  ])("translates %s to %s: %s", (from, to, has) => {
    expect(translates(line, from, to)).toBe(has);
  });

  it("translates a masqueraded ping by addresses only", () => {
    const ping =
      "icmp 1 29 src=10.0.1.5 dst=172.18.0.1 type=8 code=0 id=7 src=172.18.0.1 dst=172.18.0.3 type=0 code=0 id=7";
    expect(translates(ping, "10.0.1.5", "172.18.0.3")).toBe(true);
    expect(translates(ping, "10.0.1.5", "172.18.0.1")).toBe(false);
  });
});
