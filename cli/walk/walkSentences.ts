import { haveOneClock } from "../../datapath/trace/legs";
import type { Walk } from "../../datapath/trace/walk";
import { lastSeen, placeOf } from "./walkSteps";

/** What was walked, in which cluster, and how it ended. */
export function headline(walk: Walk): readonly string[] {
  return [
    `${walk.title}: ${walk.verdict}`,
    `${walk.cluster}, mode ${walk.mode}, ${routingOf(walk)}, Cilium ${walk.version}`,
    `${walk.probe.protocol} from ${walk.probe.from} to ${walk.probe.to}: ${outcomeOf(walk)}`,
    `  ${walk.probe.command}`,
  ];
}

/** How pod traffic crosses nodes, in two words. */
export function routingOf({ tunnel }: Walk): string {
  return tunnel === "disabled" ? "native routing" : `tunnel ${tunnel}`;
}

/** Whether the sender had its answer, and if not, where the packet was last seen. */
export function outcomeOf(walk: Walk): string {
  if (walk.probe.answered) return "answered";
  const last = lastSeen(walk);
  if (last === undefined) return "not answered, and seen nowhere";
  const { number, leg, hop } = last;
  const way = hop.direction === "in" ? "coming in" : "going out";
  return `not answered; the ${leg} was last seen at step ${number}, ${way} at ${placeOf(hop.station)}`;
}

/** Why times of a walk cannot be held against each other; undefined where they can. */
export function clockNote(walk: Walk): string | undefined {
  if (haveOneClock(walk.nodes)) return undefined;
  const machines = new Map<string, string[]>();
  for (const { clock, name } of walk.nodes) machines.set(clock, [...(machines.get(clock) ?? []), name]);
  return `Times of different machines are not comparable: ${[...machines.values()].map((names) => names.join(", ")).join(" | ")} have clocks of their own.`;
}

/** How what was seen compares with what the mode promises, a sentence each. */
export function differenceLines(walk: Walk): readonly string[] {
  const lines = walk.legs.flatMap(({ name, differences, promised }) => [
    ...differences,
    ...(promised === undefined ? [`the ${name} was not held against a promise`] : []),
  ]);
  if (lines.length > 0) return lines;
  return walk.verdict === "pass"
    ? [`the packet took the way that mode ${walk.mode} promises`]
    : ["no interface differs from what the mode promises"];
}

/** What each node's netfilter saw. */
export function netfilterLines({ nodes }: Walk): readonly string[] {
  return nodes.map(({ name, netfilter }) => {
    if (netfilter === undefined) return `whether the kernel's netfilter saw it on ${name} cannot be read`;
    return netfilter ? `the kernel's netfilter saw it on ${name}` : `no netfilter on ${name}`;
  });
}

/** Why a walk is no pass, and what to do. */
export function reasonsOf({ legs, reasons, verdict }: Walk): readonly string[] {
  // the differences are told by themselves
  const others = reasons.filter((reason) => !legs.some(({ differences }) => differences.includes(reason)));
  return verdict === "pass" || reasons.length > 0 ? others : ["no reason is known"];
}
