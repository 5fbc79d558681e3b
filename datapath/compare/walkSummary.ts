import type { Leg, Trace } from "../trace/result";
import type { TraceSummary } from "./results";

/** What of a walk can be held against another cluster's, whose nodes, pods and interfaces have other names. */
export function summarizeTrace({ scenario, verdict, legs, nodes }: Trace): TraceSummary {
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

function netfilterOf(nodes: Trace["nodes"]): boolean | undefined {
  if (nodes.some(({ netfilter }) => netfilter === true)) return true;
  return nodes.every(({ netfilter }) => netfilter === false) ? false : undefined;
}
