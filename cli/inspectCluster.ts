import { readFacts } from "../datapath/cluster";
import { required } from "./environment";

/** Print the properties of an external cluster, or why they could not be read, as JSON. */
export async function inspectCluster(): Promise<void> {
  const inspection = await readFacts(required("CILIUM_MODES_KUBECONFIG")).then(
    (facts) => ({ facts }),
    (error: Error) => ({ problem: error.message }),
  );
  console.log(JSON.stringify(inspection));
}
