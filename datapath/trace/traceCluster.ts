import type { AttachableCluster } from "../../cluster/read";
import { readToEnd, type Conversation } from "../../cluster/podExec";

/** A cluster on whose nodes commands can be started, with the workload's tools and in the node's network. */
export interface TraceCluster extends AttachableCluster {
  startOnNode(node: string, command: readonly string[]): Conversation;
}

const ANSWER_SECONDS = 12;

/** Run a shell script on a node and return its output. @throws Error on timeout, or if it prints only errors */
export function askNode(cluster: TraceCluster, node: string, script: string): Promise<string> {
  return readToEnd(cluster.startOnNode(node, ["sh", "-c", script]), node, ANSWER_SECONDS);
}
