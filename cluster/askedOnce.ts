import type { EvidenceCluster } from "./read";

/** The questions that only read the API server. */
const READS =
  "nodes pods allPods services service configMap renderedCilium daemonSet deployment list ciliumPodCidrs".split(
    " ",
  ) as (keyof EvidenceCluster)[];

/** The same cluster, whose API server is asked every question once: for answers that are judged together. */
export function askedOnce<C extends EvidenceCluster>(cluster: C): C {
  const answers = new Map<string, unknown>();
  const once =
    (name: string, read: (...args: unknown[]) => unknown) =>
    (...args: unknown[]) => {
      const question = JSON.stringify([name, ...args]);
      if (!answers.has(question)) answers.set(question, read(...args));
      return answers.get(question);
    };
  const reads = READS.map((name) => [name, once(name, cluster[name] as (...args: unknown[]) => unknown)]);
  return { ...cluster, ...Object.fromEntries(reads) } as C;
}
