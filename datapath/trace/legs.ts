import { isDeepStrictEqual } from "node:util";
import { withPort } from "../../modes/ipFamily";
import type { Rewriter } from "../../modes/tracePaths";
import type { Captured } from "./capture";
import type { Namespaces } from "./namespaces";
import type { Frame, Icmp, Packet } from "./packets";
import type { Hop, Rewrite, Station } from "./result";

/** Marks a probe's packets, whatever addresses they get. */
export type Mark =
  | {
      readonly protocol: "ICMP" | "ICMPv6";
      /** In the echo request and its reply. */
      readonly data: Buffer;
    }
  | {
      readonly protocol: "TCP";
      /** In the HTTP request; its sequence number identifies the SYN and the SYN-ACK. */
      readonly data: Buffer;
      /** The sender uses the first free one; identifies a SYN that was not answered. */
      readonly ports: readonly number[];
    };

/** A probe's packets, by time. */
export interface Traffic {
  readonly request: readonly Sighting[];
  readonly reply: readonly Sighting[];
  /** ICMP errors about the probe. */
  readonly errors: readonly Sighting[];
}

/** A packet seen at a station. */
export interface Sighting {
  readonly station: Station;
  readonly frame: Frame;
}

/** Find the probe's packets in the captures: for each direction, the attempt that got farthest. */
export function trafficOf(captured: readonly Captured[], namespaces: Namespaces, mark: Mark): Traffic {
  const sightings = captured.flatMap(({ vantage, frames }) => {
    const among = vantage.pod === undefined ? namespaces.nodes : namespaces.pods;
    const namespace = among.find(({ node, pod }) => node === vantage.node && pod === vantage.pod);
    return frames.flatMap((frame) => {
      const station = namespace?.stations.get(frame.interfaceIndex);
      const isFlooded = station?.role === "device" && frame.isForOther;
      return station === undefined || isFlooded ? [] : [{ station, frame }];
    });
  });
  const kinds =
    mark.protocol === "TCP" ? connection(mark.data, mark.ports, sightings) : echoes(mark.protocol, mark.data);
  const of = (kind: Kind) => sightings.filter(({ frame }) => kinds(frame.packet) === kind);
  const inOrder = (own: Sighting[]) => (haveOneClock(namespaces.nodes) ? own.sort(byTime) : fromNodeToNode(own));
  return { request: farthest(inOrder(of("request"))), reply: farthest(inOrder(of("reply"))), errors: of("error") };
}

/** Whether all nodes are on one machine, so that their times can be compared. */
export function haveOneClock(nodes: readonly { readonly clock: string }[]): boolean {
  return new Set(nodes.map(({ clock }) => clock)).size <= 1;
}

type Kind = "request" | "reply" | "error";
type Kinds = (packet: Packet) => Kind | undefined;

/** Types of echoes; other messages that have a probe's data are errors about it. */
const ECHOES: Readonly<Record<Icmp["protocol"], Readonly<Record<number, Kind>>>> = {
  ICMP: { 8: "request", 0: "reply" },
  ICMPv6: { 128: "request", 129: "reply" },
};

function echoes(protocol: Icmp["protocol"], data: Buffer): Kinds {
  return ({ content }) => {
    if (content.protocol !== protocol || !content.data.includes(data)) return undefined;
    return ECHOES[protocol][content.type] ?? "error";
  };
}

function connection(data: Buffer, ports: readonly number[], sightings: readonly Sighting[]): Kinds {
  const all = sightings.flatMap(({ frame: { packet } }) => (packet.content.protocol === "TCP" ? [packet.content] : []));
  const sent = all.find((content) => content.data.includes(data));
  // a node's kernel can change the port before any interface sees it
  const first = sent ?? all.find(({ syn, ack, sourcePort }) => syn && !ack && ports.includes(sourcePort));
  if (first === undefined) return () => undefined;
  const sequence = sent === undefined ? first.sequence : (sent.sequence - 1) >>> 0;
  const quoted = Buffer.alloc(4);
  quoted.writeUInt32BE(sequence);
  const acknowledged = (sequence + 1) >>> 0;
  return ({ content }) => {
    if (content.protocol !== "TCP") return content.data.includes(quoted) ? "error" : undefined;
    if (content.syn && !content.ack) return content.sequence === sequence ? "request" : undefined;
    return (content.syn || content.rst) && content.acknowledgement === acknowledged ? "reply" : undefined;
  };
}

