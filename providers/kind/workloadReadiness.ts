import { setTimeout as sleep } from "node:timers/promises";
import { apiErrorLine } from "../../cluster/apiError";
import type { ClusterReader } from "../../cluster/read";
import { newsOf, pendingWorkload } from "../../datapath/readiness";
import type { ResourceHandler } from "./handler";
import type { WorkloadReadinessInputs } from "./inputs";

/** The part of a cluster that this resource needs. */
export type ReadinessCluster = Pick<ClusterReader, "daemonSet" | "pods">;

/** Interval between looks at the workload. */
const PAUSE_MILLISECONDS = 500;

/**
 * The resource `kind:index:WorkloadReadiness`: it exists when the workload's pods are ready. The engine's own waiting
 * would warn of each pod that waits for Cilium, and takes ten seconds for a Service.
 */
export function workloadReadinessHandler(
  connect: (kubeconfig: string) => Promise<ReadinessCluster>,
): ResourceHandler<WorkloadReadinessInputs, WorkloadReadinessInputs> {
  const wait: (
    ...args: Parameters<ResourceHandler<WorkloadReadinessInputs, WorkloadReadinessInputs>["create"]>
  ) => Promise<WorkloadReadinessInputs> = async (inputs, log, signal) => {
    const { kubeconfig, namespace, daemonSets, pods, timeoutSeconds } = inputs;
    const cluster = await connect(kubeconfig);
    const deadline = Date.now() + timeoutSeconds * 1000;
    const shown = new Set<string>();
    const look = async () => {
      const [found, all] = await Promise.all([
        Promise.all(daemonSets.map((name) => cluster.daemonSet(namespace, name))),
        cluster.pods(namespace, ""),
      ]);
      return pendingWorkload(found, all, pods);
    };
    for (;;) {
      const pending = await look().catch((error: Error) => [apiErrorLine(error)]);
      if (pending.length === 0) return inputs;
      if (Date.now() >= deadline)
        throw new Error(
          [
            `The workload did not become ready within ${timeoutSeconds} s:`,
            ...pending.map((line) => `  - ${line}`),
          ].join("\n"),
        );
      for (const line of newsOf(pending, shown)) log.status(line);
      await sleep(PAUSE_MILLISECONDS, undefined, { signal });
    }
  };
  return {
    check: async () => [],
    async diff(olds, news) {
      const differs = (key: keyof WorkloadReadinessInputs) => JSON.stringify(olds[key]) !== JSON.stringify(news[key]);
      return {
        changes: (Object.keys(news) as (keyof WorkloadReadinessInputs)[]).some(differs),
        replaces: differs("clusterInstance") ? ["clusterInstance"] : [],
      };
    },
    create: async (inputs, log, signal) => ({
      id: `${inputs.clusterInstance}/${inputs.namespace}`,
      state: await wait(inputs, log, signal),
    }),
    read: async (olds) => olds,
    update: (_olds, news, log, signal) => wait(news, log, signal),
    async delete() {
      // nothing was created
    },
  };
}
