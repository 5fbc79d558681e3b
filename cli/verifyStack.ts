import { z } from "zod";
import type { Expectation } from "../datapath/checks/check";
import { connect } from "../datapath/cluster";
import { CHECKS, summaryOf } from "../datapath/verify";
import { execInNode } from "../providers/kind/docker";
import { required } from "./environment";
import { runVerification } from "./verification";
import { verificationText } from "./verificationText";

const Strictness = z.enum(["strict", "warn"]);

/**
 * Verify a stack's cluster inside `up`, and print the summary for the stack's output as JSON.
 * @throws Error with the table of what failed, unless the settings only want to be warned
 */
export async function verifyStack(): Promise<void> {
  const clusterName = required("CILIUM_MODES_CLUSTER");
  const strictness = Strictness.parse(required("CILIUM_MODES_VERIFY"));
  const { verification, diagnostics } = await runVerification({
    name: clusterName,
    cluster: connect(required("CILIUM_MODES_KUBECONFIG"), execInNode),
    expectation: JSON.parse(required("CILIUM_MODES_EXPECTATION")) as Expectation,
    checks: CHECKS,
    settleSeconds: Number(required("CILIUM_MODES_SETTLE_SECONDS")),
  });
  if (verification.verdict === "fail") {
    const text = [
      verificationText(clusterName, verification),
      `Diagnostics: ${diagnostics}`,
      "The cluster stays as it is; repair it and repeat pulumi up, or set verify: warn to go on all the same.",
    ].join("\n");
    if (strictness === "strict") throw new Error(text);
    console.error(text);
  }
  console.log(JSON.stringify(summaryOf(verification)));
}
