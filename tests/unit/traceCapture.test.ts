import { PassThrough } from "node:stream";
import { capture, captureCommand } from "../../datapath/trace/capture";
import { captureOf, icmp, ipv4 } from "./support/packets";

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
});
