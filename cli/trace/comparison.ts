import type { Hop, Leg, Trace } from "../../datapath/trace/result";
import { commonPairs } from "../../datapath/trace/comparison";
import { routingOf, verdictText } from "./sentences";
import { elapsed, stepsOf, type Step } from "./steps";

/** Compare traces in a table, one column each. */
export function comparison(traces: readonly Trace[]): Comparison {
  const row = (label: string, cell: (trace: Trace) => string) => ({ label, cells: traces.map(cell) });
  const hopsOf = (trace: Trace, wanted: Leg["name"]) => trace.legs.find(({ name }) => name === wanted)?.hops ?? [];
  return {
    heads: headsOf(traces),
    rows: [
      row("scenario", ({ scenario }) => scenario),
      ...(traces.some(({ family }) => family === "ipv6")
        ? [row("family", ({ family }) => (family === "ipv6" ? "IPv6" : "IPv4"))]
        : []),
      row("cluster", ({ cluster }) => cluster),
      row("Cilium", ({ version }) => version),
      row("routing", routingOf),
      row("verdict", ({ verdict }) => verdictText(verdict)),
      row("request hops", (trace) => String(hopsOf(trace, "request").length)),
      row("reply hops", (trace) => String(hopsOf(trace, "reply").length)),
      row("netfilter", netfilterNodes),
      row("rewrites", rewritesOf),
      row("TTL at arrival", ({ legs, probe }) => {
        const request = legs.find(({ name }) => name === "request");
        const arrived = probe.answered || legs.some(({ name }) => name === "reply");
        return arrived && request !== undefined ? String(request.hops.at(-1)?.ttl ?? "–") : "did not arrive";
      }),
      row("request arrived after", (trace) => {
        const request = hopsOf(trace, "request");
        const arrived = trace.probe.answered || hopsOf(trace, "reply").length > 0;
        return arrived ? time(trace, request[0], request.at(-1)) : "did not arrive";
      }),
      row("reply arrived after", (trace) =>
        trace.probe.answered ? time(trace, hopsOf(trace, "request")[0], hopsOf(trace, "reply").at(-1)) : "no reply",
      ),
    ],
  };
}

/** Rows of a label and one cell per trace; a cell can have several lines. */
export interface Comparison {
  /** Column names. */
  readonly heads: readonly string[];
  readonly rows: readonly { readonly label: string; readonly cells: readonly string[] }[];
}

/** The paths of several traces side by side, request and reply, with the places where they diverge. */
export function paths(traces: readonly Trace[]): readonly PathRows[] {
  const legs: readonly Leg["name"][] = ["request", "reply"];
  return legs.flatMap((leg) => {
    const steps = traces.map((trace) => stepsOf(trace).filter((step) => step.leg === leg));
    if (steps.every((each) => each.length === 0)) return [];
    const places = steps.map((each, index) => placesOf(each, traces[index]!));
    const rows = aligned(places).map(({ element, positions }) => ({
      place: element,
      cells: traces.map((_, index) => {
        const step = steps[index]![positions.get(index) ?? -1];
        return step === undefined ? "–" : `${step.number} ${step.hop.station.interface}`;
      }),
      diverges: positions.size < traces.length,
    }));
    return [{ leg, rows }];
  });
}

/** The places of a leg in order, each with the step at which each trace passes it. */
export interface PathRows {
  readonly leg: Leg["name"];
  readonly rows: readonly { readonly place: string; readonly cells: readonly string[]; readonly diverges: boolean }[];
}

/** Names that tell the traces apart: their modes, or modes with more. */
function headsOf(traces: readonly Trace[]): readonly string[] {
  const candidates: readonly ((trace: Trace) => string)[] = [
    ({ mode }) => mode,
    ({ mode, tunnel }) => `${mode}, ${tunnel === "disabled" ? "native" : tunnel}`,
    ({ mode, family }) => `${mode}, ${family === "ipv6" ? "IPv6" : "IPv4"}`,
    ({ mode, scenario }) => `${mode}, ${scenario}`,
    ({ mode, version }) => `${mode}, ${version}`,
    ({ mode, cluster }) => `${mode}, ${cluster}`,
  ];
  const found = candidates.find((name) => new Set(traces.map(name)).size === traces.length);
  return traces.map((trace, index) => found?.(trace) ?? `${index + 1}: ${trace.mode}`);
}

/** Nodes are numbered in the order in which the packet visits them, since their names differ between clusters. */
function placesOf(steps: readonly Step[], trace: Trace): readonly string[] {
  const order = [...new Set(stepsOf(trace).map(({ hop }) => hop.station.node))];
  return steps.map(({ hop: { station, direction } }) => {
    const name =
      station.role === "veth" ? "lxc" : station.role === "pod" ? `pod's ${station.interface}` : station.interface;
    return `node ${order.indexOf(station.node) + 1}: ${name} ${direction}`;
  });
}

function netfilterNodes({ nodes }: Trace): string {
  const named = (wanted: boolean | undefined) =>
    nodes.filter(({ netfilter }) => netfilter === wanted).map(({ name }) => name);
  const lines = [...named(true), ...named(undefined).map((name) => `${name}: unknown`)];
  return lines.length === 0 ? "none" : lines.join("\n");
}

function rewritesOf(trace: Trace): string {
  const rewrites = stepsOf(trace).flatMap(({ number, hop }) =>
    hop.rewritten.map(({ field, by }) => `${field} by ${by} (step ${number})`),
  );
  return rewrites.length === 0 ? "none" : rewrites.join("\n");
}

function time(trace: Trace, from: Hop | undefined, to: Hop | undefined): string {
  if (from === undefined || to === undefined) return "not seen";
  const microseconds = elapsed(trace, from, to);
  return microseconds === undefined ? "unknown: two clocks" : `${microseconds} µs`;
}

/** Align sequences: a row for each element, with its position in each sequence that has it. */
export function aligned(sequences: readonly (readonly string[])[]): readonly AlignedRow[] {
  const rows: AlignedRow[] = [];
  for (const [index, sequence] of sequences.entries()) {
    const pairs = commonPairs(
      rows.map(({ element }) => element),
      sequence,
    );
    let inserted = 0;
    let next = 0;
    for (const [row, position] of [...pairs, [rows.length, sequence.length] as const]) {
      for (; next < position; next++)
        rows.splice(row + inserted++, 0, { element: sequence[next]!, positions: new Map([[index, next]]) });
      const match = rows[row + inserted];
      if (next < sequence.length) match?.positions.set(index, next++);
    }
  }
  return rows;
}

/** An element and its position in each sequence, by the sequence's index. */
export interface AlignedRow {
  readonly element: string;
  readonly positions: Map<number, number>;
}
