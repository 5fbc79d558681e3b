import { buffer } from "node:stream/consumers";
import { lastLine, untilEnded, type Session } from "../../cluster/podExec";
import { within } from "../../cluster/within";
import { parseCapture, type Frame } from "./packets";

/** A network namespace in which packets are captured: a node's own, or that of a pod on it. */
export interface Vantage {
  readonly node: string;
  readonly pod?: string | undefined;
}

/** What every interface of a namespace saw. */
export interface Captured {
  readonly vantage: Vantage;
  readonly frames: readonly Frame[];
  /** As tcpdump wrote it, for Wireshark. */
  readonly pcap: Buffer;
  /** Packets that the kernel could not hand over. */
  readonly dropped: number;
}

/** A capture under way. */
export interface Capture {
  /** From here on no packet is missed. @throws Error when it could not begin */
  readonly ready: Promise<void>;
  stop(): Promise<Captured>;
}

/** Enough for the headers of a packet in a packet, and a ping's data. */
const SNAPSHOT_BYTES = 256;

/** How long a capture lasts when nobody ends it any more. */
const LIFETIME_SECONDS = 60;

/** How long it may take to begin, and to end. */
const PATIENCE_SECONDS = 10;

/** Captures what the filter, its argument, lets through. */
const SCRIPT = untilEnded(
  `tcpdump -i any -y LINUX_SLL2 -n -Z root -s ${SNAPSHOT_BYTES} -B 4096 --time-stamp-precision=nano --immediate-mode -U -w - "$1"`,
);

/** What begins and what refuses a connection, and what begins with "GET ": a capture that saw all would see itself on its way to the API server. */
const TCP = "tcp[tcpflags] & (tcp-syn|tcp-rst) != 0 or tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420";

/** The command that captures a protocol's packets, encapsulated ones too, in the namespace where it runs. */
export function captureCommand(protocol: "ICMP" | "TCP"): string[] {
  // errors about the packet are ICMP's
  const own = protocol === "ICMP" ? "icmp" : `icmp or ${TCP}`;
  const filter = `${own} or udp port 8472 or udp port 6081`;
  return ["timeout", String(LIFETIME_SECONDS), "sh", "-c", SCRIPT, "sh", filter];
}

/** Follow a capture that has been started. */
export function capture(vantage: Vantage, session: Session): Capture {
  const name = vantage.pod ?? vantage.node;
  const bytes = buffer(session.stdout);
  bytes.catch(() => undefined); // told by whoever waits for it
  let told = "";
  const ready = new Promise<void>((resolve, reject) => {
    session.stderr.on("data", (chunk: Buffer) => {
      told += chunk.toString();
      if (told.includes("listening on")) resolve();
    });
    session.stderr.once("close", () => reject(new Error(`no capture in ${name}: ${lastLine(told)}`)));
    session.stdout.once("error", ({ message }) => reject(new Error(`no capture in ${name}: ${message}`)));
  });
  ready.catch(() => undefined);
  const said = new Promise((resolve) => session.stderr.once("close", resolve));
  return {
    ready: within(PATIENCE_SECONDS, ready, `no capture in ${name}`),
    async stop() {
      session.end();
      const ended = Promise.all([bytes, said]);
      const [pcap] = await within(PATIENCE_SECONDS, ended, `the capture in ${name} does not end`);
      const dropped = Number(/(\d+) packets? dropped by kernel/.exec(told)?.[1] ?? 0);
      return { vantage, pcap, dropped, frames: parseCapture(pcap) };
    },
  };
}
