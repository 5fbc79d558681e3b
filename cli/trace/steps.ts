import { asExpected, compare } from "../../datapath/trace/comparison";
import type { Hop, Leg, Station, Trace } from "../../datapath/trace/result";
import type { ExpectedHop } from "../../modes/tracePaths";

/** A hop with its number in the trace, and notes about it. */
export interface Step {
  readonly number: number;
  readonly leg: Leg["name"];
  readonly hop: Hop;
  /** The mode's expected path does not have this hop here. */
  readonly unexpected: boolean;
  readonly notes: readonly string[];
}

/** An expected hop that was not seen. */
export interface MissingHop {
  readonly leg: Leg["name"];
  readonly expected: ExpectedHop;
  /** Where it is expected; undefined if the node has no interface of that role. */
  readonly station: Station | undefined;
}

/** Hops of all legs, numbered from 1. */
export function stepsOf(trace: Trace): readonly Step[] {
  let number = 0;
  return trace.legs.flatMap((leg) => {
    const { unexpected } = comparisonOf(leg);
    return leg.hops.map((hop, index) => {
      const isUnexpected = unexpected.has(index);
      const notes = notesOf(hop, leg.hops[index - 1], isUnexpected);
      return { number: ++number, leg: leg.name, hop, unexpected: isUnexpected, notes };
    });
  });
}

/** Expected hops that were not seen, leg by leg. */
export function missingHops(trace: Trace): readonly MissingHop[] {
  return trace.legs.flatMap((leg) =>
    comparisonOf(leg).missing.map((expected) => ({ leg: leg.name, expected, station: stationFor(trace, expected) })),
  );
}

const comparisonOf = ({ hops, promised }: Leg) => compare(hops, promised ?? hops.map(asExpected));

/** The last hop of an unanswered trace; undefined if it was answered, or never seen. */
export function lastSeen(trace: Trace): Step | undefined {
  return trace.probe.answered ? undefined : stepsOf(trace).at(-1);
}

/** A key that is unique among the stations of a trace. */
export function stationKey({ node, pod, interface: name }: Station): string {
  return JSON.stringify([node, pod ?? null, name]);
}

/** A station for sentences. */
export function placeOf({ node, pod, interface: name }: Station): string {
  return pod === undefined ? `${name} of ${node}` : `${name} of ${pod} on ${node}`;
}

/** Microseconds between two hops; undefined if their machines' clocks differ. */
export function elapsed(trace: Trace, from: Hop | undefined, to: Hop | undefined): number | undefined {
  if (from === undefined || to === undefined) return undefined;
  const clockOf = (hop: Hop) => trace.nodes.find(({ name }) => name === hop.station.node)?.clock;
  return clockOf(from) === clockOf(to) ? to.microseconds - from.microseconds : undefined;
}

function notesOf(hop: Hop, before: Hop | undefined, unexpected: boolean): readonly string[] {
  return [
    ...(unexpected ? ["unexpected"] : []),
    ...hop.rewritten.map(({ field, from, to, by }) => `${field} ${from} → ${to} by ${by}`),
    ...(hop.tunnel === undefined ? [] : [`encapsulated in ${hop.tunnel.source} → ${hop.tunnel.destination}`]),
    ...(before === undefined || before.ttl === hop.ttl
      ? []
      : [before.ttl > hop.ttl ? "decremented TTL" : `raised TTL from ${before.ttl}`]),
  ];
}

function stationFor({ nodes }: Trace, expected: ExpectedHop): Station | undefined {
  return nodes
    .find(({ name }) => name === expected.node)
    ?.stations.find(
      ({ role, pod, vethOf }) => role === expected.role && pod === expected.pod && vethOf === expected.vethOf,
    );
}

/** Columns of a timeline. */
export const TIMELINE_HEADS = [
  "step",
  "µs",
  "leg",
  "node",
  "pod",
  "interface",
  "direction",
  "source → destination",
  "TTL",
  "note",
] as const;

/** Rows of a timeline, one per step. */
export function timeline(trace: Trace): readonly (readonly string[])[] {
  return stepsOf(trace).map(({ number, leg, hop, notes }) => [
    String(number),
    String(hop.microseconds),
    leg,
    hop.station.node,
    hop.station.pod ?? "",
    hop.station.interface,
    hop.direction,
    `${hop.source} → ${hop.destination}`,
    String(hop.ttl),
    notes.join("; "),
  ]);
}
