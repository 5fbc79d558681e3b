import { isDeepStrictEqual } from "node:util";
import type { Rewriter } from "../../modes/tracePaths";
import type { Captured } from "./capture";
import type { Ground } from "./ground";
import type { Frame, Packet } from "./packets";
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
      /** The sender's is the first of these that is free; by it the first packet is known where nothing came of it. */
      readonly ports: readonly number[];
    };

/** A probe's packets on their way, by time. */
export interface Traffic {
  readonly request: readonly Sighting[];
  readonly reply: readonly Sighting[];
  /** What others said about it in ICMP, such as that there is no way. */
  readonly errors: readonly Sighting[];
}

/** A packet seen at a station. */
export interface Sighting {
  readonly station: Station;
  readonly frame: Frame;
}

/** The probe's own packets of all that was captured: of each direction, the one that came farthest. */
export function trafficOf(captured: readonly Captured[], ground: Ground, mark: Mark): Traffic {
  const sightings = captured.flatMap(({ vantage, frames }) => {
    const namespaces = vantage.pod === undefined ? ground.nodes : ground.pods;
    const namespace = namespaces.find(({ node, pod }) => node === vantage.node && pod === vantage.pod);
    return frames.flatMap((frame) => {
      const station = namespace?.stations.get(frame.interfaceIndex);
      const isFlooded = station?.role === "device" && frame.isForOther;
      return station === undefined || isFlooded ? [] : [{ station, frame }];
    });
  });
  const kinds = mark.protocol === "ICMP" ? echoes(mark.data) : connection(mark.data, mark.ports, sightings);
  const of = (kind: Kind) => sightings.filter(({ frame }) => kinds(frame.packet) === kind);
  const inOrder = (own: Sighting[]) => (haveOneClock(ground.nodes) ? own.sort(byTime) : fromNodeToNode(own));
  return { request: farthest(inOrder(of("request"))), reply: farthest(inOrder(of("reply"))), errors: of("error") };
}

/** Whether nodes are on one machine, and their times can be held against each other. */
export function haveOneClock(nodes: readonly { readonly clock: string }[]): boolean {
  return new Set(nodes.map(({ clock }) => clock)).size <= 1;
}

type Kind = "request" | "reply" | "error";
type Kinds = (packet: Packet) => Kind | undefined;

function echoes(data: Buffer): Kinds {
  return ({ content }) => {
    if (content.protocol !== "ICMP" || !content.data.includes(data)) return undefined;
    return content.type === 8 ? "request" : content.type === 0 ? "reply" : "error";
  };
}

function connection(data: Buffer, ports: readonly number[], sightings: readonly Sighting[]): Kinds {
  const all = sightings.flatMap(({ frame: { packet } }) => (packet.content.protocol === "TCP" ? [packet.content] : []));
  const sent = all.find((content) => content.data.includes(data));
  // a node's kernel may give it another port before any interface sees it
  const first = sent ?? all.find(({ syn, ack, sourcePort }) => syn && !ack && ports.includes(sourcePort));
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

/** Where two are at the same time, a node's came before its pod's: captures are in that order, and sorting keeps it. */
const byTime = (a: Sighting, b: Sighting) => Number(a.frame.nanoseconds - b.frame.nanoseconds);

/** Where machines have clocks of their own: each node's by its time, and from node to node where one goes out as it comes in. */
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

/** A packet starts in a pod, or where it has lived longest. */
const startOf = ({ station, frame }: Sighting) =>
  (station.role === "pod" && frame.direction === "out" ? 0 : 256) - frame.packet.ttl;

/** Of what was sent several times, the one that came farthest: a packet passes no station twice in one direction. */
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
 * A packet's sightings as hops.
 * @param asked what the sender wanted to reach, address and port; undefined where that is of no matter
 * @param start nanoseconds at which the walk began
 * @param byKernel whether the kernel's connection tracking of a node has one address in the place of another; undefined
 *   where it cannot be read
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

/** Both ends of a packet, with ports where it has some. */
function endsOf({ source, destination, content }: Packet): { source: string; destination: string } {
  if (content.protocol === "ICMP") return { source, destination };
  return { source: `${source}:${content.sourcePort}`, destination: `${destination}:${content.destinationPort}` };
}
