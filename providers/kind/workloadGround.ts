import { apiErrorLine } from "../../cluster/apiError";
import type { ClusterWriter } from "../../cluster/write";
import { readLost } from "./lost";
import { MARKS } from "./mark";
import type { WorkloadGroundInputs } from "./inputs";
import type { ResourceHandler } from "./provider";

export interface WorkloadGroundState extends WorkloadGroundInputs {
  /** Goes up whenever the workload has to be made again, all of it. */
  readonly generation: number;
  /** The cluster did not answer when it was last looked at, so the engine has lost the workload. */
  readonly lost: boolean;
}

/** What is needed of a cluster. */
export type GroundCluster = Pick<ClusterWriter, "configMap" | "namespace" | "deleteNamespace">;

/** Annotation of the workload's namespace. */
export const OWNER_ANNOTATION = "cilium-modes/owner";

/**
 * The resource `kind:index:WorkloadGround`. It stands before the workload's namespace, and clears it of what the engine
 * does not know of: Kubernetes' resources fail when they are there already, as after a run that was killed.
 */
export function workloadGroundHandler(
  connect: (kubeconfig: string) => Promise<GroundCluster>,
): ResourceHandler<WorkloadGroundInputs, WorkloadGroundState> {
  async function look({ kubeconfig, namespace }: WorkloadGroundInputs) {
    const cluster = await connect(kubeconfig);
    const [found, mark] = await Promise.all([
      cluster.namespace(namespace),
      cluster.configMap(MARKS.namespace, MARKS.workload),
    ]);
    return { owner: found && (found.metadata?.annotations?.[OWNER_ANNOTATION] ?? ""), mark: mark?.data };
  }

  async function clear(inputs: WorkloadGroundInputs): Promise<void> {
    const { owner } = await look(inputs);
    if (owner === undefined) return;
    const { namespace } = inputs;
    if (owner !== inputs.owner) {
      throw new Error(
        `The cluster has a namespace ${namespace} that this stack did not make; it was not touched. Remove it: kubectl delete namespace ${namespace}`,
      );
    }
    await (await connect(inputs.kubeconfig)).deleteNamespace(namespace);
  }

  /** Why the workload has to be made again; undefined when there is no reason. */
  async function troubleOf(olds: WorkloadGroundState, news: WorkloadGroundInputs): Promise<string | undefined> {
    const found = await look(news);
    if (olds.lost) return "its cluster did not answer a refresh, by which it was lost";
    const isMarked = found.mark?.["owner"] === olds.owner && found.mark["generation"] === String(olds.generation);
    if (found.owner !== undefined)
      return isMarked ? undefined : "an earlier run was interrupted before all was recorded";
    return isMarked ? `its namespace ${olds.namespace} is gone` : undefined;
  }

  return {
    check: async () => [],
    async diff(olds, news, log) {
      const replaces = FIXED.filter((key) => olds[key] !== news[key]);
      const changed = olds.kubeconfig !== news.kubeconfig || olds.owner !== news.owner;
      const problem = replaces.length > 0 ? undefined : await troubleOf(olds, news).catch(() => undefined);
      if (problem !== undefined) log.warn(`The workload will be made again: ${problem}.`);
      return { changes: changed || replaces.length > 0 || problem !== undefined, replaces };
    },
    async create(inputs) {
      await clear(inputs).catch((error: Error) => {
        throw new Error(apiErrorLine(error));
      });
      return { id: `${inputs.clusterInstance}/${inputs.namespace}`, state: { ...inputs, generation: 0, lost: false } };
    },
    read: (olds) => readLost(olds, look),
    async update(olds, news) {
      const problem = await troubleOf(olds, news);
      if (problem !== undefined) await clear(news);
      return { ...news, generation: olds.generation + (problem === undefined ? 0 : 1), lost: false };
    },
    async delete() {
      // goes with the namespace
    },
  };
}

const FIXED = ["clusterInstance", "namespace"] as const;
