import { readFile } from "node:fs/promises";
import { connect } from "../datapath/cluster";
import type { Expectation } from "../datapath/checks/check";
import { CHECKS, verify as verifyCluster, type CheckResult } from "../datapath/verify";
import { expectedCiliumConfig } from "../modes/ciliumConfig";
import { expectedEvidence } from "../modes/evidence";
import { readKubeconfig } from "../providers/kind/kindCli";
import { ciliumArgs } from "../settings/ciliumArgs";
import { readStackFile } from "./stackFile";
import { verificationText } from "./verificationText";

export interface VerifyOptions {
  /** Default: kind's own for the stack's cluster. */
  readonly kubeconfig?: string;
  readonly set?: readonly string[];
  readonly only?: readonly string[];
  readonly skip?: readonly string[];
  readonly json?: boolean;
  readonly settleSeconds: number;
}

/** Hold the cluster behind a kubeconfig against a stack's contract. @returns whether everything passed */
export async function verify(stack: string, options: VerifyOptions): Promise<boolean> {
  const checks = chosen(options);
  const { settings } = readStackFile(stack, options.set);
  const args = ciliumArgs(settings);
  const expectation: Expectation = {
    evidence: expectedEvidence(args),
    ciliumConfig: expectedCiliumConfig(args),
    nodeCount: args.nodeCount,
    nodePort: settings.nettool.nodePort,
  };
  const kubeconfig =
    options.kubeconfig === undefined
      ? await readKubeconfig(settings.cluster.name)
      : await readFile(options.kubeconfig, "utf8");
  const cluster = connect(kubeconfig);
  const tell = (result: CheckResult) =>
    console.error(`${result.verdict.padEnd(12)} ${result.id} (${result.seconds} s)`);
  const verification = await verifyCluster(cluster, expectation, checks, options.settleSeconds, tell);
  console.log(options.json ? JSON.stringify(verification, undefined, 2) : verificationText(stack, verification));
  return verification.verdict === "pass";
}

function chosen({ only, skip }: VerifyOptions) {
  const known = CHECKS.map(({ id }) => id);
  const unknown = [...(only ?? []), ...(skip ?? [])].filter((id) => !known.includes(id));
  if (unknown.length > 0) throw new Error(`There is no check ${unknown.join(", ")}; known are ${known.join(", ")}`);
  return CHECKS.filter(({ id }) => (only === undefined || only.includes(id)) && !(skip ?? []).includes(id));
}
