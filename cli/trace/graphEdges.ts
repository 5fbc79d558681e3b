import type { Attributes } from "@viz-js/viz";
import type { Leg, Station, Trace } from "../../datapath/trace/result";
import { escaped } from "../../render/html";
import { lastSeen, placeOf, stationKey, type MissingHop, type Step } from "./steps";

/** A trace while its graph is built. */
export interface Drawn {
  readonly trace: Trace;
  readonly steps: readonly Step[];
  readonly missing: readonly MissingHop[];
  readonly idOf: (station: Station) => string;
  readonly titles: Map<string, string>;
  readonly ends: readonly End[];
  readonly prefix: string;
}

/** Edges to each hop from the previous hop or end, and unnumbered ones to the ends. */
export function hopEdges(drawn: Drawn) {
  const { trace, steps, idOf, titles, ends, prefix } = drawn;
  const endId = (kind: End["kind"]) => ends.find((end) => end.kind === kind)?.id;
  const legs: readonly { leg: Leg["name"]; from: string | undefined; to: string | undefined }[] = [
    { leg: "request", from: endId("sender"), to: endId("receiver") ?? endId("lost") },
    { leg: "reply", from: endId("receiver"), to: trace.probe.answered ? endId("sender") : endId("lost") },
  ];
  return legs.flatMap(({ leg, from, to }) => {
    const own = steps.filter((step) => step.leg === leg);
    const last = own.at(-1);
    const numbered = own.flatMap((step, index) => {
      const before = index === 0 ? from : idOf(own[index - 1]!.hop.station);
      return before === undefined ? [] : hopEdge(before, step, drawn);
    });
    if (last === undefined || to === undefined) return numbered;
    const id = `${prefix}-${leg}-end`;
    titles.set(id, to === endId("lost") ? `the ${leg} was not seen again` : `the ${leg} arrives`);
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

/** A packet that leaves through the interface it entered turns around at its label, since a loop would cross the label. */
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
const hopClass = ({ leg, unexpected }: Step) => `hop ${leg}${unexpected ? " different" : ""}`;
const legStyle = (leg: Leg["name"]) => (leg === "reply" ? "dashed" : "solid");

/** Replies are laid out against their direction, so that both legs' interfaces have the same order. */
function edge(tail: string, head: string, leg: Leg["name"], attributes: Attributes) {
  const back = leg === "reply" && tail !== head;
  return {
    ...(back ? { tail: head, head: tail } : { tail, head }),
    attributes: { style: legStyle(leg), ...(back ? { dir: "back" } : {}), ...attributes },
  };
}

function stepTitle({ number, leg, hop, notes }: Step): string {
  const way = hop.direction === "in" ? "enters" : "leaves";
  const more = notes.length === 0 ? "" : `; ${notes.join("; ")}`;
  return `Step ${number}: the ${leg} ${way} ${placeOf(hop.station)}, ${hop.source} → ${hop.destination}, TTL ${hop.ttl}${more}`;
}

function stepLabel({ number, hop, unexpected }: Step) {
  return rowsLabel(
    [
      `<B>${number}</B>`,
      ...(unexpected ? ["<B>UNEXPECTED</B>"] : []),
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

/** The sender, the receiver, or the place of loss. */
export interface End {
  readonly id: string;
  readonly kind: "sender" | "receiver" | "lost";
  /** Undefined outside the cluster. */
  readonly node: string | undefined;
  readonly pod: string | undefined;
  readonly text: string;
}

/** The sender, the receiver if the request arrived, and the place of loss if no reply did. */
export function endsOf(trace: Trace, prefix: string): readonly End[] {
  const { probe } = trace;
  const hopsOf = (wanted: Leg["name"]) => trace.legs.find(({ name }) => name === wanted)?.hops ?? [];
  const [request, reply] = [hopsOf("request"), hopsOf("reply")];
  const first = request[0];
  const arrived = probe.answered || trace.legs.some(({ name }) => name === "reply");
  const lost = lastSeen(trace);
  const inside = (station: Station | undefined) => ({ node: station?.node, pod: station?.pod });
  const arrival = request.at(-1);
  // if only the reply was seen, the receiver is its origin
  const [receiver, within] =
    arrival === undefined ? [reply[0], reply[0]?.direction === "out"] : [arrival, arrival.direction === "in"];
  return [
    {
      id: `${prefix}-sender`,
      kind: "sender",
      text: first?.direction === "out" ? "sends" : probe.from,
      ...inside(first?.direction === "out" ? first.station : undefined),
    },
    ...(arrived
      ? [
          {
            id: `${prefix}-receiver`,
            kind: "receiver" as const,
            text: within ? "answers" : (arrival?.destination ?? probe.to),
            ...inside(within ? receiver?.station : undefined),
          },
        ]
      : []),
    ...(probe.answered
      ? []
      : [
          {
            id: `${prefix}-lost`,
            kind: "lost" as const,
            text: lost === undefined ? "NOT SEEN" : `LAST SEEN at step ${lost.number}`,
            ...inside(lost?.hop.station),
          },
        ]),
  ];
}

/** An end as a node for Graphviz. */
export function endNode({ id, kind, text }: End, { probe }: Trace, titles: Map<string, string>) {
  titles.set(id, { sender: `${probe.from} sends: ${probe.command}`, receiver: text, lost: text }[kind]);
  const shape = { sender: "ellipse", receiver: "ellipse", lost: "octagon" }[kind];
  return {
    name: id,
    attributes: {
      id,
      class: `end ${kind}`,
      shape,
      style: kind === "lost" ? "bold" : "solid",
      label: rowsLabel([escaped(text)]),
    },
  };
}

/** A label in Graphviz's HTML-like markup: plain labels would interpret escapes in names. */
export function rowsLabel(rows: readonly string[], margin = 0) {
  const cells = rows.map(
    (row) => `<TR>${gap(margin)}<TD ALIGN="LEFT">${row.trim() === "" ? "&#160;" : row}</TD>${gap(margin)}</TR>`,
  );
  return { html: `<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1">${cells.join("")}</TABLE>` };
}

function gap(width: number): string {
  return width === 0 ? "" : `<TD FIXEDSIZE="TRUE" WIDTH="${width}" HEIGHT="1"></TD>`;
}
