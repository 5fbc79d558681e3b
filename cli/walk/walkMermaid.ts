import type { Walk } from "../../datapath/trace/walk";
import { outcomeOf } from "./walkSentences";
import { stationKey, stepsOf } from "./walkSteps";

/** A walk as Mermaid's sequence diagram, for documents: a participant for each interface that saw the packet, in order. */
export function walkMermaid(walk: Walk): string {
  const steps = stepsOf(walk);
  const stations = [...new Map(steps.map(({ hop: { station } }) => [stationKey(station), station])).values()];
  const keys = stations.map(stationKey);
  const nodes = walk.nodes
    .map((node) => ({ ...node, first: stations.findIndex((station) => station.node === node.name) }))
    .filter(({ first }) => first >= 0)
    .sort((left, right) => left.first - right.first);
  const idOf = (step: (typeof steps)[number]) => `s${keys.indexOf(stationKey(step.hop.station)) + 1}`;
  return [
    "sequenceDiagram",
    `  participant sender as ${mermaidText(walk.probe.from)}`,
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
    ...(walk.probe.answered
      ? steps.slice(-1).map((step) => `  ${idOf(step)}-->>sender: answered`)
      : [`  Note over ${steps.length === 0 ? "sender" : idOf(steps.at(-1)!)}: ${mermaidText(outcomeOf(walk))}`]),
  ].join("\n");
}

/** Mermaid reads some characters as its own, and all of them by number. */
function mermaidText(text: string): string {
  const safe = text.replace(/[^\p{L}\p{N} .,:/()→µ'_-]/gu, (character) =>
    /\p{Cc}|\p{Cs}/u.test(character) ? " " : `#${character.codePointAt(0)!};`,
  );
  return safe.trim() === "" ? "#160;" : safe.trim();
}
