import type { V1DaemonSet, V1Deployment, V1Node, V1Pod } from "@kubernetes/client-node";
import { AGENT_SELECTOR, CILIUM_NAMESPACE } from "../cluster/agents";
import type { ClusterReader } from "../cluster/read";
import type { NodeFacts } from "./facts";

/** Objects from which readiness is judged, read at one moment. */
export interface ReadinessEvidence {
  readonly nodes: readonly V1Node[];
  readonly agents: V1DaemonSet;
  readonly operator: V1Deployment;
  readonly coreDns: V1Deployment;
  /** Pods of agents, operator and CoreDNS. */
  readonly pods: readonly V1Pod[];
  /** Node name to the networks that Cilium's pool gave it. */
  readonly podCidrs: ReadonlyMap<string, readonly string[]>;
}

/** Read the evidence of readiness. */
export async function readReadiness(cluster: ClusterReader): Promise<ReadinessEvidence> {
  const [nodes, agents, operator, coreDns, agentPods, operatorPods, dnsPods, podCidrs] = await Promise.all([
    cluster.nodes(),
    cluster.daemonSet(CILIUM_NAMESPACE, "cilium"),
    cluster.deployment(CILIUM_NAMESPACE, "cilium-operator"),
    cluster.deployment(CILIUM_NAMESPACE, "coredns"),
    cluster.pods(CILIUM_NAMESPACE, AGENT_SELECTOR),
    cluster.pods(CILIUM_NAMESPACE, "io.cilium/app=operator"),
    cluster.pods(CILIUM_NAMESPACE, "k8s-app=kube-dns"),
    cluster.ciliumPodCidrs(),
  ]);
  return { nodes, agents, operator, coreDns, pods: [...agentPods, ...operatorPods, ...dnsPods], podCidrs };
}

/** What is not ready yet, one line each; empty if the cluster is ready. @param isDual whether pods need addresses of both families */
export function pendingReadiness(evidence: ReadinessEvidence, nodeCount: number, isDual = false): string[] {
  const pending: string[] = [];
  const ready = evidence.nodes.filter(isReady).length;
  const extra = Math.max(0, evidence.nodes.length - nodeCount);
  if (ready !== nodeCount || extra > 0) {
    pending.push(`nodes: ${ready} of ${nodeCount} Ready${extra > 0 ? `, ${extra} more than expected` : ""}`);
  }
  const agents = readyPods(evidence.agents);
  if (agents !== nodeCount) pending.push(`agents: ${agents} of ${nodeCount} ready with the current configuration`);
  pending.push(...deploymentPending("operator", evidence.operator), ...deploymentPending("CoreDNS", evidence.coreDns));
  const networks = isDual ? ["IPv4 ", "IPv6 "] : [""];
  for (const family of networks) {
    const isOfFamily = (cidr: string) => family === "" || cidr.includes(":") === (family === "IPv6 ");
    const without = evidence.nodes.filter(
      ({ metadata }) => !(evidence.podCidrs.get(metadata!.name!) ?? []).some(isOfFamily),
    );
    if (without.length > 0)
      pending.push(`${family}pod networks: none yet on ${without.map(({ metadata }) => metadata!.name).join(", ")}`);
  }
  return pending.length === 0 ? [] : [...pending, ...evidence.pods.flatMap(podTrouble)];
}

/**
 * What of the workload is not ready yet, one line each; empty if it is ready.
 * @param pods of its namespace
 * @param named names of pods that must be ready beside those of the DaemonSets
 */
