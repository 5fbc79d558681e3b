import { join } from "node:path";
import type { Check, Expectation } from "../datapath/checks/check";
import type { EvidenceCluster } from "../cluster/read";
import { verify, type KeptEvidence, type Verification } from "../datapath/verify";
import { writeDiagnostics } from "./diagnostics";
import { withProgress } from "./progress";
import { PROJECT_DIRECTORY } from "./stackFile";

/** A verification to be made. */
export interface VerificationRequest {
  /** What the cluster is called in messages. */
  readonly name: string;
  readonly cluster: EvidenceCluster;
  readonly expectation: Expectation;
  /** Default: all. */
  readonly checks?: readonly Check[];
  /** How long the cluster may take to settle, in seconds. */
  readonly settleSeconds: number;
  /** A larger cluster is sampled. */
  readonly maxNodes?: number | undefined;
  /** Only the essential checks. Default: false. */
  readonly quick?: boolean | undefined;
  /** Folder for a failed verification's diagnostics; default: a new one in the project; false: none. */
  readonly diagnostics?: string | boolean | undefined;
}

/** Verify, show on standard error what is being waited for, and keep what explains a failure. @returns `kept`: the evidence that decided */
export async function runVerification(
  request: VerificationRequest,
): Promise<{ verification: Verification; kept: KeptEvidence; diagnostics?: string }> {
  const { name, cluster, expectation, checks, settleSeconds, maxNodes, quick } = request;
  let last: Pick<KeptEvidence, "evidence" | "logs"> | undefined;
  const verification = await withProgress("Verifying the cluster", ({ at }) =>
    verify(cluster, expectation, {
      ...(checks === undefined ? {} : { checks }),
      ...{ settleSeconds, maxNodes, quick },
      at: (what, count) => at(`Waiting for ${what}`, count),
      keep: (evidence, logs) => (last = { evidence, logs }),
    }),
  );
  const kept = { ...last!, readAt: verification.verifiedAt, seconds: verification.seconds };
  if (verification.verdict === "pass" || request.diagnostics === false) return { verification, kept };
  const time = new Date().toISOString().replace(/[:.]/g, "-");
  const named = typeof request.diagnostics === "string" ? request.diagnostics : undefined;
  const directory = named ?? join(PROJECT_DIRECTORY, ".cilium-modes", "diagnostics", `${name}-${time}`);
  const written = await writeDiagnostics(directory, name, cluster, verification, kept.evidence).catch(
    ({ message }: Error) => `could not be written: ${message}`,
  );
  return { verification, kept, diagnostics: written };
}
