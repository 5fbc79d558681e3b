import { AGENT_CONTAINER, CILIUM_NAMESPACE, type Agent } from "./agents";
import type { ClusterReader } from "./read";

/** An agent prints all of its options first. */
const BEGINS = /\bmsg="\s*--[\w-]+=/;

/** Bytes of the beginning, and of what other rotated files say of a feature that does not run. */
const [BEGINNING, LATER] = [400_000, 100_000];

/**
 * Where kubelets keep logs: they begin a new file at 10 MiB, keep four older ones, and show the API server the newest only
 * (https://kubernetes.io/docs/concepts/cluster-administration/logging/#log-rotation). Agents of this project's stacks log so
 * much that this takes less than an hour.
 */
const rotated = (pod: string) => `cd /var/log/pods/*_${pod}_*/${AGENT_CONTAINER} || exit
show() { case $1 in *.gz) gzip -dc "$1" ;; *) cat "$1" ;; esac; }
first=
for file in $(ls -tr -- *.log.* 2>/dev/null); do
  if [ -z "$first" ]; then first=$file; show "$file" | head -c ${BEGINNING}; echo; continue; fi
  show "$file" | grep -iE 'fall|disabl|requires'
done | head -c ${BEGINNING + LATER}; true`;

/**
 * An agent's log, with what rotated files of its node have of its beginning. The API server has only the newest file.
 * @param bytes maximum size of what the API server gives
 */
export async function agentLog(
  cluster: ClusterReader,
  { node, pod }: Pick<Agent, "node" | "pod">,
  bytes?: number,
): Promise<string> {
  const log = await cluster.log(CILIUM_NAMESPACE, pod, AGENT_CONTAINER, bytes);
  if (BEGINS.test(log) || cluster.onNode === undefined) return log;
  const older = await cluster.onNode(node, ["sh", "-c", rotated(pod)]).catch(() => "");
  return older + log;
}
