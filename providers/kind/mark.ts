import { apiErrorLine } from "../../cluster/apiError";
import type { ClusterWriter } from "../../cluster/write";
import { liveChangeWarnings } from "../../modes/continuity";
import type { MarkInputs } from "./inputs";
import type { ResourceHandler } from "./provider";

/** ConfigMaps that a stack writes once something of it is in the engine's state. */
export const MARKS = { namespace: "kube-system", cilium: "cilium-modes", workload: "cilium-modes-workload" } as const;

/** What is needed of a cluster. */
export type MarkCluster = Pick<ClusterWriter, "configMap" | "writeConfigMap" | "deleteConfigMap">;

/**
 * The resource `kind:index:Mark`. What it stands for is in the engine's state before it: where things are in a cluster
 * without it, a run ended before the engine knew of them. It is no Kubernetes resource, since those fail when they are
 * there already.
 */
export function markHandler(
  connect: (kubeconfig: string) => Promise<MarkCluster>,
): ResourceHandler<MarkInputs, MarkInputs> {
  async function write(inputs: MarkInputs): Promise<MarkInputs> {
    const { kubeconfig, name, owner, generation, config, version } = inputs;
    const data = {
      owner,
      generation,
      ...(config === undefined ? {} : { config }),
      ...(version === undefined ? {} : { version }),
    };
    await (await connect(kubeconfig)).writeConfigMap(MARKS.namespace, name, data);
    return inputs;
  }
  return {
    check: async () => [],
    async diff(olds, news, log) {
      // only here are what runs and what is to run both known, in previews too
      if (olds.clusterInstance === news.clusterInstance) liveChangeWarnings(olds, news).forEach(log.warn);
      return {
        changes: KEYS.some((key) => olds[key] !== news[key]),
        replaces: KEYS.filter((key) => FIXED.includes(key) && olds[key] !== news[key]),
      };
    },
    create: async (inputs) => ({ id: inputs.name, state: await write(inputs) }),
    read: async (olds) => olds,
    update: (_olds, news) => write(news),
    async delete({ kubeconfig, name, owner }, log) {
      try {
        const cluster = await connect(kubeconfig);
        const found = await cluster.configMap(MARKS.namespace, name);
        if (found?.data?.["owner"] === owner) await cluster.deleteConfigMap(MARKS.namespace, name);
      } catch (error) {
        // a cluster that is gone keeps nobody from destroying the stack
        log.warn(`The ConfigMap ${name} stays in ${MARKS.namespace}: ${apiErrorLine(error as Error)}`);
      }
    },
  };
}

const KEYS = ["clusterInstance", "kubeconfig", "name", "owner", "generation", "config", "version"] as const;
const FIXED: readonly string[] = ["clusterInstance", "name"];
