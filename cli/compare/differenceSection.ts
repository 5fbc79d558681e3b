import type { Analysis, DifferenceRow } from "../../datapath/compare/analysis";
import type { Comparison } from "../../datapath/compare/results";
import { blocksOf, type Block, type Section, type Table } from "./blocks";
import { capitalised } from "./format";

const GROUPS: Readonly<Record<DifferenceRow["group"], string>> = {
  settings: "settings",
  "cilium-config": "cilium-config",
  rules: "iptables and nftables",
  "service map": "Cilium's service map",
  interfaces: "interfaces",
  hops: "ways of a packet",
  resources: "memory and CPU",
};

const NOTES: Partial<Record<DifferenceRow["group"], string>> = {
  hops: "Stations that a request and its reply pass, as the command trace shows them: > is out of one, < into it.",
};

/** What was read in the clusters: what differs in sight, what is the same folded. */
export function differenceSection({ subjects }: Comparison, { differences, reference }: Analysis): Section | undefined {
  if (differences.length === 0) return undefined;
  const names = subjects.map(({ name }) => name);
  const blocks = (Object.keys(GROUPS) as DifferenceRow["group"][]).flatMap((group): readonly Block[] => {
    const rows = differences.filter((row) => row.group === group);
    const [different, same] = [rows.filter(({ differs }) => differs), rows.filter(({ differs }) => !differs)];
    if (rows.length === 0) return [];
    return blocksOf(
      { kind: "heading", text: capitalised(GROUPS[group]) },
      NOTES[group] !== undefined && { kind: "text", text: NOTES[group] },
      different.length > 0
        ? {
            kind: "table",
            table: tableOf(
              `${different.length} of ${rows.length} differ; bold: other than in ${reference}`,
              different,
              names,
              reference,
            ),
          }
        : { kind: "text", text: "Nothing differs." },
      same.length > 0 && {
        kind: "folded",
        summary: `${same.length} the same`,
        blocks: [{ kind: "table", table: tableOf("The same in all", same, names.slice(0, 1), undefined, ["in all"]) }],
      },
    );
  });
  return { id: "differences", title: "What differs inside", blocks };
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
