import type { Subject, TraceSummary } from "./results";
import { listed } from "./words";

/** A sentence for each two subjects that ask for different modes or tunnels, and look the same in all that tells them apart. */
export function indistinguishable(subjects: readonly Subject[]): readonly string[] {
  return subjects.flatMap((one, index) =>
    subjects.slice(index + 1).flatMap((other) => {
      if (kindOf(one) === kindOf(other)) return [];
      const { differs, held } = hold(one, other);
      if (differs) return [];
      return [
        `${one.name} (${kindOf(one)}) and ${other.name} (${kindOf(other)}) cannot be told apart: alike are ${listed(held)}`,
      ];
    }),
  );
}

/** What a subject asks for: `kubeproxy, tunnel disabled`. */
export function kindOf({ mode, tunnel }: Pick<Subject, "mode" | "tunnel">): string {
  return `${mode}, tunnel ${tunnel}`;
}

function hold(one: Subject, other: Subject): { readonly differs: boolean; readonly held: readonly string[] } {
  const ways = one.inventory.walks.flatMap((walk) => {
    const counterpart = other.inventory.walks.find(({ scenario }) => scenario === walk.scenario);
    const isKnown = [walk, counterpart].every((each) => each !== undefined && each.verdict !== "inconclusive");
    return isKnown ? [{ scenario: walk.scenario, one: tellingPath(walk), other: tellingPath(counterpart!) }] : [];
  });
  const facts = [one, other].map(({ inventory: { nodes } }) => [
    `whether kube-proxy has rules (${yes(nodes.some(({ iptables }) => iptables["kube-proxy"].rules > 0))})`,
    ...["ClusterIP", "NodePort"].map((type) => {
      const has = nodes.some(({ services }) => (services[type] ?? 0) > 0);
      return `whether Cilium's service map has a ${type} (${yes(has)})`;
    }),
  ]) as [string[], string[]];
  const differs = facts[0].join() !== facts[1].join() || ways.some((way) => way.one !== way.other);
  const scenarios = listed(ways.map(({ scenario }) => scenario));
  return {
    differs,
    held: [...facts[0], ways.length === 0 ? "no walks, which were not seen in both" : `the walks ${scenarios}`],
  };
}

/** Walks to a single pod. A service has several on different nodes, and who answers is chance. */
const TO_ONE_POD: ReadonlySet<string> = new Set(["same-node", "cross-node", "outside"]);

/** The part of a walk that another one through the same data path has too. */
function tellingPath({ scenario, request, reply, rewrites, ttl }: TraceSummary): string {
  if (TO_ONE_POD.has(scenario)) return JSON.stringify([request, reply, rewrites, ttl]);
  return JSON.stringify([...new Set(rewrites.map((rewrite) => rewrite.replace(/^.* by /, "")))].sort());
}

const yes = (is: boolean) => (is ? "yes" : "no");
