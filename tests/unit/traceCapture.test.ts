import { spawnSync } from "node:child_process";
import { PassThrough } from "node:stream";
import { capture, captureCommand } from "../../datapath/trace/capture";
import { describeIf, missingPrograms } from "../support/project";
import { captureOf, extended, icmp, icmpv6, ipv4, ipv6, tcp, vxlan } from "./support/packets";

/** A session of tcpdump that writes one packet when it ends. */
function session() {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const packet = ipv4("10.0.1.5", "10.0.2.7", 64, icmp(8, 1, Buffer.alloc(16)));
  const end = jest.fn(() => {
    stdout.end(captureOf([{ packet }]));
    stderr.end("1 packet captured\n3 packets dropped by kernel\n");
  });
  return { stdout, stderr, end };
}

describe("a capture", () => {
  it("is ready when tcpdump listens, and ends when it is stopped", async () => {
    const tcpdump = session();
    const { ready, stop } = capture({ node: "a" }, tcpdump);
    let isReady = false;
    void ready.then(() => (isReady = true));
    tcpdump.stderr.write("tcpdump: data link type LINUX_SLL2\n");
    await new Promise(setImmediate);
    expect(isReady).toBe(false);
    tcpdump.stderr.write("tcpdump: listening on any, link-type LINUX_SLL2\n");
    await ready;
    expect(tcpdump.end).not.toHaveBeenCalled();
    const captured = await stop();
    expect(tcpdump.end).toHaveBeenCalledTimes(1);
    expect(captured).toMatchObject({ vantage: { node: "a" }, dropped: 3, frames: [{ direction: "in" }] });
    expect(captured.pcap).toHaveLength(24 + 16 + 20 + 44);
  });

  it("reports where and why it cannot start", async () => {
    const tcpdump = session();
    const { ready } = capture({ node: "a", pod: "net" }, tcpdump);
    tcpdump.stdout.end();
    tcpdump.stderr.end("sh: tcpdump: not found\n");
    await expect(ready).rejects.toThrow("cannot capture in net: sh: tcpdump: not found");
  });

  it("captures the protocol, ICMP errors, and tunnels", () => {
    expect(captureCommand("ICMP").at(-1)).toBe("icmp or udp port 8472 or udp port 6081");
    expect(captureCommand("TCP").at(-1)).toMatch(/^icmp or tcp\[.* or udp port 8472 or udp port 6081$/);
    // ends by itself
    expect(captureCommand("TCP").slice(0, 2)).toEqual(["timeout", "60"]);
  });

  it("captures the same of IPv6, whose fields of TCP the filter counts from the start of the packet", () => {
    expect(captureCommand("ICMPv6", "ipv6").at(-1)).toBe("icmp6 or udp port 8472 or udp port 6081");
    expect(captureCommand("TCP", "ipv6").at(-1)).toMatch(
      /^icmp6 or \(ip6\[6\] = 6 and .* or udp port 8472 or udp port 6081$/,
    );
  });
});

describeIf(missingPrograms("tcpdump"), "the filter of a capture of IPv6", () => {
  const GET = Buffer.from("GET /c0ffee");
  const bodies = {
    "echo request": icmpv6(128, 1, GET),
    SYN: tcp(1, 80, { syn: true }),
    RST: tcp(2, 80, { rst: true }),
    request: tcp(3, 80, { ack: true, data: GET }),
    "SYN behind destination options": extended(60, tcp(4, 80, { syn: true }), 2),
    "request behind destination options": extended(60, tcp(5, 80, { ack: true, data: GET }), 2),
    tunnel: vxlan(8472, ipv6("fd00::1", "fd00::2", 64, tcp(6, 80, {})), 0x86dd),
    "other segment": tcp(7, 80, { ack: true }),
    "other segment behind destination options": extended(60, tcp(8, 80, { ack: true }), 2),
    "other datagram": vxlan(53, Buffer.alloc(20)),
  };
  const records = Object.values(bodies).map((body, index) => ({
    ...{ packet: ipv6("fd00::1", "fd00::2", 64, body), etherType: 0x86dd },
    nanoseconds: BigInt(index) * 1_000_000_000n,
  }));
  const isRoot = process.getuid?.() === 0;
  const passed = (filter: string) => {
    const args = ["-n", "-tt", ...(isRoot ? ["-Z", "root"] : []), "-r", "-", filter];
    const { stdout, stderr } = spawnSync("tcpdump", args, { input: captureOf(records), encoding: "utf8" });
    const times = [...stdout.matchAll(/^(\d+)\.\d+ /gm)].map(([, second]) => Number(second));
    return stdout === "" ? stderr : times.map((second) => Object.keys(bodies)[second]);
  };

  it("passes pings, what starts a connection or ends it, its request, and tunnels", () => {
    expect(passed(captureCommand("TCP", "ipv6").at(-1)!)).toEqual(Object.keys(bodies).slice(0, 7));
    expect(passed(captureCommand("ICMPv6", "ipv6").at(-1)!)).toEqual(["echo request", "tunnel"]);
  });
});
