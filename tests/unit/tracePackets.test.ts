import { parseCapture } from "../../datapath/trace/packets";
import { captureOf, extended, icmp, icmpv6, ipv4, ipv6, tcp, vxlan } from "./support/packets";

const ETHER_TYPE_IPV6 = 0x86dd;

const MARK = Buffer.from("00112233445566778899aabbccddeeff", "hex");

describe("a capture of all interfaces", () => {
  it("has pings with interface, direction, time, addresses, TTL and data", () => {
    const packet = ipv4("10.0.1.5", "10.0.2.7", 63, icmp(8, 77, MARK));
    const [frame] = parseCapture(captureOf([{ nanoseconds: 1_700_000_000_000_000_123n, index: 9, out: true, packet }]));
    expect(frame).toEqual({
      nanoseconds: 1_700_000_000_000_000_123n,
      interfaceIndex: 9,
      direction: "out",
      isForOther: false,
      packet: {
        source: "10.0.1.5",
        destination: "10.0.2.7",
        ttl: 63,
        content: { protocol: "ICMP", type: 8, identifier: 77, data: MARK },
      },
    });
  });

  it("has connections with ports, sequence numbers and flags", () => {
    const packet = ipv4("10.0.1.5", "10.96.0.9", 64, tcp(61_234, 80, { sequence: 0xffffffff, syn: true }));
    const [frame] = parseCapture(captureOf([{ packet }]));
    expect(frame!.packet.content).toEqual({
      protocol: "TCP",
      sourcePort: 61_234,
      destinationPort: 80,
      sequence: 0xffffffff,
      acknowledgement: 0,
      syn: true,
      ack: false,
      rst: false,
      data: Buffer.alloc(0),
    });
  });

  it.each([8472, 6081])("has the inner packet of a tunnel to port %d, with the outer addresses", (port) => {
    const inner = ipv4("10.0.1.5", "10.0.2.7", 63, icmp(0, 1, MARK));
    const packet = ipv4("172.18.0.3", "172.18.0.4", 64, vxlan(port, inner));
    const [frame] = parseCapture(captureOf([{ packet }]));
    expect(frame!.packet).toMatchObject({
      source: "10.0.1.5",
      destination: "10.0.2.7",
      ttl: 63,
      tunnel: { source: "172.18.0.3", destination: "172.18.0.4" },
    });
  });

  it("has pings of IPv6 with addresses in their shortest form, the hop limit as TTL, and data", () => {
    const packet = ipv6("fd00:10:0:1:0:0:0:5", "fd00:0010:0:0002::0007", 63, icmpv6(128, 77, MARK));
    const [frame] = parseCapture(captureOf([{ index: 9, out: true, packet, etherType: ETHER_TYPE_IPV6 }]));
    expect(frame).toMatchObject({
      interfaceIndex: 9,
      direction: "out",
      packet: {
        source: "fd00:10:0:1::5",
        destination: "fd00:10:0:2::7",
        ttl: 63,
        content: { protocol: "ICMPv6", type: 128, identifier: 77, data: MARK },
      },
    });
  });

  it("has connections of IPv6 behind extension headers, such as DSR's destination options, and first fragments", () => {
    const syn = tcp(61_234, 80, { sequence: 7, syn: true });
    const packets = [syn, extended(60, syn, 2), extended(0, extended(43, extended(60, syn), 1)), extended(44, syn)].map(
      (body) => ({ packet: ipv6("fd00::1", "fd00::2", 64, body), etherType: ETHER_TYPE_IPV6 }),
    );
    const frames = parseCapture(captureOf(packets));
    expect(frames.map(({ packet: { content } }) => content)).toEqual(
      Array.from(
        packets,
        () => expect.objectContaining({ protocol: "TCP", sourcePort: 61_234, sequence: 7 }) as object,
      ),
    );
  });

  it("ignores later fragments of IPv6, and headers that end before the packet's content", () => {
    const echo = icmpv6(128, 1, MARK);
    const bodies = [extended(44, echo, 0, 5), extended(60, { protocol: 58, bytes: Buffer.alloc(0) }, 40)];
    const whole = bodies.map((body) => ({ packet: ipv6("fd00::1", "fd00::2", 64, body), etherType: ETHER_TYPE_IPV6 }));
    const cut = [39, 43, 45].map((length) => ({
      packet: ipv6("fd00::1", "fd00::2", 64, extended(60, echo)).subarray(0, length),
      etherType: ETHER_TYPE_IPV6,
    }));
    expect(parseCapture(captureOf([...whole, ...cut]))).toEqual([]);
  });

  it("has the inner packet of IPv6 in a tunnel of either family", () => {
    const inner = vxlan(8472, ipv6("fd00::1", "fd00::2", 63, icmpv6(129, 1, MARK)), ETHER_TYPE_IPV6);
    const frames = parseCapture(
      captureOf([
        { packet: ipv4("172.18.0.3", "172.18.0.4", 64, inner) },
        { packet: ipv6("fc00::3", "fc00::4", 64, inner), etherType: ETHER_TYPE_IPV6 },
      ]),
    );
    expect(frames.map(({ packet: { source, ttl, tunnel } }) => ({ source, ttl, tunnel }))).toEqual([
      { source: "fd00::1", ttl: 63, tunnel: { source: "172.18.0.3", destination: "172.18.0.4" } },
      { source: "fd00::1", ttl: 63, tunnel: { source: "fc00::3", destination: "fc00::4" } },
    ]);
  });

  it("ignores truncated records, packets of another family than their frame names, and other protocols than ICMP, TCP and tunnels", () => {
    const packet = ipv4("10.0.1.5", "10.0.2.7", 64, icmp(8, 1, MARK));
    const whole = captureOf([{ packet }, { packet }]);
    expect(parseCapture(whole)).toHaveLength(2);
    expect(parseCapture(whole.subarray(0, whole.length - 3))).toHaveLength(1);
    expect(parseCapture(captureOf([{ packet, etherType: ETHER_TYPE_IPV6 }]))).toEqual([]);
    expect(parseCapture(captureOf([{ packet, etherType: 0x0806 }]))).toEqual([]);
    expect(parseCapture(captureOf([{ packet: ipv4("10.0.1.5", "10.0.2.7", 64, vxlan(53, packet)) }]))).toEqual([]);
    expect(parseCapture(Buffer.alloc(0))).toEqual([]);
  });

  it("is refused in another format", () => {
    const other = captureOf([]);
    other.writeUInt32LE(1, 20);
    expect(() => parseCapture(other)).toThrow("does not have the format LINUX_SLL2");
  });
});
