import { readFile } from "node:fs/promises";
import type { Expectation } from "../datapath/checks/check";
import { connect, readOverview, type AttachableCluster, type MeasuredCluster } from "../cluster/read";
import { factsOf } from "../datapath/clusterFacts";
import { fittingCluster } from "../datapath/clusterFit";
import { expectationOf } from "../datapath/expectation";
import { withNodePods } from "../cluster/nodePods";
import { execInNode } from "../host/docker";
import { startOutside } from "../host/outside";
import { networksOf } from "../modes/ipam";
import { ciliumArgs, wantedOfCluster } from "../settings/ciliumArgs";
import { kubeconfigOf } from "../settings/kubeconfig";
import type { Settings } from "../settings/parse";
import { isExternal } from "../settings/release";
import { kindKubeconfig } from "./kindKubeconfig";
import { readStackFile } from "./stackFile";
import { UsageError } from "./usage";

/** A stack's running cluster. */
export interface StackCluster {
  readonly settings: Settings;
  readonly cluster: AttachableCluster & MeasuredCluster;
  /** The kubeconfig by which it was reached. */
  readonly kubeconfig: string;
  readonly expectation: Expectation;
  readonly networks: { readonly pods: readonly string[]; readonly services: string };
  /** Whether its nodes are containers of this machine's Docker, which then gives access to them. */
  readonly nodesAreContainers: boolean;
}

/**
 * Connect to a stack's running cluster.
 * @param set settings that override the stack's file, `key=value`
 * @param kubeconfig a file instead of kind's kubeconfig of the cluster
 * @throws Error with the command that creates or starts a kind cluster that is not up
 */
export async function stackCluster(
  stack: string,
  set: readonly string[] | undefined,
  kubeconfig?: string,
): Promise<StackCluster> {
  const { settings } = readStackFile(stack, set);
  const { nodePort } = settings.nettool;
  if (isExternal(settings.cluster)) {
    if (kubeconfig !== undefined)
      throw new UsageError(`Stack ${stack} sets its external cluster itself; leave out --kubeconfig`);
    const own = kubeconfigOf(settings.cluster);
    const cluster = await withNodePods(connect(own));
    const facts = factsOf(await readOverview(own));
    const existing = fittingCluster(wantedOfCluster(settings), facts);
    const expectation = expectationOf(ciliumArgs(settings, existing), { isKind: false, nodePort });
    const networks = {
      pods: networksOf(existing.podCidr),
      services: facts.serviceCidr ?? settings.cluster.serviceCidr,
    };
    return { settings, cluster, kubeconfig: own, expectation, networks, nodesAreContainers: false };
  }
  const expectation = expectationOf(ciliumArgs(settings), { isKind: true, nodePort });
  const networks = { pods: [settings.cluster.podCidr], services: settings.cluster.serviceCidr };
  if (kubeconfig !== undefined) {
    const given = await readFile(kubeconfig, "utf8");
    return { settings, cluster: connect(given), kubeconfig: given, expectation, networks, nodesAreContainers: false };
  }
  const own = await kindKubeconfig(stack, settings.cluster.name);
  const cluster = { ...connect(own, execInNode), startOutside };
  return { settings, cluster, kubeconfig: own, expectation, networks, nodesAreContainers: true };
}
