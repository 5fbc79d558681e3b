import type { Analysis, DifferenceRow } from "../analyse/analysis";
import type { Comparison } from "../results";
import { blocksOf, type Block, type Section, type Table } from "./blocks";
import { capitalized } from "./format";

const GROUPS: Readonly<Record<DifferenceRow["group"], string>> = {
  settings: "settings",
  "cilium-config": "cilium-config",
  rules: "iptables and nftables",
  "service map": "Cilium's service map",
  interfaces: "interfaces",
  hops: "packet paths",
  outside: "clients outside the cluster",
  resources: "memory and CPU",
};

const NOTES: Partial<Record<DifferenceRow["group"], string>> = {
  hops: "Interfaces that a request and its reply pass, as the command trace shows them: > leaves the interface, < enters it.",
  outside: "Whose address a pod sees of a client outside the cluster.",
};

/** Facts of the clusters: differences first, equal ones folded. */
export function differenceSection({ subjects }: Comparison, { differences, reference }: Analysis): Section | undefined {
  if (differences.length === 0) return undefined;
  const names = subjects.map(({ name }) => name);
  const blocks = (Object.keys(GROUPS) as DifferenceRow["group"][]).flatMap((group): readonly Block[] => {
    const rows = differences.filter((row) => row.group === group);
    const [different, same] = [rows.filter(({ differs }) => differs), rows.filter(({ differs }) => !differs)];
    if (rows.length === 0) return [];
    return blocksOf(
      { kind: "heading", text: capitalized(GROUPS[group]) },
      NOTES[group] !== undefined && { kind: "text", text: NOTES[group] },
      different.length > 0
        ? {
            kind: "table",
            table: tableOf(
              `${different.length} of ${rows.length} differ; bold: differs from ${reference}`,
              different,
              names,
              reference,
            ),
          }
        : { kind: "text", text: "No differences." },
      same.length > 0 && {
        kind: "folded",
        summary: `${same.length} equal`,
        blocks: [
          {
            kind: "table",
            table: tableOf("Equal in all subjects", same, names.slice(0, 1), undefined, ["all subjects"]),
          },
        ],
      },
    );
  });
  return { id: "differences", title: "Differences in configuration and state", blocks };
}

function tableOf(
  caption: string,
  rows: readonly DifferenceRow[],
  subjects: readonly string[],
  reference?: string,
  heads = subjects,
): Table {
  return {
    caption,
    heads: ["", ...heads],
    rows: rows.map(({ name, cells }) => ({
      head: name,
      cells: subjects.map((subject) => ({
        text: cells.get(subject) ?? "–",
        strong: reference !== undefined && cells.get(subject) !== cells.get(reference),
      })),
    })),
  };
}
