import { setTimeout as sleep } from "node:timers/promises";
import { DEFAULTS } from "../modes/defaults";
import { apiErrorLine } from "./apiError";
import { type ClusterReader } from "./cluster";
import { agentsCheck, configCheck } from "./checks/config";
import { inconclusive, type Check, type Expectation, type Finding } from "./checks/check";
import { controllersCheck, operatorCheck } from "./checks/components";
import { dropsCheck } from "./checks/drops";
import { healthCheck } from "./checks/health";
import { hubbleCheck } from "./checks/hubble";
import { kubeProxyCheck, kubeProxyRulesCheck } from "./checks/kubeProxy";
import { masqueradingCheck } from "./checks/masquerading";
import { packetPathCheck } from "./checks/packetPath";
import { podNetworkCheck } from "./checks/podNetwork";
import { routesCheck } from "./checks/routes";
import { hostPortsCheck, serviceMapCheck } from "./checks/serviceMap";
import { statusCheck } from "./checks/status";
import { hostCheck, nodePortsCheck, podToPodCheck, servicesCheck } from "./checks/traffic";
import { translationCheck } from "./checks/translation";
import { VERDICTS, type NodesLookedAt, type Verdict, type VerificationSummary } from "./facts";
import { sampleOf } from "./sample";
import { within } from "./within";

/** Every check, from what was asked for to what the datapath does. */
export const CHECKS: readonly Check[] = [
  configCheck,
  agentsCheck,
  statusCheck,
  operatorCheck,
  controllersCheck,
  kubeProxyCheck,
  kubeProxyRulesCheck,
  serviceMapCheck,
  hostPortsCheck,
  routesCheck,
  podNetworkCheck,
  healthCheck,
  podToPodCheck,
  packetPathCheck,
  servicesCheck,
  nodePortsCheck,
  hostCheck,
  translationCheck,
  masqueradingCheck,
  dropsCheck,
  hubbleCheck,
] as readonly Check[];

/** A check with everything that it found. */
export interface CheckResult {
  readonly id: string;
  readonly question: string;
  /** The worst of the findings. */
  readonly verdict: Verdict;
  readonly findings: readonly Finding[];
  readonly seconds: number;
}

/** How a whole cluster was found. */
export interface Verification {
  readonly verdict: "pass" | "fail";
  readonly results: readonly CheckResult[];
  readonly seconds: number;
  /** Undefined where nobody could count them. */
  readonly nodes?: NodesLookedAt | undefined;
}

/** A verification without its details. */
export function summaryOf({ verdict, results, seconds, nodes }: Verification): VerificationSummary {
  const counts: Partial<Record<Verdict, number>> = {};
  for (const result of results) counts[result.verdict] = (counts[result.verdict] ?? 0) + 1;
  const checks = results.map(({ id, verdict: own, findings }) => {
    // the worst finding is the one that counts
    const { subject, seen, reason } = findings.find((finding) => finding.verdict === own)!;
    const more = own === "pass" && findings.length > 1 ? ` (and ${findings.length - 1} more)` : "";
    return [id, `${own}: ${subject}: ${seen}${more}${own === "pass" ? "" : `: ${reason ?? ""}`}`] as const;
  });
  return { verdict, counts, seconds, checks: Object.fromEntries(checks), nodes };
}

/** How often a check that has not passed yet is asked again. */
const RETRY_SECONDS = 2;

/**
 * Hold a running cluster against what it must be. Checks run at the same time; one that does not pass is asked again until the
 * deadline, since a cluster takes a while to settle.
 * @param settleSeconds how long that may be; 0 asks once
 * @param tell called whenever a check has its verdict
 * @param maxNodes of a larger cluster only so many nodes are looked at
 */
export async function verify(
  cluster: ClusterReader,
  expectation: Expectation,
  checks: readonly Check[],
  settleSeconds: number,
  tell: (result: CheckResult) => void = () => undefined,
  maxNodes = DEFAULTS.verifyNodes,
): Promise<Verification> {
  const start = Date.now();
  const sample = await sampleOf(cluster, expectation, maxNodes);
  const deadline = start + settleSeconds * 1000;
  const results = await Promise.all(
    checks.map(async (check) => {
      const result = await settle(check, sample.cluster, sample.expectation, deadline);
      tell(result);
      return result;
    }),
  );
  // a run in which nothing was looked at has shown nothing
  const isPass = results.some(({ verdict }) => verdict === "pass") && results.every(({ verdict }) => GOOD.has(verdict));
  return { verdict: isPass ? "pass" : "fail", results, seconds: secondsSince(start), nodes: sample.nodes };
}

/** What is no proof against the mode. */
const GOOD: ReadonlySet<Verdict> = new Set<Verdict>(["pass", "skipped", "warning"]);

/** How long something that only deserves a warning may settle. */
const WARNING_SECONDS = 6;

async function settle(
  check: Check,
  cluster: ClusterReader,
  expectation: Expectation,
  deadline: number,
): Promise<CheckResult> {
  const start = Date.now();
  const { id, question } = check;
  const skipped = check.skip?.(expectation);
  if (skipped !== undefined) {
    const finding: Finding = { verdict: "skipped", subject: "cluster", seen: "(not looked at)", reason: skipped };
    return { id, question, verdict: "skipped", findings: [finding], seconds: 0 };
  }
  for (;;) {
    const findings = await once(check, cluster, expectation);
    const verdict = VERDICTS[Math.max(...findings.map((finding) => VERDICTS.indexOf(finding.verdict)))]!;
    const until = GOOD.has(verdict) ? Math.min(deadline, start + WARNING_SECONDS * 1000) : deadline;
    if (verdict === "pass" || verdict === "skipped" || Date.now() + RETRY_SECONDS * 1000 >= until) {
      return { id, question, verdict, findings, seconds: secondsSince(start) };
    }
    await sleep(RETRY_SECONDS * 1000);
  }
}

/** Ask once; whatever goes wrong is no evidence, and never a pass. */
async function once(check: Check, cluster: ClusterReader, expectation: Expectation): Promise<readonly Finding[]> {
  try {
    const evidence = await within(check.timeoutSeconds, check.read(cluster, expectation));
    const findings = check.judge(evidence, expectation);
    return findings.length > 0 ? findings : [inconclusive("cluster", "nothing was there to judge")];
  } catch (error) {
    return [inconclusive("cluster", apiErrorLine(error as Error))];
  }
}

function secondsSince(start: number): number {
  return Math.round((Date.now() - start) / 100) / 10;
}
