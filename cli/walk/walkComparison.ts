import type { Hop, Leg, Walk } from "../../datapath/trace/walk";
import { aligned } from "./sequences";
import { routingOf } from "./walkSentences";
import { elapsed, stepsOf, type Step } from "./walkSteps";

/** What several walks have in common and what separates them, a column a walk. */
export function comparison(walks: readonly Walk[]): Comparison {
  const row = (label: string, cell: (walk: Walk) => string) => ({ label, cells: walks.map(cell) });
  const hopsOf = (walk: Walk, wanted: Leg["name"]) => walk.legs.find(({ name }) => name === wanted)?.hops ?? [];
  return {
    heads: headsOf(walks),
    rows: [
      row("scenario", ({ scenario }) => scenario),
      row("cluster", ({ cluster }) => cluster),
      row("Cilium", ({ version }) => version),
      row("between nodes", routingOf),
      row("verdict", ({ verdict }) => verdict),
      row("steps of the request", (walk) => String(hopsOf(walk, "request").length)),
      row("steps of the reply", (walk) => String(hopsOf(walk, "reply").length)),
      row("netfilter saw it on", netfilterNodes),
      row("rewritten by", rewritersOf),
      row("TTL at arrival", ({ legs, probe }) => {
        const request = legs.find(({ name }) => name === "request");
        const arrived = probe.answered || legs.some(({ name }) => name === "reply");
        return arrived && request !== undefined ? String(request.hops.at(-1)?.ttl ?? "–") : "did not arrive";
      }),
      row("request arrived after", (walk) => {
        const request = hopsOf(walk, "request");
        const arrived = walk.probe.answered || hopsOf(walk, "reply").length > 0;
        return arrived ? time(walk, request[0], request.at(-1)) : "did not arrive";
      }),
      row("answer was back after", (walk) =>
        walk.probe.answered ? time(walk, hopsOf(walk, "request")[0], hopsOf(walk, "reply").at(-1)) : "did not come",
      ),
    ],
  };
}

/** Rows of a label and a cell for each walk; a cell may have several lines. */
export interface Comparison {
  /** Names of the columns. */
  readonly heads: readonly string[];
  readonly rows: readonly { readonly label: string; readonly cells: readonly string[] }[];
}

/** The ways of several walks laid side by side, request and reply, with the places where they part. */
export function ways(walks: readonly Walk[]): readonly Way[] {
  const legs: readonly Leg["name"][] = ["request", "reply"];
  return legs.flatMap((leg) => {
    const steps = walks.map((walk) => stepsOf(walk).filter((step) => step.leg === leg));
    if (steps.every((each) => each.length === 0)) return [];
    const places = steps.map((each, index) => placesOf(each, walks[index]!));
    const rows = aligned(places).map(({ element, positions }) => ({
      place: element,
      cells: walks.map((_, index) => {
        const step = steps[index]![positions.get(index) ?? -1];
        return step === undefined ? "–" : `${step.number} ${step.hop.station.interface}`;
      }),
      parts: positions.size < walks.length,
    }));
    return [{ leg, rows }];
  });
}

/** The places of a leg in their order, each with the step of each walk that passed it. */
export interface Way {
  readonly leg: Leg["name"];
  readonly rows: readonly { readonly place: string; readonly cells: readonly string[]; readonly parts: boolean }[];
}

/** What tells the walks apart: their modes, or else more. */
function headsOf(walks: readonly Walk[]): readonly string[] {
  const candidates: readonly ((walk: Walk) => string)[] = [
    ({ mode }) => mode,
    ({ mode, tunnel }) => `${mode}, ${tunnel === "disabled" ? "native" : tunnel}`,
    ({ mode, scenario }) => `${mode}, ${scenario}`,
    ({ mode, version }) => `${mode}, ${version}`,
    ({ mode, cluster }) => `${mode}, ${cluster}`,
  ];
  const found = candidates.find((name) => new Set(walks.map(name)).size === walks.length);
  return walks.map((walk, index) => found?.(walk) ?? `${index + 1}: ${walk.mode}`);
}

/** Nodes have other names in other clusters, so a place is told by the order in which the packet came by. */
function placesOf(steps: readonly Step[], walk: Walk): readonly string[] {
  const order = [...new Set(stepsOf(walk).map(({ hop }) => hop.station.node))];
  return steps.map(({ hop: { station, direction } }) => {
    const name =
      station.role === "veth" ? "lxc" : station.role === "pod" ? `pod's ${station.interface}` : station.interface;
    return `node ${order.indexOf(station.node) + 1}: ${name} ${direction}`;
  });
}

function netfilterNodes({ nodes }: Walk): string {
  const named = (wanted: boolean | undefined) =>
    nodes.filter(({ netfilter }) => netfilter === wanted).map(({ name }) => name);
  const lines = [...named(true), ...named(undefined).map((name) => `${name}: unknown`)];
  return lines.length === 0 ? "no node" : lines.join("\n");
}

function rewritersOf(walk: Walk): string {
  const rewrites = stepsOf(walk).flatMap(({ number, hop }) =>
    hop.rewritten.map(({ field, by }) => `${field} by ${by} (step ${number})`),
  );
  return rewrites.length === 0 ? "nobody" : rewrites.join("\n");
}

function time(walk: Walk, from: Hop | undefined, to: Hop | undefined): string {
  if (from === undefined || to === undefined) return "not seen";
  const microseconds = elapsed(walk, from, to);
  return microseconds === undefined ? "not comparable: two clocks" : `${microseconds} µs`;
}
