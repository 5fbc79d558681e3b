import type { Comparison, NodeInventory, Subject, TraceSummary } from "../results";
import { listed } from "./words";

/** Pairs of subjects with different modes or tunnels but the same evidence, one sentence each. */
export function indistinguishable(subjects: readonly Subject[]): readonly string[] {
  return subjects.flatMap((one, index) =>
    subjects.slice(index + 1).flatMap((other) => {
      if (kindOf(one) === kindOf(other)) return [];
      const { differs, compared } = compareEvidence(one, other);
      if (differs) return [];
      return [
        `${one.name} (${kindOf(one)}) and ${other.name} (${kindOf(other)}) show the same evidence: ${listed(compared)}`,
      ];
    }),
  );
}

/** A subject's mode and tunnel: `kubeproxy, tunnel disabled`. */
export function kindOf({ mode, tunnel }: Pick<Subject, "mode" | "tunnel">): string {
  return `${mode}, tunnel ${tunnel}`;
}

function compareEvidence(
  one: Subject,
  other: Subject,
): { readonly differs: boolean; readonly compared: readonly string[] } {
  const traces = one.inventory.walks.flatMap((trace) => {
    const counterpart = other.inventory.walks.find(({ scenario }) => scenario === trace.scenario);
    const isKnown = [trace, counterpart].every((each) => each !== undefined && each.verdict !== "inconclusive");
    return isKnown ? [{ scenario: trace.scenario, one: tellingPart(trace), other: tellingPart(counterpart!) }] : [];
  });
  const facts = [one, other].map(({ inventory: { nodes } }) => [
    `rules of kube-proxy (${yes(nodes.some((node) => rulesOfKubeProxy(node) > 0))})`,
    ...["ClusterIP", "NodePort"].map((type) => {
      const has = nodes.some(({ services }) => (services[type] ?? 0) > 0);
      return `${type} in Cilium's service map (${yes(has)})`;
    }),
  ]) as [string[], string[]];
  const differs = facts[0].join() !== facts[1].join() || traces.some((trace) => trace.one !== trace.other);
  const scenarios = listed(traces.map(({ scenario }) => scenario));
  return {
    differs,
    compared: [...facts[0], traces.length === 0 ? "no traces in common" : `the traces ${scenarios}`],
  };
}

const rulesOfKubeProxy = ({ iptables, kubeProxyNftables }: NodeInventory) =>
  iptables["kube-proxy"].rules + (kubeProxyNftables?.rules ?? 0);

/** Scenarios with a single target pod; which pod of a service answers is random. */
const TO_ONE_POD: ReadonlySet<string> = new Set(["same-node", "cross-node", "outside"]);

/** The part of a trace that is the same for every trace through the same datapath. */
function tellingPart({ scenario, request, reply, rewrites, ttl }: TraceSummary): string {
  if (TO_ONE_POD.has(scenario)) return JSON.stringify([request, reply, rewrites, ttl]);
  return JSON.stringify([...new Set(rewrites.map((rewrite) => rewrite.replace(/^.* by /, "")))].sort());
}

const yes = (is: boolean) => (is ? "yes" : "no");

/** Matching subjects of two comparisons, and those without a match. */
export interface Matches {
  readonly pairs: readonly { readonly now: Subject; readonly before: Subject }[];
  readonly nowOnly: readonly Subject[];
  readonly beforeOnly: readonly Subject[];
}

/** Match subjects by mode and tunnel, and by name if several of one comparison share these. */
export function matchSubjects(now: Comparison, before: Comparison): Matches {
  const all = [now, before].map(({ subjects }) => subjects);
  const isAmbiguous = (subject: Subject) =>
    all.some((subjects) => subjects.filter((each) => kindOf(each) === kindOf(subject)).length > 1);
  const keyOf = (subject: Subject) => `${kindOf(subject)} ${isAmbiguous(subject) ? subject.name : ""}`;
  const counterpartIn = ({ subjects }: Comparison, subject: Subject) =>
    subjects.find((each) => keyOf(each) === keyOf(subject));
  return {
    pairs: now.subjects.flatMap((subject) => {
      const counterpart = counterpartIn(before, subject);
      return counterpart === undefined ? [] : [{ now: subject, before: counterpart }];
    }),
    nowOnly: now.subjects.filter((subject) => counterpartIn(before, subject) === undefined),
    beforeOnly: before.subjects.filter((subject) => counterpartIn(now, subject) === undefined),
  };
}