export function pendingWorkload(
  daemonSets: readonly V1DaemonSet[],
  pods: readonly V1Pod[],
  named: readonly string[],
): string[] {
  const ofSets = daemonSets.flatMap((daemonSet) => {
    const wanted = daemonSet.status?.desiredNumberScheduled ?? 0;
    const ready = readyPods(daemonSet);
    if (wanted > 0 && ready === wanted) return [];
    return [`${daemonSet.metadata!.name}: ${ready} of ${wanted || "?"} pods ready`];
  });
  const others = named.filter((name) => !pods.some((pod) => pod.metadata?.name === name && isReady(pod)));
  const pending = [...ofSets, ...others.map((name) => `${name}: not ready`)];
  return pending.length === 0 ? [] : [...pending, ...pods.flatMap(withoutNode), ...pods.flatMap(podTrouble)];
}

/** Why a pod of the workload, which tolerates every taint, has no node. */
export function withoutNode({ metadata, status }: V1Pod): string[] {
  const unscheduled = status?.conditions?.find(
    ({ type, status: value }) => type === "PodScheduled" && value === "False",
  );
  return unscheduled === undefined
    ? []
    : [`pod ${metadata?.name} has no node: ${unscheduled.message ?? "no reason given"}`];
}

/** Lines to show while something is pending: its first line, and each container's trouble once. @param shown lines so far */
export function newsOf(pending: readonly string[], shown: Set<string>): string[] {
  const [first, ...others] = pending;
  return [first!, ...others.filter((line) => line.startsWith("pod "))].filter((line) => {
    // three pods of a DaemonSet have the same trouble, and its text changes with each attempt
    const what = /container [^:]+: [^:]+/.exec(line)?.[0] ?? line;
    return !shown.has(what) && shown.add(what);
  });
}

/** The nodes of a ready cluster, for the stack's outputs. */
export function nodeFacts({ nodes, pods, podCidrs }: ReadinessEvidence): NodeFacts[] {
  const agents = pods.filter(
    ({ metadata }) => metadata?.labels?.["k8s-app"] === "cilium" && metadata.deletionTimestamp === undefined,
  );
  return nodes.map(({ metadata }) => {
    const name = metadata!.name!;
    return {
      name,
      podCidrs: podCidrs.get(name) ?? [],
      agentPod: agents.find(({ spec }) => spec?.nodeName === name)?.metadata?.name ?? "",
    };
  });
}

/** Whether a node or a pod has the condition Ready. */
export function isReady({ status }: V1Node | V1Pod): boolean {
  return status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") ?? false;
}

/** Number of a DaemonSet's pods that are ready and run its current template. */
function readyPods({ metadata, status }: V1DaemonSet): number {
  if (status === undefined || (status.observedGeneration ?? 0) < (metadata?.generation ?? 0)) return 0;
  return Math.min(status.numberReady, status.updatedNumberScheduled ?? 0);
}

function deploymentPending(name: string, { metadata, spec, status }: V1Deployment): string[] {
  const wanted = spec?.replicas ?? 1;
  const observed = (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0);
  const available = observed ? Math.min(status?.availableReplicas ?? 0, status?.updatedReplicas ?? 0) : 0;
  const old = observed && (status?.replicas ?? 0) > wanted;
  return available === wanted && !old
    ? []
    : [
        `${name}: ${available} of ${wanted} available with the current configuration${old ? ", and older pods are still running" : ""}`,
      ];
}

/** Why a pod's containers are waiting, or how they ended. */
export function podTrouble({ metadata, spec, status }: V1Pod): string[] {
  const statuses = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  return statuses.flatMap(({ name, state, lastState }) => {
    const failed = state?.terminated?.exitCode ? state.terminated : lastState?.terminated;
    // report why a container restarts, not its back-off time
    const trouble = state?.waiting?.reason === "CrashLoopBackOff" && failed ? failed : (state?.waiting ?? failed);
    if (trouble === undefined || trouble.reason === "PodInitializing" || trouble.reason === "ContainerCreating")
      return [];
    const message =
      trouble.message === undefined ? "" : `: ${trouble.message.trim().split("\n").slice(-3).join(" | ")}`;
    return [`pod ${metadata?.name} on ${spec?.nodeName ?? "no node"}, container ${name}: ${trouble.reason}${message}`];
  });
}
