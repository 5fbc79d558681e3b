import { readFile, writeFile } from "node:fs/promises";
import { CHECKS } from "../datapath/checks/all";
import type { Expectation } from "../datapath/checks/check";
import { connect, type EvidenceCluster } from "../cluster/read";
import { connectProbes } from "../cluster/write";
import { externalExpectation, keptExpectation } from "../datapath/external";
import { verifyKept, type Verification } from "../datapath/verify";
import { withNodePods } from "../cluster/nodePods";
import { withProbeWorkload } from "../datapath/probeWorkload";
import { ALL_MODES, TUNNELS, type RoutingMode, type Tunnel } from "../modes/contract";
import { isArchive, readArchive } from "./evidenceFile";
import { stackCluster } from "./stackCluster";
import { withProgress } from "./progress";
import { lookOf } from "./environment";
import { UsageError } from "./usage";
import { runVerification } from "./verification";
import { verificationJunit } from "./verificationJunit";
import { PROOF_EXIT_CODES, verificationText } from "./verificationText";

export interface VerifyOptions {
  /** Default: kind's kubeconfig of the stack's cluster. */
  readonly kubeconfig?: string;
  /** The expected mode of an external cluster. */
  readonly expect?: string;
  readonly tunnel?: string;
  readonly set?: readonly string[];
  readonly only?: readonly string[];
  readonly skip?: readonly string[];
  readonly quick?: boolean;
  readonly all?: boolean;
  readonly quiet?: boolean;
  /** Create probe pods in an external cluster for the time of the verification. */
  readonly withWorkload?: boolean;
  /** Their image. Default: the Cilium agent's. */
  readonly workloadImage?: string;
  /** `reported`: what agents report is enough. */
  readonly accept?: string;
  readonly json?: boolean;
  readonly junit?: string;
  /** Folder of a failure's diagnostics; default: a new one; false: none. */
  readonly diagnostics?: string | boolean;
  readonly settleSeconds: number;
  /** Default: the stack's setting. */
  readonly maxNodes?: number;
}

/** A cluster with its expectation. */
interface Subject {
  readonly name: string;
  readonly cluster: EvidenceCluster;
  readonly expectation: Expectation;
  readonly maxNodes?: number;
  /** Set where the cluster has no workload and may get probe pods. */
  readonly kubeconfig?: string;
}

/** Verify that a cluster matches its stack, or a mode. @returns the exit code */
export async function verify(stack: string | undefined, options: VerifyOptions): Promise<number> {
  const checks = chosen(options);
  if (!(options.settleSeconds >= 0)) throw new UsageError("--settle-seconds must be a number of seconds, 0 or more");
  if (options.accept !== undefined && options.accept !== "reported" && options.accept !== "proven")
    throw new UsageError(`--accept must be proven or reported (got "${options.accept}")`);
  if (stack !== undefined && isArchive(stack)) return verifyFile(stack, options);
  const subject = stack === undefined ? await externalSubject(options) : await stackSubject(stack, options);
  const { settleSeconds, quick, diagnostics: directory, maxNodes = subject.maxNodes } = options;
  if (maxNodes !== undefined && !(maxNodes >= 1))
    throw new UsageError("--max-nodes must be a number of nodes, 1 or more");
  const request = { ...subject, checks, settleSeconds, maxNodes, quick, diagnostics: directory };
  const { verification, diagnostics } = await withWorkload(subject, options, (more) =>
    runVerification({ ...request, expectation: { ...subject.expectation, ...more } }),
  );
  if (options.junit !== undefined) await writeFile(options.junit, verificationJunit(subject.name, verification));
  const code = report(subject.name, verification, options);
  if (diagnostics !== undefined) console.error(`Diagnostics: ${diagnostics}`);
  return code;
}

/** Print a verification. @returns the exit code */
function report(name: string, verification: Verification, { all, quiet, json, accept }: VerifyOptions): number {
  const detail = all ? "all" : quiet ? "quiet" : "checks";
  console.log(
    json
      ? JSON.stringify(verification, undefined, 2)
      : verificationText(name, verification, lookOf(process.stdout), detail),
  );
  const { proof } = verification;
  return proof === "reported" && accept === "reported" ? 0 : PROOF_EXIT_CODES[proof];
}

