import type { Analysis } from "../analyse/analysis";
import { METRICS, PATHS, type Comparison } from "../results";
import type { Section } from "./blocks";
import { capitalized, measurementCell } from "./format";

/** What pods on two nodes cost over these nodes; undefined if it was not measured. */
export function overheadSection({ subjects }: Comparison, { overhead }: Analysis): Section | undefined {
  if (overhead.length === 0) return undefined;
  const names = subjects.map(({ name }) => name);
  return {
    id: "overhead",
    title: "Cost over the nodes' network",
    blocks: [
      {
        kind: "text",
        text: `The path cross-node (${PATHS["cross-node"]}) and the path host (${PATHS.host}) lead from one node to the same other one. Ratios are those of cross-node to host in the same cluster, with their 95 % confidence interval.`,
      },
      {
        kind: "table",
        table: {
          caption: "Medians on the path cross-node, and their ratios to the path host",
          heads: ["", ...names],
          rows: overhead.flatMap(({ metric, unit, pods, nodes, ratios }) => [
            {
              head: `${capitalized(METRICS[metric].title)}, ${unit}`,
              cells: names.map((name) => measurementCell(pods.get(name), unit, ratios.get(name))),
            },
            { head: "on the path host", cells: names.map((name) => measurementCell(nodes.get(name), unit)) },
          ]),
        },
      },
    ],
  };
}
