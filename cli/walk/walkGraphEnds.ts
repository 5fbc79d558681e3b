import type { Leg, Station, Walk } from "../../datapath/trace/walk";
import { rowsLabel } from "./graphLabel";
import { escaped } from "./markup";
import { lastSeen } from "./walkSteps";

/** What sends, what answers, or where the packet was lost. */
export interface End {
  readonly id: string;
  readonly kind: "sender" | "receiver" | "lost";
  /** The node in which it is; undefined outside the cluster. */
  readonly node: string | undefined;
  readonly pod: string | undefined;
  readonly text: string;
}

/** The sender, the receiver if the request came there, and the place of loss of a walk without an answer. */
export function endsOf(walk: Walk, prefix: string): readonly End[] {
  const { probe } = walk;
  const hopsOf = (wanted: Leg["name"]) => walk.legs.find(({ name }) => name === wanted)?.hops ?? [];
  const [request, reply] = [hopsOf("request"), hopsOf("reply")];
  const first = request[0];
  const arrived = probe.answered || walk.legs.some(({ name }) => name === "reply");
  const lost = lastSeen(walk);
  const inside = (station: Station | undefined) => ({ node: station?.node, pod: station?.pod });
  const arrival = request.at(-1);
  // where only its answer was seen, the receiver is where that came from
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
            text: lost === undefined ? "SEEN NOWHERE" : `LAST SEEN at step ${lost.number}`,
            ...inside(lost?.hop.station),
          },
        ]),
  ];
}

/** An end as Graphviz's node. */
export function endNode({ id, kind, text }: End, { probe }: Walk, titles: Map<string, string>) {
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
