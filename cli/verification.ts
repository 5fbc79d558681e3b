import { join } from "node:path";
import type { Check, Expectation } from "../datapath/checks/check";
import type { ClusterReader } from "../datapath/cluster";
import { verify, type CheckResult, type Verification } from "../datapath/verify";
import { writeDiagnostics } from "./diagnostics";
import { withProgress } from "./progress";
import { PROJECT_DIRECTORY } from "./stackFile";
import { lookOf } from "./terminal";
import { verdictWord } from "./verdictWord";

/** A verification to be made, and told of while it runs. */
export interface VerificationRequest {
  /** What the cluster is called in what is told. */
  readonly name: string;
  readonly cluster: ClusterReader;
  readonly expectation: Expectation;
  readonly checks: readonly Check[];
  readonly settleSeconds: number;
  /** Of a larger cluster only so many nodes are looked at. */
  readonly maxNodes?: number | undefined;
  /** Where a failed verification's diagnostics go; default: a folder of its own in the project; false: nowhere. */
  readonly diagnostics?: string | boolean | undefined;
}

/** Verify, tell of each check on standard error, and keep what explains a failure. */
export async function runVerification(
  request: VerificationRequest,
): Promise<{ verification: Verification; diagnostics?: string }> {
  const { name, cluster, expectation, checks, settleSeconds, maxNodes } = request;
  const width = Math.max(...checks.map(({ id }) => id.length));
  const look = lookOf(process.stderr);
  const open = new Set(checks.map(({ id }) => id));
  const verification = await withProgress(waitingFor(open), ({ at, say }) => {
    const tell = ({ verdict, id, seconds }: CheckResult) => {
      open.delete(id);
      say(`${verdictWord(verdict, look)} ${id.padEnd(width)} ${seconds} s`);
      at(waitingFor(open));
    };
    return verify(cluster, expectation, checks, settleSeconds, tell, maxNodes);
  });
  if (verification.verdict === "pass" || request.diagnostics === false) return { verification };
  const time = new Date().toISOString().replace(/[:.]/g, "-");
  const named = typeof request.diagnostics === "string" ? request.diagnostics : undefined;
  const directory = named ?? join(PROJECT_DIRECTORY, ".cilium-modes", "diagnostics", `${name}-${time}`);
  const written = await writeDiagnostics(directory, name, cluster, verification).catch(
    ({ message }: Error) => `(could not be kept: ${message})`,
  );
  return { verification, diagnostics: written };
}

/** So many names are told one by one. */
const NAMED = 4;

function waitingFor(checks: ReadonlySet<string>): string {
  return `waiting for ${checks.size > NAMED ? `${checks.size} checks` : [...checks].join(", ")}`;
}
