import { NODE_PODS, WORKLOAD, WORKLOAD_CONTAINER } from "../modes/workload";
import type { ClusterReader, NodeExec } from "./cluster";

/** The same cluster, its nodes reached by the workload's pods in the nodes' own namespaces, where there are any. */
export async function withNodePods<C extends ClusterReader>(cluster: C): Promise<C> {
  const list = () => cluster.pods(WORKLOAD.namespace, `app=${NODE_PODS}`);
  const some = await list().catch(() => []);
  if (some.length === 0) return cluster;
  const onNode: NodeExec = async (node, command) => {
    const pod = (await list()).find(({ spec }) => spec?.nodeName === node);
    if (pod === undefined) throw new Error(`${NODE_PODS} does not run on ${node}`);
    const entered = ["nsenter", "--target", "1", "--mount", "--net", "--", ...command];
    const { exitCode, stdout, stderr } = await cluster.exec(
      WORKLOAD.namespace,
      pod.metadata!.name!,
      WORKLOAD_CONTAINER,
      entered,
    );
    if (exitCode !== 0) throw new Error(`${command.join(" ")} ended with ${exitCode} on ${node}: ${stderr.trim()}`);
    return stdout;
  };
  return { ...cluster, onNode };
}
