import type { Verdict } from "../../datapath/facts";
import { haveOneClock } from "../../datapath/trace/legs";
import type { Trace } from "../../datapath/trace/result";
import { PLAIN, verdictWord } from "../../render/terminal";
import { lastSeen, placeOf } from "./steps";

/** `PASS`, `FAIL` and the like. */
export const verdictText = (verdict: Verdict) => verdictWord(verdict, PLAIN).trim();

/** Scenario, cluster, probe and outcome. */
export function headline(trace: Trace): readonly string[] {
  return [
    `${verdictText(trace.verdict)} ${trace.title}`,
    `${trace.cluster}, mode ${trace.mode}, ${routingOf(trace)}, Cilium ${trace.version}`,
    `${trace.probe.protocol} from ${trace.probe.from} to ${trace.probe.to}: ${outcomeOf(trace)}`,
    `  ${trace.probe.command}`,
    ...(trace.notes ?? []),
  ];
}

/** Routing between nodes. */
export function routingOf({ tunnel }: Trace): string {
  return tunnel === "disabled" ? "native routing" : `tunnel ${tunnel}`;
}

/** Whether the probe was answered, and if not, where it was last seen. */
export function outcomeOf(trace: Trace): string {
  if (trace.probe.answered) return "answered";
  const last = lastSeen(trace);
  if (last === undefined) return "not answered, and not seen anywhere";
  const { number, leg, hop } = last;
  const way = hop.direction === "in" ? "entering" : "leaving";
  return `not answered; the ${leg} was last seen at step ${number}, ${way} ${placeOf(hop.station)}`;
}

/** Why times of a trace cannot be compared; undefined if they can. */
export function clockNote(trace: Trace): string | undefined {
  if (haveOneClock(trace.nodes)) return undefined;
  const machines = new Map<string, string[]>();
  for (const { clock, name } of trace.nodes) machines.set(clock, [...(machines.get(clock) ?? []), name]);
  return `Times on different machines cannot be compared; each has its own clock: ${[...machines.values()].map((names) => names.join(", ")).join(" | ")}.`;
}

/** How the actual path compares with the expected one, one sentence each. */
export function differenceLines(trace: Trace): readonly string[] {
  const lines = trace.legs.flatMap(({ name, differences, promised }) => [
    ...differences,
    ...(promised === undefined ? [`no path is expected of the ${name}`] : []),
  ]);
  if (lines.length > 0) return lines;
  return trace.verdict === "pass"
    ? [`the packet took the expected path of mode ${trace.mode}`]
    : ["every interface matches the expected path"];
}

/** Whether each node's netfilter saw the packet. */
export function netfilterLines({ nodes }: Trace): readonly string[] {
  return nodes.map(({ name, netfilter }) => {
    if (netfilter === undefined) return `${name}: unknown, since its connection tracking cannot be read`;
    return `${name}: ${netfilter ? "saw the packet" : "did not see the packet"}`;
  });
}

/** Why a trace did not pass, and what to do. */
export function reasonsOf({ legs, reasons, verdict }: Trace): readonly string[] {
  // differences have their own section
  const others = reasons.filter((reason) => !legs.some(({ differences }) => differences.includes(reason)));
  return verdict === "pass" || reasons.length > 0 ? others : ["unknown"];
}
