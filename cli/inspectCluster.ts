import { readOverview } from "../cluster/read";
import { factsOf } from "../datapath/clusterFacts";
import { required } from "./environment";

/** Print what is known of a cluster that exists as JSON. @throws Error when it does not answer */
export async function inspectCluster(): Promise<void> {
  console.log(JSON.stringify(factsOf(await readOverview(required("CILIUM_MODES_KUBECONFIG")))));
}
