import { readFile } from "node:fs/promises";
import type { Expectation } from "../datapath/checks/check";
import { connect, readOverview, type AttachableCluster, type MeasuredCluster } from "../cluster/read";
import { factsOf } from "../datapath/clusterFacts";
import { fittingCluster } from "../datapath/clusterFit";
import { expectationOf } from "../datapath/expectation";
import { withNodePods } from "../cluster/nodePods";
import { execInNode } from "../providers/kind/docker";
import { startOutside } from "../providers/kind/outside";
import { readKubeconfig } from "../providers/kind/kindCli";
import { ciliumArgs } from "../settings/ciliumArgs";
import { kubeconfigOf } from "../settings/kubeconfig";
import type { Settings } from "../settings/parse";
import { isExisting } from "../settings/release";
import { readStackFile } from "./stackFile";

/** A stack's running cluster. */
export interface StackCluster {
  readonly settings: Settings;
  readonly cluster: AttachableCluster & MeasuredCluster;
  /** By which it was reached. */
  readonly kubeconfig: string;
  readonly expectation: Expectation;
  /** Whether its nodes are containers of this machine's Docker, by which they are reached. */
  readonly nodesAreContainers: boolean;
}

/**
 * Reach a stack's cluster by what the stack's file says.
 * @param set settings to be laid over the file's, `key=value`
 * @param kubeconfig a file instead of kind's own for the cluster
 */
export async function stackCluster(
  stack: string,
  set: readonly string[] | undefined,
  kubeconfig?: string,
): Promise<StackCluster> {
  const { settings } = readStackFile(stack, set);
  const { nodePort } = settings.nettool;
  if (isExisting(settings.cluster)) {
    if (kubeconfig !== undefined)
      throw new Error(`Stack ${stack} says itself which cluster it is in; leave out --kubeconfig`);
    const own = kubeconfigOf(settings.cluster);
    const cluster = await withNodePods(connect(own));
    const existing = fittingCluster(
      { mode: settings.mode, podCidr: settings.cluster.podCidr },
      factsOf(await readOverview(own)),
    );
    const expectation = expectationOf(ciliumArgs(settings, existing), { isKind: false, nodePort });
    return { settings, cluster, kubeconfig: own, expectation, nodesAreContainers: false };
  }
  const expectation = expectationOf(ciliumArgs(settings), { isKind: true, nodePort });
  if (kubeconfig !== undefined) {
    const given = await readFile(kubeconfig, "utf8");
    return { settings, cluster: connect(given), kubeconfig: given, expectation, nodesAreContainers: false };
  }
  const own = await readKubeconfig(settings.cluster.name);
  const cluster = { ...connect(own, execInNode), startOutside };
  return { settings, cluster, kubeconfig: own, expectation, nodesAreContainers: true };
}
