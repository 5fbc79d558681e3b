import { parseCapture } from "../../datapath/trace/packets";
import { captureOf, icmp, ipv4, tcp, vxlan } from "./support/packets";

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

  it("ignores truncated records, other families than IPv4, and other protocols than ICMP, TCP and tunnels", () => {
    const packet = ipv4("10.0.1.5", "10.0.2.7", 64, icmp(8, 1, MARK));
    const whole = captureOf([{ packet }, { packet }]);
    expect(parseCapture(whole)).toHaveLength(2);
    expect(parseCapture(whole.subarray(0, whole.length - 3))).toHaveLength(1);
    expect(parseCapture(captureOf([{ packet, etherType: 0x86dd }]))).toEqual([]);
    expect(parseCapture(captureOf([{ packet: ipv4("10.0.1.5", "10.0.2.7", 64, vxlan(53, packet)) }]))).toEqual([]);
    expect(parseCapture(Buffer.alloc(0))).toEqual([]);
  });

  it("is refused in another format", () => {
    const other = captureOf([]);
    other.writeUInt32LE(1, 20);
    expect(() => parseCapture(other)).toThrow("does not have the format LINUX_SLL2");
  });
});
