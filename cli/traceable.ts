import type { AttachableCluster } from "../cluster/read";
import type { Conversation } from "../cluster/podExec";
import type { TraceRequest } from "../datapath/trace/trace";
import type { TraceCluster } from "../datapath/trace/traceCluster";
import { NODE_PODS, WORKLOAD, WORKLOAD_CONTAINER } from "../modes/workload";
import { startInNode } from "../host/docker";
import { choiceOf } from "../settings/ciliumArgs";
import type { StackCluster } from "./stackCluster";

/** A stack's cluster as a trace needs it. */
export async function traceable(
  stack: string,
  { settings, cluster, expectation, networks, nodesAreContainers }: StackCluster,
): Promise<Omit<TraceRequest, "scenario">> {
  const startOnNode = nodesAreContainers ? startWithTools : await nodePodStarter(cluster);
  const { mode, tunnel, cilium } = settings;
  // in a tunnel, traffic to the native routing network is masqueraded too
  const inside = [...networks.pods, networks.services, ...(tunnel === "disabled" ? [cilium.nativeRoutingCIDR] : [])];
  const { version } = cilium;
  const choice = choiceOf(settings);
  return { name: stack, cluster: { ...cluster, startOnNode }, mode, tunnel, version, choice, expectation, inside };
}

/** Runs a command in the node's network with the files of the workload's container, which has the tools. */
const ENTER = `for id in $(ctr -n k8s.io containers ls -q 'labels."io.kubernetes.container.name"==${WORKLOAD_CONTAINER},labels."io.kubernetes.pod.namespace"==${WORKLOAD.namespace}'); do
  pid=$(ctr -n k8s.io tasks ls | awk -v id="$id" '$1 == id && $3 == "RUNNING" { print $2 }')
  [ -z "$pid" ] || exec nsenter --mount --target "$pid" -- "$@"
done
echo "no container ${WORKLOAD_CONTAINER} runs on this node" >&2
exit 1`;

const startWithTools: TraceCluster["startOnNode"] = (node, command) =>
  startInNode(node, ["sh", "-c", ENTER, "sh", ...command]);

/** In external clusters the workload has a pod in each node's network. */
async function nodePodStarter(cluster: AttachableCluster): Promise<TraceCluster["startOnNode"]> {
  const pods = await cluster.pods(WORKLOAD.namespace, `app=${NODE_PODS}`);
  return (node, command): Conversation => {
    const pod = pods.find(({ spec }) => spec?.nodeName === node)?.metadata?.name;
    if (pod === undefined) throw new Error(`${NODE_PODS} does not run on ${node}; run pulumi up --refresh`);
    return cluster.start(WORKLOAD.namespace, pod, WORKLOAD_CONTAINER, command);
  };
}
