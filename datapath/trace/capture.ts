import { buffer } from "node:stream/consumers";
import { lastLine, untilEnded, type Session } from "../../cluster/podExec";
import { within } from "../../cluster/within";
import type { AddressFamily } from "../../modes/ipFamily";
import type { Mark } from "./legs";
import { parseCapture, type Frame } from "./packets";

/** A network namespace in which packets are captured: a node's, or a pod's. */
export interface Vantage {
  readonly node: string;
  readonly pod?: string | undefined;
}

/** Packets that the interfaces of a namespace saw. */
export interface Captured {
  readonly vantage: Vantage;
  readonly frames: readonly Frame[];
  /** tcpdump's file, for Wireshark. */
  readonly pcap: Buffer;
  /** Packets that the kernel dropped before tcpdump read them. */
  readonly dropped: number;
}

/** A running capture. */
export interface Capture {
  /** Resolves once packets are captured. @throws Error if the capture cannot start */
  readonly ready: Promise<void>;
  stop(): Promise<Captured>;
}

/** Enough for the headers of an encapsulated packet and a ping's data. */
const SNAPSHOT_BYTES = 256;

/** A capture that is not stopped ends after this time. */
const LIFETIME_SECONDS = 60;

/** Timeout of its start, and of its end. */
const PATIENCE_SECONDS = 10;

/** Captures with the filter given as its argument. */
const SCRIPT = untilEnded(
  `tcpdump -i any -y LINUX_SLL2 -n -Z root -s ${SNAPSHOT_BYTES} -B 4096 --time-stamp-precision=nano --immediate-mode -U -w - "$1"`,
);

/** SYN, RST, and segments that start with "GET ": a capture of everything would capture its own stream to the API server. */
const TCP = "tcp[tcpflags] & (tcp-syn|tcp-rst) != 0 or tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420";

/** The same of IPv6, in which tcpdump finds no fields of TCP by name. @param start of TCP's header in the packet */
const tcpAt = (start: string) =>
  `(ip6[${start} + 13] & 6 != 0 or ip6[${start} + ((ip6[${start} + 12] & 0xf0) >> 2):4] = 0x47455420)`;
/** Directly behind IPv6's header, or behind destination options, in which DSR sends the Service's address. */
const TCP_IPV6 = `(ip6[6] = 6 and ${tcpAt("40")}) or (ip6[6] = 60 and ip6[40] = 6 and ${tcpAt("48 + (ip6[41] << 3)")})`;

/** Command that captures a protocol's packets of a family, also encapsulated ones, in its own network namespace. */
export function captureCommand(protocol: Mark["protocol"], family: AddressFamily = "ipv4"): string[] {
  const [icmp, tcp] = family === "ipv6" ? ["icmp6", TCP_IPV6] : ["icmp", TCP];
  // errors about the packet are ICMP messages
  const own = protocol === "TCP" ? `${icmp} or ${tcp}` : icmp;
  const filter = `${own} or udp port 8472 or udp port 6081`;
  return ["timeout", String(LIFETIME_SECONDS), "sh", "-c", SCRIPT, "sh", filter];
}

/** Follow a started capture. */
export function capture(vantage: Vantage, session: Session): Capture {
  const name = vantage.pod ?? vantage.node;
  const bytes = buffer(session.stdout);
  bytes.catch(() => undefined); // reported by stop()
  let log = "";
  const ready = new Promise<void>((resolve, reject) => {
    session.stderr.on("data", (chunk: Buffer) => {
      log += chunk.toString();
      if (log.includes("listening on")) resolve();
    });
    session.stderr.once("close", () => reject(new Error(`cannot capture in ${name}: ${lastLine(log)}`)));
    session.stdout.once("error", ({ message }) => reject(new Error(`cannot capture in ${name}: ${message}`)));
  });
  ready.catch(() => undefined);
  const logged = new Promise((resolve) => session.stderr.once("close", resolve));
  return {
    ready: within(PATIENCE_SECONDS, ready, `the capture in ${name} does not start`),
    async stop() {
      session.end();
      const ended = Promise.all([bytes, logged]);
      const [pcap] = await within(PATIENCE_SECONDS, ended, `the capture in ${name} does not end`);
      const dropped = Number(/(\d+) packets? dropped by kernel/.exec(log)?.[1] ?? 0);
      return { vantage, pcap, dropped, frames: parseCapture(pcap) };
    },
  };
}
