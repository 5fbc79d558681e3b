import { apiErrorLine } from "../cluster/apiError";
import { readOverview } from "../cluster/read";
import { factsOf } from "../datapath/clusterFacts";
import { fittingCluster } from "../datapath/clusterFit";
import { within } from "../cluster/within";
import type { MachineFinding } from "../host/finding";
import { wantedOfCluster } from "../settings/ciliumArgs";
import { kubeconfigOf } from "../settings/kubeconfig";
import type { Settings } from "../settings/parse";

/** Time limit for the cluster's answer. */
const ANSWER_SECONDS = 20;

/** Whether a stack's external cluster answers, and accepts Cilium. */
export async function existingClusterFinding(settings: Settings): Promise<MachineFinding> {
  const finding = { subject: "cluster", matters: "all modes: Cilium is installed in it" };
  try {
    const facts = factsOf(await within(ANSWER_SECONDS, readOverview(kubeconfigOf(settings.cluster))));
    fittingCluster(wantedOfCluster(settings), facts);
    const seen = `${facts.endpoint} with ${facts.nodes.length === 1 ? "1 node" : `${facts.nodes.length} nodes`}`;
    return { ...finding, verdict: "pass", seen };
  } catch (error) {
    const remedy = "set cluster.kubeconfig and cluster.context to a cluster that answers and fits";
    return { ...finding, verdict: "fail", seen: apiErrorLine(error as Error), remedy };
  }
}