/** Verify by evidence that `inspect --save` kept. @returns the exit code */
async function verifyFile(file: string, options: VerifyOptions): Promise<number> {
  const { expect, tunnel, kubeconfig, set, only, skip, quick, withWorkload: isWanted, junit } = options;
  if ([kubeconfig, set, only, skip, quick, isWanted, junit].some((each) => each !== undefined))
    throw new UsageError(
      `${file} is judged as it is: use only --expect, --tunnel, --accept, --all, --quiet and --json with it`,
    );
  const kept = await readArchive(file);
  if (expect === undefined)
    throw new UsageError(`Add --expect <mode> to verify ${file}; cilium-modes inspect ${file} shows the mode`);
  const mode = oneOf("--expect", expect, ALL_MODES);
  const way = tunnel === undefined ? undefined : oneOf("--tunnel", tunnel, TUNNELS);
  return report(file, verifyKept(kept, keptExpectation(kept.evidence, mode, way)), options);
}

/** Run the verification, with probe pods where the user wants them. @param work takes the expectation of these pods */
async function withWorkload<T>(
  { cluster, kubeconfig }: Subject,
  { withWorkload: isWanted, workloadImage }: VerifyOptions,
  work: (more: Pick<Expectation, "workload" | "nodePort">) => Promise<T>,
): Promise<T> {
  if (!isWanted) {
    if (workloadImage !== undefined) throw new UsageError("--workload-image needs --with-workload");
    return work({});
  }
  if (kubeconfig === undefined)
    throw new UsageError("--with-workload is for external clusters: a stack has a workload already");
  return withProbeWorkload(connectProbes(kubeconfig), cluster, workloadImage, withProgress, (workload, nodePort) =>
    work({ workload, nodePort }),
  );
}

async function stackSubject(stack: string, { expect, tunnel, set, kubeconfig }: VerifyOptions): Promise<Subject> {
  if (expect !== undefined || tunnel !== undefined) {
    throw new UsageError(`Stack ${stack} already sets the mode; remove the stack's name, or --expect and --tunnel`);
  }
  const { settings, cluster, expectation } = await stackCluster(stack, set, kubeconfig);
  return { name: stack, cluster, expectation, maxNodes: settings.verifyNodes };
}

async function externalSubject({ kubeconfig, expect, tunnel, set }: VerifyOptions): Promise<Subject> {
  if (kubeconfig === undefined)
    throw new UsageError(
      "Name a stack, or give --kubeconfig <file> and --expect <mode> for an external cluster; cilium-modes inspect shows the mode of a cluster",
    );
  if (expect === undefined) {
    const inspect = `cilium-modes inspect --kubeconfig ${kubeconfig}`;
    throw new UsageError(`Add --expect <mode> to verify the cluster of ${kubeconfig}; ${inspect} shows the mode`);
  }
  if (set !== undefined) throw new UsageError("--set overrides a stack's settings, and no stack is named");
  const mode = oneOf("--expect", expect, ALL_MODES);
  const way = tunnel === undefined ? undefined : oneOf("--tunnel", tunnel, TUNNELS);
  const text = await readFile(kubeconfig, "utf8");
  const cluster = await withNodePods(connect(text));
  return { name: mode, cluster, expectation: await externalExpectation(cluster, mode, way), kubeconfig: text };
}

function oneOf<T extends RoutingMode | Tunnel>(option: string, value: string, known: readonly T[]): T {
  const found = known.find((each) => each === value);
  if (found === undefined) throw new UsageError(`${option} must be one of ${known.join(", ")} (got "${value}")`);
  return found;
}

function chosen({ only, skip }: VerifyOptions) {
  const known = CHECKS.map(({ id }) => id);
  const unknown = [...(only ?? []), ...(skip ?? [])].filter((id) => !known.includes(id));
  if (unknown.length > 0)
    throw new UsageError(`There is no check ${unknown.join(", ")}; the checks are ${known.join(", ")}`);
  const checks = CHECKS.filter(({ id }) => (only === undefined || only.includes(id)) && !(skip ?? []).includes(id));
  if (checks.length === 0) throw new UsageError("--only and --skip leave no check");
  return checks;
}
