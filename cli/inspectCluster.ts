import { readOverview } from "../cluster/read";
import { factsOf } from "../datapath/clusterFacts";
import { required } from "./environment";

/** Print the properties of an external cluster, or why they could not be read, as JSON. */
export async function inspectCluster(): Promise<void> {
  const inspection = await readOverview(required("CILIUM_MODES_KUBECONFIG")).then(
    (overview) => ({ facts: factsOf(overview) }),
    (error: Error) => ({ problem: error.message }),
  );
  console.log(JSON.stringify(inspection));
}
