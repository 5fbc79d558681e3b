import { isDeepStrictEqual } from "node:util";
import type { Captured } from "./capture";
import type { Ground } from "./ground";
import type { Frame, Packet } from "./packets";
import type { Rewriter } from "../../modes/walks";
import type { Hop, Rewrite, Station } from "./walk";

/** By what a probe's packets are told from everybody else's, whatever addresses they get. */
export type Mark =
  | {
      readonly protocol: "ICMP";
      /** Stands in the echo and in its answer. */
      readonly data: Buffer;
    }
  | {
      readonly protocol: "TCP";
      /** Stands in the request, by whose sequence number the first packet and its answer are known. */
      readonly data: Buffer;
      /** The sender's, by which the first packet is known where nothing came of it. */
      readonly port: number;
    };

/** A probe's packets on their way, by time. */
export interface Traffic {
  readonly request: readonly Sighting[];
  readonly reply: readonly Sighting[];
  /** What others said about it in ICMP, such as that there is no way. */
  readonly errors: readonly Sighting[];
  /** How often the request was sent. */
  readonly attempts: number;
}

/** A packet seen at a station. */
export interface Sighting {
  readonly station: Station;
  readonly frame: Frame;
}

/** The probe's own packets of all that was captured: of each direction the first, as far as it came. */
export function trafficOf(captured: readonly Captured[], ground: Ground, mark: Mark): Traffic {
  const clocks = new Set(ground.nodes.map(({ clock }) => clock));
  const sightings = captured.flatMap(({ vantage, frames }) => {
    const namespaces = vantage.pod === undefined ? ground.nodes : ground.pods;
    const namespace = namespaces.find(({ node, pod }) => node === vantage.node && pod === vantage.pod);
    return frames.flatMap((frame) => {
      const station = namespace?.stations.get(frame.interfaceIndex);
      return station === undefined ? [] : [{ station, frame }];
    });
  });
  const inOrder = clocks.size > 1 ? byLifetime : byTime;
  const kinds = mark.protocol === "ICMP" ? echoes(mark.data) : connection(mark.data, mark.port, sightings);
  const of = (kind: Kind) => sightings.filter(({ frame }) => kinds(frame.packet) === kind).sort(inOrder);
  const requests = of("request");
  const [first] = requests;
  return {
    request: firstOnly(requests),
    reply: firstOnly(of("reply")),
    errors: of("error"),
    attempts: requests.filter(({ station, frame }) => isSame({ station, frame }, first!)).length,
  };
}

type Kind = "request" | "reply" | "error";
type Kinds = (packet: Packet) => Kind | undefined;

function echoes(data: Buffer): Kinds {
  return ({ content }) => {
    if (content.protocol !== "ICMP" || !content.data.includes(data)) return undefined;
    return content.type === 8 ? "request" : content.type === 0 ? "reply" : "error";
  };
}

function connection(data: Buffer, port: number, sightings: readonly Sighting[]): Kinds {
  const all = sightings.flatMap(({ frame: { packet } }) => (packet.content.protocol === "TCP" ? [packet.content] : []));
  const sent = all.find((content) => content.data.includes(data));
  // a node's kernel may give it another port before any interface sees it
  const first = sent ?? all.find(({ syn, ack, sourcePort }) => syn && !ack && sourcePort === port);
  if (first === undefined) return () => undefined;
  const sequence = sent === undefined ? first.sequence : (sent.sequence - 1) >>> 0;
  const quoted = Buffer.alloc(4);
  quoted.writeUInt32BE(sequence);
  const acknowledged = (sequence + 1) >>> 0;
  return ({ content }) => {
    if (content.protocol === "ICMP") return content.data.includes(quoted) ? "error" : undefined;
    if (content.syn && !content.ack) return content.sequence === sequence ? "request" : undefined;
    return (content.syn || content.rst) && content.acknowledgement === acknowledged ? "reply" : undefined;
  };
}

const byTime = (a: Sighting, b: Sighting) => Number(a.frame.nanoseconds - b.frame.nanoseconds);

/**
 * Where machines have clocks of their own: whoever forwards a packet takes one from its lifetime, and between nodes it
 * goes out before it comes in.
 */
function byLifetime(a: Sighting, b: Sighting): number {
  if (a.station.node === b.station.node) return byTime(a, b);
  const lifetimes = b.frame.packet.ttl - a.frame.packet.ttl;
  return lifetimes || (a.frame.direction === "out" ? -1 : 1);
}

/** Without what was sent again: a packet passes no station twice in one direction. */
function firstOnly(sightings: readonly Sighting[]): Sighting[] {
  const again = sightings.findIndex((sighting, index) =>
    sightings.slice(0, index).some((before) => isSame(sighting, before)),
  );
  return again < 0 ? [...sightings] : sightings.slice(0, again);
}

function isSame(a: Sighting, b: Sighting): boolean {
  return a.frame.direction === b.frame.direction && isDeepStrictEqual(a.station, b.station);
}

/**
 * A packet's sightings as hops.
 * @param asked what the sender wanted to reach, address and port; undefined where that is of no matter
 * @param start nanoseconds at which the walk began
 * @param byKernel whether the kernel's connection tracking of a node has one address in the place of another
 */
export function hopsOf(
  sightings: readonly Sighting[],
  start: bigint,
  asked: string | undefined,
  byKernel: (node: string, from: string, to: string) => boolean,
): Hop[] {
  return sightings.map(({ station, frame }, index): Hop => {
    const { packet } = frame;
    const now = endsOf(packet);
    const before = index > 0 ? endsOf(sightings[index - 1]!.frame.packet) : undefined;
    const who = (from: string, to: string): Rewriter => (byKernel(station.node, from, to) ? "kernel" : "BPF");
    const rewritten: Rewrite[] = [];
    if (before === undefined) {
      if (asked !== undefined && asked !== now.destination) {
        const by = byKernel(station.node, asked, now.destination) ? "kernel" : "socket LB";
        rewritten.push({ field: "destination", from: asked, to: now.destination, by });
      }
    } else {
      for (const field of ["source", "destination"] as const) {
        const [from, to] = [before[field], now[field]];
        if (from !== to) rewritten.push({ field, from, to, by: who(from, to) });
      }
    }
    return {
      station,
      direction: frame.direction,
      microseconds: Number((frame.nanoseconds - start) / 100n) / 10,
      ...now,
      ttl: packet.ttl,
      tunnel: packet.tunnel,
      rewritten,
    };
  });
}

/** Both ends of a packet, with ports where it has some. */
export function endsOf({ source, destination, content }: Packet): { source: string; destination: string } {
  if (content.protocol === "ICMP") return { source, destination };
  return { source: `${source}:${content.sourcePort}`, destination: `${destination}:${content.destinationPort}` };
}
