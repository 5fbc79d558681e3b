import type { Leg, Walk } from "../trace/walk";
import type { WalkSummary } from "./results";

/** What of a walk can be held against another cluster's, whose nodes, pods and interfaces have other names. */
export function summariseWalk({ scenario, verdict, legs, nodes }: Walk): WalkSummary {
  const hopsOf = (wanted: Leg["name"]) => legs.find(({ name }) => name === wanted)?.hops ?? [];
  const stationsOf = (wanted: Leg["name"]) =>
    hopsOf(wanted).map(({ station, direction }) => `${station.role}${direction === "out" ? ">" : "<"}`);
  const rewrites = hopsOf("request").flatMap(({ rewritten }) => rewritten.map(({ field, by }) => `${field} by ${by}`));
  const ttl = hopsOf("request").at(-1)?.ttl;
  const netfilter = netfilterOf(nodes);
  return {
    scenario,
    verdict,
    request: stationsOf("request"),
    reply: stationsOf("reply"),
    rewrites: [...new Set(rewrites)],
    ...(ttl === undefined ? {} : { ttl }),
    ...(netfilter === undefined ? {} : { netfilter }),
  };
}

function netfilterOf(nodes: Walk["nodes"]): boolean | undefined {
  if (nodes.some(({ netfilter }) => netfilter === true)) return true;
  return nodes.every(({ netfilter }) => netfilter === false) ? false : undefined;
}
