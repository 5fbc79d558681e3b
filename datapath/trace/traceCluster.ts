import { text } from "node:stream/consumers";
import type { AttachableCluster } from "../cluster";
import type { Session } from "../podExec";
import { within } from "../within";

/** A cluster on whose nodes commands can be left at work, with the workload's tools and in the node's network. */
export interface TraceCluster extends AttachableCluster {
  startOnNode(node: string, command: readonly string[]): Session;
}

const ANSWER_SECONDS = 12;

/** What a shell on a node prints. @throws Error when there is no answer, or nothing but errors */
export async function askNode(cluster: TraceCluster, node: string, script: string): Promise<string> {
  const session = cluster.startOnNode(node, ["sh", "-c", script]);
  const [output, errors] = await within(
    ANSWER_SECONDS,
    Promise.all([text(session.stdout), text(session.stderr)]),
    `${node} gives no answer`,
  );
  if (output === "" && errors !== "") throw new Error(`${node}: ${errors.trim().split("\n").at(-1)}`);
  return output;
}
