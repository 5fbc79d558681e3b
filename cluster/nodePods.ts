import { NODE_PODS, WORKLOAD, WORKLOAD_CONTAINER } from "../modes/workload";
import type { ClusterReader, NodeExec } from "./read";

/** The same cluster with `onNode` through the workload's node pods; unchanged if there are none. */
export async function withNodePods<C extends ClusterReader>(cluster: C): Promise<C> {
  const list = () => cluster.pods(WORKLOAD.namespace, `app=${NODE_PODS}`);
  const some = await list().catch(() => []);
  if (some.length === 0) return cluster;
  const onNode: NodeExec = async (node, command) => {
    const pod = (await list()).find(({ spec }) => spec?.nodeName === node);
    if (pod === undefined) throw new Error(`no pod of ${NODE_PODS} runs on ${node}`);
    const entered = ["nsenter", "--target", "1", "--mount", "--net", "--", ...command];
    const { exitCode, stdout, stderr } = await cluster.exec(
      WORKLOAD.namespace,
      pod.metadata!.name!,
      WORKLOAD_CONTAINER,
      entered,
    );
    if (exitCode !== 0)
      throw new Error(`${command.join(" ")} failed with exit code ${exitCode} on ${node}: ${stderr.trim()}`);
    return stdout;
  };
  return { ...cluster, onNode };
}