/** At equal times, a node's precede its pod's: captures are in that order, and sorting is stable. */
const byTime = (a: Sighting, b: Sighting) => Number(a.frame.nanoseconds - b.frame.nanoseconds);

/** Order for machines with separate clocks: by time on each node, and from node to node where a packet leaves one and enters the next. */
function fromNodeToNode(sightings: readonly Sighting[]): Sighting[] {
  const left = new Map<string, Sighting[]>();
  for (const sighting of [...sightings].sort(byTime)) {
    const { node } = sighting.station;
    left.set(node, [...(left.get(node) ?? []), sighting]);
  }
  const ordered: Sighting[] = [];
  while (left.size > 0) {
    const last = ordered.at(-1);
    const next = (node: string) => left.get(node)![0]!;
    const nodes = [...left.keys()];
    const crossed = last && isDevice(last, "out") ? nodes.find((node) => isOtherEnd(last, next(node))) : undefined;
    const stayed = last && left.has(last.station.node) ? last.station.node : undefined;
    const node = crossed ?? stayed ?? nodes.sort((a, b) => startOf(next(a)) - startOf(next(b)))[0]!;
    const [taken, ...rest] = left.get(node)!;
    ordered.push(taken!);
    if (rest.length > 0) left.set(node, rest);
    else left.delete(node);
  }
  return ordered;
}

const isDevice = ({ station, frame }: Sighting, direction: Frame["direction"]) =>
  station.role === "device" && frame.direction === direction;

function isOtherEnd(out: Sighting, into: Sighting): boolean {
  const [a, b] = [out.frame.packet, into.frame.packet];
  return isDevice(into, "in") && a.ttl === b.ttl && isDeepStrictEqual(endsOf(a), endsOf(b));
}

/** A packet starts in a pod, or where its TTL is highest. */
const startOf = ({ station, frame }: Sighting) =>
  (station.role === "pod" && frame.direction === "out" ? 0 : 256) - frame.packet.ttl;

/** The attempt that got farthest: a packet passes no station twice in one direction. */
function farthest(sightings: readonly Sighting[]): Sighting[] {
  const attempts: Sighting[][] = [[]];
  for (const sighting of sightings) {
    if (attempts.at(-1)!.some((before) => isSame(sighting, before))) attempts.push([]);
    attempts.at(-1)!.push(sighting);
  }
  return attempts.reduce((best, each) => (each.length > best.length ? each : best));
}

function isSame(a: Sighting, b: Sighting): boolean {
  return a.frame.direction === b.frame.direction && isDeepStrictEqual(a.station, b.station);
}

/**
 * Convert a packet's sightings to hops.
 * @param start of the trace, in nanoseconds
 * @param asked address and port that the sender connects to; undefined for replies
 * @param byKernel whether a node's kernel translates one address to another, by its connection tracking; undefined if
 *   that cannot be read
 */
export function hopsOf(
  sightings: readonly Sighting[],
  start: bigint,
  asked: string | undefined,
  byKernel: (node: string, from: string, to: string) => boolean | undefined,
): Hop[] {
  return sightings.map(({ station, frame }, index): Hop => {
    const { packet } = frame;
    const now = endsOf(packet);
    const before = index > 0 ? endsOf(sightings[index - 1]!.frame.packet) : undefined;
    const who = (from: string, to: string, otherwise: Rewriter): Rewriter => {
      const isKernel = byKernel(station.node, from, to);
      return isKernel === undefined ? "unknown" : isKernel ? "kernel" : otherwise;
    };
    const rewritten: Rewrite[] = [];
    if (before === undefined) {
      if (asked !== undefined && asked !== now.destination) {
        const by = who(asked, now.destination, "socket LB");
        rewritten.push({ field: "destination", from: asked, to: now.destination, by });
      }
    } else {
      for (const field of ["source", "destination"] as const) {
        const [from, to] = [before[field], now[field]];
        if (from !== to) rewritten.push({ field, from, to, by: who(from, to, "BPF") });
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

/** Source and destination of a packet, with its ports if any. */
function endsOf({ source, destination, content }: Packet): { source: string; destination: string } {
  if (content.protocol !== "TCP") return { source, destination };
  return {
    source: withPort(source, content.sourcePort),
    destination: withPort(destination, content.destinationPort),
  };
}
