import { apiErrorLine } from "../../cluster/apiError";
import type { ClusterWriter } from "../../cluster/write";
import { readLost } from "./contentLoss";
import type { WorkloadNamespaceInputs } from "./inputs";
import { OWNERSHIP_RECORDS } from "../../modes/ownershipRecords";
import type { ResourceHandler } from "./handler";

export interface WorkloadNamespaceState extends WorkloadNamespaceInputs {
  /** Increases whenever the whole workload has to be recreated. */
  readonly generation: number;
  /** The cluster did not respond to a refresh, so the engine has dropped the workload from the state. */
  readonly lost: boolean;
}

/** The part of a cluster that this resource needs. */
export type NamespaceCluster = Pick<ClusterWriter, "configMap" | "namespace" | "deleteNamespace">;

/** Annotation of the workload's namespace. */
export const OWNER_ANNOTATION = "cilium-modes/owner";

/**
 * The resource `kind:index:WorkloadGround`. It precedes the workload's namespace and removes objects that the engine
 * does not know, such as those of a killed run: Kubernetes resources fail when they exist already.
 */
export function workloadNamespaceHandler(
  connect: (kubeconfig: string) => Promise<NamespaceCluster>,
): ResourceHandler<WorkloadNamespaceInputs, WorkloadNamespaceState> {
  async function read({ kubeconfig, namespace }: WorkloadNamespaceInputs) {
    const cluster = await connect(kubeconfig);
    const [found, record] = await Promise.all([
      cluster.namespace(namespace),
      cluster.configMap(OWNERSHIP_RECORDS.namespace, OWNERSHIP_RECORDS.workload),
    ]);
    return { owner: found && (found.metadata?.annotations?.[OWNER_ANNOTATION] ?? ""), record: record?.data };
  }

  async function clear(inputs: WorkloadNamespaceInputs): Promise<void> {
    const { owner } = await read(inputs);
    if (owner === undefined) return;
    const { namespace } = inputs;
    if (owner !== inputs.owner) {
      throw new Error(
        `The cluster has a namespace ${namespace} that this stack did not create; it was not changed. To remove it: kubectl delete namespace ${namespace}`,
      );
    }
    await (await connect(inputs.kubeconfig)).deleteNamespace(namespace);
  }

  /** Why the workload has to be recreated; undefined if it does not. */
  async function recreationReason(
    olds: WorkloadNamespaceState,
    news: WorkloadNamespaceInputs,
  ): Promise<string | undefined> {
    const { owner, record } = await read(news);
    if (olds.lost) return "its cluster did not respond to a refresh, which removed the workload from the state";
    const isRecorded = record?.["owner"] === olds.owner && record["generation"] === String(olds.generation);
    if (owner !== undefined) return isRecorded ? undefined : "an earlier run was interrupted before it was recorded";
    return isRecorded ? `its namespace ${olds.namespace} was deleted` : undefined;
  }

  return {
    check: async () => [],
    async diff(olds, news, log) {
      const replaces = FIXED.filter((key) => olds[key] !== news[key]);
      const changed = olds.kubeconfig !== news.kubeconfig || olds.owner !== news.owner;
      const reason = replaces.length > 0 ? undefined : await recreationReason(olds, news).catch(() => undefined);
      if (reason !== undefined) log.warn(`The workload will be recreated: ${reason}.`);
      return { changes: changed || replaces.length > 0 || reason !== undefined, replaces };
    },
    async create(inputs) {
      await clear(inputs).catch((error: Error) => {
        throw new Error(apiErrorLine(error));
      });
      return { id: `${inputs.clusterInstance}/${inputs.namespace}`, state: { ...inputs, generation: 0, lost: false } };
    },
    read: (olds) => readLost(olds, read),
    async update(olds, news) {
      const reason = await recreationReason(olds, news);
      if (reason !== undefined) await clear(news);
      return { ...news, generation: olds.generation + (reason === undefined ? 0 : 1), lost: false };
    },
    async delete() {
      // removed with the namespace
    },
  };
}

const FIXED = ["clusterInstance", "namespace"] as const;
