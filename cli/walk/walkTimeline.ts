import type { Walk } from "../../datapath/trace/walk";
import { stepsOf } from "./walkSteps";

/** The columns of a walk's timeline. */
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

/** A walk's steps as rows under these columns. */
export function timeline(walk: Walk): readonly (readonly string[])[] {
  return stepsOf(walk).map(({ number, leg, hop, notes }) => [
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
