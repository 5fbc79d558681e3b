import type { Trace } from "../../datapath/trace/result";
import { outcomeOf } from "./sentences";
import { stationKey, stepsOf } from "./steps";

/** A trace as a Mermaid sequence diagram, with a participant for each interface that saw the packet. */
export function traceMermaid(trace: Trace): string {
  const steps = stepsOf(trace);
  const stations = [...new Map(steps.map(({ hop: { station } }) => [stationKey(station), station])).values()];
  const keys = stations.map(stationKey);
  const nodes = trace.nodes
    .map((node) => ({ ...node, first: stations.findIndex((station) => station.node === node.name) }))
    .filter(({ first }) => first >= 0)
    .sort((left, right) => left.first - right.first);
  const idOf = (step: (typeof steps)[number]) => `s${keys.indexOf(stationKey(step.hop.station)) + 1}`;
  return [
    "sequenceDiagram",
    `  participant sender as ${mermaidText(trace.probe.from)}`,
    ...nodes.flatMap(({ name, address }) => [
      `  box transparent ${mermaidText(`${name} ${address}`)}`,
      ...stations.flatMap((station, index) => {
        const label = station.pod === undefined ? station.interface : `${station.interface} of ${station.pod}`;
        return station.node === name ? [`    participant s${index + 1} as ${mermaidText(label)}`] : [];
      }),
      "  end",
    ]),
    ...steps.flatMap((step, index) => {
      const before = steps[index - 1];
      const { number, leg, hop, notes } = step;
      const from = before?.leg === leg ? idOf(before) : leg === "request" ? "sender" : before && idOf(before);
      const arrow = leg === "request" ? "->>" : "-->>";
      return [
        `  ${from ?? idOf(step)}${arrow}${idOf(step)}: ${mermaidText(`${number}. ${hop.source} → ${hop.destination}, TTL ${hop.ttl}`)}`,
        ...(notes.length === 0 ? [] : [`  Note over ${idOf(step)}: ${notes.map(mermaidText).join("<br/>")}`]),
      ];
    }),
    ...(trace.probe.answered
      ? steps.slice(-1).map((step) => `  ${idOf(step)}-->>sender: answered`)
      : [`  Note over ${steps.length === 0 ? "sender" : idOf(steps.at(-1)!)}: ${mermaidText(outcomeOf(trace))}`]),
  ].join("\n");
}

/** Escape characters that have a meaning in Mermaid, by their code points. */
function mermaidText(text: string): string {
  const safe = text.replace(/[^\p{L}\p{N} .,:/()→µ'_-]/gu, (character) =>
    /\p{Cc}|\p{Cs}/u.test(character) ? " " : `#${character.codePointAt(0)!};`,
  );
  return safe.trim() === "" ? "#160;" : safe.trim();
}
