import { z } from "zod";
import type { Expectation } from "../datapath/checks/check";
import { connect, type EvidenceCluster } from "../cluster/read";
import { withNodePods } from "../cluster/nodePods";
import type { DatapathSummary } from "../datapath/facts";
import { judgeInspection } from "../datapath/inspect/inspect";
import { datapathOf } from "../datapath/inspect/inspection";
import { summaryOf, type KeptEvidence } from "../datapath/verify";
import { execInNode } from "../host/docker";
import { startOutside } from "../host/outside";
import { required } from "./environment";
import { runVerification } from "./verification";
import { verificationText } from "./verificationText";

const Strictness = z.enum(["strict", "warn"]);

/**
 * Verify a stack's cluster inside `pulumi up`, and print the summaries for the stack's outputs as JSON.
 * @throws Error with the failed verification, unless the stack has `verify: warn`
 */
export async function verifyStack(): Promise<void> {
  const clusterName = required("CILIUM_MODES_CLUSTER");
  const revision = Number(required("CILIUM_MODES_REVISION"));
  const strictness = Strictness.parse(required("CILIUM_MODES_VERIFY"));
  const { verification, kept, diagnostics } = await runVerification({
    name: clusterName,
    cluster: await cluster(),
    expectation: JSON.parse(required("CILIUM_MODES_EXPECTATION")) as Expectation,
    settleSeconds: Number(required("CILIUM_MODES_SETTLE_SECONDS")),
    maxNodes: Number(required("CILIUM_MODES_MAX_NODES")),
  });
  if (verification.verdict === "fail") {
    const text = `${verificationText(clusterName, verification)}\nDiagnostics: ${diagnostics}`;
    if (strictness === "strict") {
      throw new Error(
        `${text}\nThe cluster was left as it is; repair it and repeat pulumi up, or set verify: warn to continue in spite of failures.`,
      );
    }
    console.error(`${text}\nThe run continues because of verify: warn.`);
  }
  console.log(JSON.stringify({ ...summaryOf(verification), revision, datapath: datapath(kept) }));
}

/** What `inspect` says of the same evidence. It decides nothing, so an error costs no more than this output. */
function datapath(kept: KeptEvidence): DatapathSummary | undefined {
  try {
    return datapathOf(judgeInspection(kept));
  } catch (error) {
    console.error(`The output datapath is missing: ${(error as Error).message}`);
    return undefined;
  }
}

function cluster(): EvidenceCluster | Promise<EvidenceCluster> {
  const kubeconfig = required("CILIUM_MODES_KUBECONFIG");
  const areContainers = required("CILIUM_MODES_NODES_ARE") === "containers";
  return areContainers ? { ...connect(kubeconfig, execInNode), startOutside } : withNodePods(connect(kubeconfig));
}
