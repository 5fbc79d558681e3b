import type { Finding } from "./check";
import { inconclusive } from "./check";
import type { Evidence } from "../evidence/gather";
import type { NodeEvidence, Section } from "../evidence/node";
import { sectionOf } from "../evidence/node";

/**
 * Judge every node by one part of what its agent said. A node whose agent does not answer is no evidence; why it does not is
 * another check's finding.
 */
export function eachNode(
  { nodes }: Evidence,
  section: Section,
  judge: (node: NodeEvidence, text: string) => readonly Finding[] | Finding,
): Finding[] {
  if (nodes.length === 0)
    return [
      inconclusive("cluster", "no node could be asked", "kubectl get nodes -o wide", { cause: "cluster-unreachable" }),
    ];
  return nodes.flatMap((each) => {
    const text = sectionOf(each, section);
    if (text instanceof Error) return [inconclusive(each.node, text.message, undefined, { nodes: [each.node] })];
    return judge(each, text);
  });
}
