import type { AttachableCluster } from "../cluster/read";
import { nodeAddresses } from "../datapath/probes";
import { CILIUM_NAMESPACE, CONFIG_MAP } from "../cluster/agents";
import type { Conversation } from "../cluster/podExec";
import type { TraceRequest } from "../datapath/trace/trace";
import type { Inside } from "../datapath/trace/route";
import type { TraceCluster } from "../datapath/trace/traceCluster";
import { isIpv6Address } from "../modes/cidr";
import type { AddressFamily } from "../modes/ipFamily";
import { NODE_PODS, WORKLOAD, WORKLOAD_CONTAINER } from "../modes/workload";
import { startInNode } from "../host/docker";
import { choiceOf } from "../settings/ciliumArgs";
import { isExternal } from "../settings/release";
import type { StackCluster } from "./stackCluster";

/** A stack's cluster as a trace needs it. @throws Error if its nodes have no address of the family */
export async function traceable(
  stack: string,
  found: StackCluster,
  family: AddressFamily = "ipv4",
): Promise<Omit<TraceRequest, "scenario">> {
  const { settings, cluster, expectation, nodesAreContainers } = found;
  if (family === "ipv6" && (await nodeAddresses(cluster, family)).length === 0)
    throw new Error(withoutIpv6(stack, settings));
  const startOnNode = nodesAreContainers ? startWithTools : await nodePodStarter(cluster);
  const { mode, tunnel, cilium } = settings;
  const inside = family === "ipv4" ? ipv4Inside(found) : await ipv6Inside(found);
  const { version } = cilium;
  const choice = choiceOf(settings);
  const traced = { ...cluster, startOnNode };
  return { name: stack, cluster: traced, mode, tunnel, version, choice, expectation, inside, family };
}

/** Why the cluster of these settings cannot be traced by IPv6, and what to do. */
export function withoutIpv6(stack: string, { cluster }: Pick<StackCluster["settings"], "cluster">): string {
  const fix = isExternal(cluster) ? "" : "set cluster.ipFamily: dual, which replaces its cluster, or ";
  return `Stack ${stack} has no IPv6 addresses; ${fix}trace by IPv4 addresses, without --ipv6`;
}

/** In a tunnel, traffic to the native routing network is masqueraded too. */
function ipv4Inside({ settings: { tunnel, cilium }, networks }: StackCluster): Inside {
  return [...networks.pods, networks.services, ...(tunnel === "disabled" ? [cilium.nativeRoutingCIDR] : [])];
}

/** The networks of IPv6; those of an external cluster, which no setting names, as the cluster has them. */
async function ipv6Inside({ settings: { tunnel, ipv6 }, cluster }: StackCluster): Promise<Inside> {
  if (ipv6 !== undefined) {
    return [ipv6.podCidr, ipv6.serviceCidr, ...(tunnel === "disabled" ? [ipv6.nativeRoutingCIDR] : [])];
  }
  const [pods, services, config] = await Promise.all([
    cluster.ciliumPodCidrs(),
    cluster.services(),
    cluster.configMap(CILIUM_NAMESPACE, CONFIG_MAP),
  ]);
  const native = config?.data?.["ipv6-native-routing-cidr"];
  return [
    ...[...pods.values()].flat().filter((cidr) => cidr.includes(":")),
    ...services.flatMap(({ spec }) => (spec?.clusterIPs ?? []).filter(isIpv6Address).map((each) => `${each}/128`)),
    ...(tunnel === "disabled" && native ? [native] : []),
  ];
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
