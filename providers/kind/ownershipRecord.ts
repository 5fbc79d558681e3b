import { apiErrorLine } from "../../cluster/apiError";
import type { ClusterWriter } from "../../cluster/write";
import { liveChangeWarnings } from "../../modes/continuity";
import { OWNERSHIP_RECORDS } from "../../modes/ownershipRecords";
import type { OwnershipRecordInputs } from "./inputs";
import type { ResourceHandler } from "./handler";

/** The part of a cluster that records need. */
export type RecordCluster = Pick<ClusterWriter, "configMap" | "writeConfigMap" | "deleteConfigMap">;

/**
 * The resource `kind:index:Mark`: a ConfigMap with the owner of Cilium or of the workload. It is written after the
 * engine has recorded them, so objects without a record belong to a run that ended before the engine knew of them. It
 * is no Kubernetes resource of the engine, since those fail when the object exists.
 */
export function ownershipRecordHandler(
  connect: (kubeconfig: string) => Promise<RecordCluster>,
): ResourceHandler<OwnershipRecordInputs, OwnershipRecordInputs> {
  async function write(inputs: OwnershipRecordInputs): Promise<OwnershipRecordInputs> {
    const { kubeconfig, name, owner, generation, config, version } = inputs;
    const data = {
      owner,
      generation,
      ...(config === undefined ? {} : { config }),
      ...(version === undefined ? {} : { version }),
    };
    await (await connect(kubeconfig)).writeConfigMap(OWNERSHIP_RECORDS.namespace, name, data);
    return inputs;
  }
  return {
    check: async () => [],
    async diff(olds, news, log) {
      // only this resource knows the running and the next configuration in a preview
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
        const found = await cluster.configMap(OWNERSHIP_RECORDS.namespace, name);
        if (found?.data?.["owner"] === owner) await cluster.deleteConfigMap(OWNERSHIP_RECORDS.namespace, name);
      } catch (error) {
        // an unreachable cluster must not block the stack's destruction
        log.warn(
          `The ConfigMap ${name} was not removed from ${OWNERSHIP_RECORDS.namespace}: ${apiErrorLine(error as Error)}`,
        );
      }
    },
  };
}

const KEYS = ["clusterInstance", "kubeconfig", "name", "owner", "generation", "config", "version"] as const;
const FIXED: readonly string[] = ["clusterInstance", "name"];
