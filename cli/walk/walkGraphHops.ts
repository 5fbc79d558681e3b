import type { Attributes } from "@viz-js/viz";
import type { Leg, Station, Walk } from "../../datapath/trace/walk";
import { rowsLabel } from "./graphLabel";
import { escaped } from "./markup";
import type { End } from "./walkGraphEnds";
import { placeOf, stationKey, type MissingHop, type Step } from "./walkSteps";

/** What is known of a walk while its graph is made. */
export interface Drawn {
  readonly walk: Walk;
  readonly steps: readonly Step[];
  readonly missing: readonly MissingHop[];
  readonly idOf: (station: Station) => string;
  readonly titles: Map<string, string>;
  readonly ends: readonly End[];
  readonly prefix: string;
}

/** Edges from the hop, or the end, before to each hop, and unnumbered ones to the ends. */
export function hopEdges(drawn: Drawn) {
  const { walk, steps, idOf, titles, ends, prefix } = drawn;
  const endId = (kind: End["kind"]) => ends.find((end) => end.kind === kind)?.id;
  const ways: readonly { leg: Leg["name"]; from: string | undefined; to: string | undefined }[] = [
    { leg: "request", from: endId("sender"), to: endId("receiver") ?? endId("lost") },
    { leg: "reply", from: endId("receiver"), to: walk.probe.answered ? endId("sender") : endId("lost") },
  ];
  return ways.flatMap(({ leg, from, to }) => {
    const own = steps.filter((step) => step.leg === leg);
    const last = own.at(-1);
    const numbered = own.flatMap((step, index) => {
      const before = index === 0 ? from : idOf(own[index - 1]!.hop.station);
      return before === undefined ? [] : hopEdge(before, step, drawn);
    });
    if (last === undefined || to === undefined) return numbered;
    const id = `${prefix}-${leg}-end`;
    titles.set(id, to === endId("lost") ? `the ${leg} was not seen any more` : `the ${leg} arrives`);
    return [...numbered, edge(idOf(last.hop.station), to, leg, { id, class: `arrival ${leg}` })];
  });
}

function hopEdge(before: string, step: Step, { idOf, titles, prefix }: Drawn) {
  const here = idOf(step.hop.station);
  const id = `${prefix}-step-${step.number}`;
  titles.set(id, stepTitle(step));
  const attributes = { id, class: hopClass(step) };
  if (before !== here) return [edge(before, here, step.leg, { ...attributes, label: stepLabel(step) })];
  titles.set(`${id}-out`, stepTitle(step));
  const turn = turnId(step, prefix);
  return [
    edge(here, turn, "request", {
      id: `${id}-out`,
      class: hopClass(step),
      arrowhead: "none",
      style: legStyle(step.leg),
    }),
    edge(here, turn, "request", { ...attributes, dir: "back", style: legStyle(step.leg) }),
  ];
}

/** A packet that leaves where it came in turns around at its own label, since a loop would cross it. */
export function turnNodes(node: string, { steps, titles, prefix }: Drawn) {
  return steps.flatMap((step, index) => {
    const before = steps[index - 1];
    if (before?.leg !== step.leg || step.hop.station.node !== node) return [];
    if (stationKey(before.hop.station) !== stationKey(step.hop.station)) return [];
    const id = turnId(step, prefix);
    titles.set(id, stepTitle(step));
    return [{ name: id, attributes: { id, class: hopClass(step), shape: "plain", label: stepLabel(step) } }];
  });
}

const turnId = ({ number }: Step, prefix: string) => `${prefix}-turn-${number}`;
const hopClass = ({ leg, unpromised }: Step) => `hop ${leg}${unpromised ? " different" : ""}`;
const legStyle = (leg: Leg["name"]) => (leg === "reply" ? "dashed" : "solid");

/** Replies are drawn against their direction, so that both legs' interfaces stand in one order. */
function edge(tail: string, head: string, leg: Leg["name"], attributes: Attributes) {
  const back = leg === "reply" && tail !== head;
  return {
    ...(back ? { tail: head, head: tail } : { tail, head }),
    attributes: { style: legStyle(leg), ...(back ? { dir: "back" } : {}), ...attributes },
  };
}

function stepTitle({ number, leg, hop, notes }: Step): string {
  const way = hop.direction === "in" ? "comes in at" : "goes out at";
  const more = notes.length === 0 ? "" : `; ${notes.join("; ")}`;
  return `Step ${number}: the ${leg} ${way} ${placeOf(hop.station)}, ${hop.source} → ${hop.destination}, TTL ${hop.ttl}${more}`;
}

function stepLabel({ number, hop, unpromised }: Step) {
  return rowsLabel(
    [
      `<B>${number}</B>`,
      ...(unpromised ? ["<B>NOT PROMISED</B>"] : []),
      ...hop.rewritten.flatMap(({ field, from, to, by }) => [
        escaped(`${field} by ${by}:`),
        escaped(from),
        escaped(`→ ${to}`),
      ]),
      ...(hop.tunnel === undefined ? [] : [escaped(`in ${hop.tunnel.source}`), escaped(`→ ${hop.tunnel.destination}`)]),
    ],
    6,
  );
}
