import { asPromised, compare } from "../../datapath/trace/comparison";
import type { Hop, Leg, Station, Walk } from "../../datapath/trace/walk";
import type { ExpectedHop } from "../../modes/tracePaths";

/** A hop with its number in the whole walk, and what is to be said about it. */
export interface Step {
  readonly number: number;
  readonly leg: Leg["name"];
  readonly hop: Hop;
  /** The mode promises another way, without this hop. */
  readonly unpromised: boolean;
  readonly notes: readonly string[];
}

/** A hop that the mode promises and nobody saw. */
export interface MissingHop {
  readonly leg: Leg["name"];
  readonly promised: ExpectedHop;
  /** The interface it was to be seen at; undefined where the node has none of that role. */
  readonly station: Station | undefined;
}

/** The hops of all legs, numbered from 1. */
export function stepsOf(walk: Walk): readonly Step[] {
  let number = 0;
  return walk.legs.flatMap((leg) => {
    const { unpromised } = comparisonOf(leg);
    return leg.hops.map((hop, index) => {
      const isUnpromised = unpromised.has(index);
      const notes = notesOf(hop, leg.hops[index - 1], isUnpromised);
      return { number: ++number, leg: leg.name, hop, unpromised: isUnpromised, notes };
    });
  });
}

/** What the mode promises and was not seen, leg by leg. */
export function missingHops(walk: Walk): readonly MissingHop[] {
  return walk.legs.flatMap((leg) =>
    comparisonOf(leg).missing.map((promised) => ({ leg: leg.name, promised, station: stationFor(walk, promised) })),
  );
}

const comparisonOf = ({ hops, promised }: Leg) => compare(hops, promised ?? hops.map(asPromised));

/** The hop after which nothing was seen any more; undefined for a walk that was answered or never seen at all. */
export function lastSeen(walk: Walk): Step | undefined {
  return walk.probe.answered ? undefined : stepsOf(walk).at(-1);
}

/** The name of a station that no other of the walk has. */
export function stationKey({ node, pod, interface: name }: Station): string {
  return JSON.stringify([node, pod ?? null, name]);
}

/** A station in words. */
export function placeOf({ node, pod, interface: name }: Station): string {
  return pod === undefined ? `${name} of ${node}` : `${name} of ${pod} on ${node}`;
}

/** Microseconds between two hops; undefined where their machines' clocks differ. */
export function elapsed(walk: Walk, from: Hop | undefined, to: Hop | undefined): number | undefined {
  if (from === undefined || to === undefined) return undefined;
  const clockOf = (hop: Hop) => walk.nodes.find(({ name }) => name === hop.station.node)?.clock;
  return clockOf(from) === clockOf(to) ? to.microseconds - from.microseconds : undefined;
}

function notesOf(hop: Hop, before: Hop | undefined, unpromised: boolean): readonly string[] {
  return [
    ...(unpromised ? ["not promised"] : []),
    ...hop.rewritten.map(({ field, from, to, by }) => `${field} ${from} → ${to} by ${by}`),
    ...(hop.tunnel === undefined ? [] : [`encapsulated in ${hop.tunnel.source} → ${hop.tunnel.destination}`]),
    ...(before === undefined || before.ttl === hop.ttl
      ? []
      : [before.ttl > hop.ttl ? "decremented TTL" : `raised TTL from ${before.ttl}`]),
  ];
}

function stationFor({ nodes }: Walk, promised: ExpectedHop): Station | undefined {
  return nodes
    .find(({ name }) => name === promised.node)
    ?.stations.find(
      ({ role, pod, vethOf }) => role === promised.role && pod === promised.pod && vethOf === promised.vethOf,
    );
}
