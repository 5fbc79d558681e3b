import { readOverview } from "../cluster/read";
import { factsOf } from "../datapath/clusterFacts";
import { required } from "./environment";

/** Print the facts of an external cluster as JSON. @throws Error when the cluster does not answer */
export async function inspectCluster(): Promise<void> {
  console.log(JSON.stringify(factsOf(await readOverview(required("CILIUM_MODES_KUBECONFIG")))));
}
