import { setTimeout as sleep } from "node:timers/promises";
import type { RoutingMode } from "../modes/contract";
import { DEFAULTS } from "../modes/defaults";
import { apiErrorLine } from "../cluster/apiError";
import { diagnose, type Diagnosis } from "./causes";
import { CHECKS } from "./checks/all";
import { kubeProxyRulesCheck } from "./checks/kubeProxy";
import { statusCheck } from "./checks/status";
import { inconclusive, skipped, type Check, type Expectation, type Finding } from "./checks/check";
import { askedOnce } from "../cluster/askedOnce";
import type { EvidenceCluster } from "../cluster/read";
import { gather, type At, type Evidence, type Part } from "./evidence/gather";
import { hasChanged, valueOf } from "./evidence/api";
import { isRegenerating } from "./evidence/node";
import { sampled } from "./evidence/sample";
import type { Layout } from "./inspect/layout";
import { VERDICTS, type NodesLookedAt, type Proof, type Verdict, type VerificationSummary } from "./facts";
import { within } from "../cluster/within";
import { span } from "../host/timings.cjs";

/** A check with everything that it found. */
export interface CheckResult {
  readonly id: string;
  readonly question: string;
  /** The worst of the findings. */
  readonly verdict: Verdict;
  readonly findings: readonly Finding[];
  /** What was wrong when the cluster was first looked at, where the check passes now. */
  readonly earlier?: string | undefined;
}

/** How a whole cluster was found. */
export interface Verification {
  /** `pass`: nothing contradicts the mode; {@link proof} says how strong the evidence is. */
  readonly verdict: "pass" | "fail";
  readonly proof: Exclude<Proof, "off">;
  /** The mode that was expected. */
  readonly mode?: RoutingMode | undefined;
  /** Root causes of what is wrong, the most fundamental first. */
  readonly causes: readonly Diagnosis[];
  readonly results: readonly CheckResult[];
  readonly seconds: number;
  /** ISO time at which the evidence was complete. */
  readonly verifiedAt: string;
  /** Undefined where nobody could count them. */
  readonly nodes?: NodesLookedAt | undefined;
}

/** How a verification is made. */
export interface VerifyOptions {
  readonly checks?: readonly Check[];
  /** How long a cluster may take to settle, in seconds: until then whatever is wrong is looked at again. 0 looks once. */
  readonly settleSeconds?: number;
  /** How often in a row a cluster that looked wrong must look right. Default: 2. */
  readonly settledLooks?: number | undefined;
  /** A larger cluster is sampled. */
  readonly maxNodes?: number | undefined;
  /** Only the essentials. */
  readonly quick?: boolean | undefined;
  /** Called when something else is being looked at. */
  readonly at?: At;
  /** Called with the evidence of every look, the last of which decides. */
  readonly keep?: (evidence: Evidence, logs: KeptEvidence["logs"]) => void;
}

/** A verification without its details. */
export function summaryOf({
  verdict,
  proof,
  causes,
  results,
  seconds,
  nodes,
  verifiedAt,
}: Verification): VerificationSummary {
  const counts: Partial<Record<Verdict, number>> = {};
  for (const result of results) counts[result.verdict] = (counts[result.verdict] ?? 0) + 1;
  const checks = results.map(({ id, verdict: own, findings }) => {
    // the worst finding is the one that counts
    const { subject, seen, reason } = findings.find((finding) => finding.verdict === own)!;
    const more = own === "pass" && findings.length > 1 ? ` (and ${findings.length - 1} more)` : "";
    return [id, `${own}: ${subject}: ${seen}${more}${own === "pass" ? "" : `: ${reason ?? ""}`}`] as const;
  });
  return {
    ...{ verdict, proof, counts, seconds, verifiedAt, nodes },
    causes: causes.map(
      ({ cause, nodes: where, reason }) => `${cause}${where.length > 0 ? ` on ${where.join(", ")}` : ""}: ${reason}`,
    ),
    checks: Object.fromEntries(checks),
  };
}

/** How long to wait before a cluster that is not as it should be is looked at again. */
const RETRY_SECONDS = 2;

/** How long something that only deserves a warning may settle. */
const WARNING_SECONDS = 6;

/** How much longer a cluster may take whose pods, Services or EndpointSlices changed while it was looked at. */
const CHANGING_SECONDS = 45;

/** The same for agents that still make programs: two slow processors compile one for more than a minute. */
const REGENERATING_SECONDS = 120;

/** With so much time to settle, a cluster is looked at twice even if the first look took all of it: the machine is busy. */
const TWO_LOOKS_SECONDS = 10;

/** What does not contradict the mode. */
const GOOD: ReadonlySet<Verdict> = new Set<Verdict>(["pass", "skipped", "warning"]);

/**
 * Verify a running cluster. What is wrong is looked at again until the deadline, since a cluster takes a while to settle; a
 * cluster that looked wrong once must look right several times in a row, or something fails now and then.
 */
export async function verify(
  cluster: EvidenceCluster,
  expectation: Expectation,
  options: VerifyOptions = {},
): Promise<Verification> {
  const endShells = cluster.keepShells?.();
  try {
    return await verifySettled(cluster, expectation, options);
  } finally {
    endShells?.();
  }
}

async function verifySettled(
  cluster: EvidenceCluster,
  expectation: Expectation,
  options: VerifyOptions,
): Promise<Verification> {
  const { checks = CHECKS, settleSeconds = 0, settledLooks = 2, quick = false, at, keep } = options;
  const { maxNodes = DEFAULTS.verifyNodes } = options;
  const start = Date.now();
  const chosen = quick ? checks.filter((check) => check.quick !== false) : checks;
  const asked = chosen.filter((check) => check.skip?.(expectation) === undefined);
  const parts = new Set<Part>(asked.flatMap(({ needs }) => needs));
  const earlier = new Map<string, string>();
  const conclusion = (results: readonly CheckResult[], evidence: Evidence): Verification => ({
    ...conclude(results, evidence, expectation, earlier),
    seconds: Math.round((Date.now() - start) / 100) / 10,
    verifiedAt: new Date(cluster.now()).toISOString(),
  });
  let wasRegenerating = false;
  let hasFailed = false;
  for (let looksRight = 0; ;) {
    const asking = askedOnce(cluster);
    const nodes = nodesLookedAt(asking, maxNodes);
    const [evidence, owns] = await Promise.all([
      gather(asking, expectation, { parts, maxNodes, quick }, at),
      Promise.all(chosen.map((check) => readOwn(check, asking, expectation, nodes))),
    ]);
    keep?.(evidence, logsIn(owns[chosen.indexOf(statusCheck)]));
    const results = chosen.map((check, index) => judge(check, evidence, expectation, owns[index]));
    const isRight = results.every(({ verdict }) => verdict === "pass" || verdict === "skipped");
    looksRight = isRight ? looksRight + 1 : 0;
    if (isRight && (earlier.size === 0 || looksRight >= settledLooks)) return conclusion(results, evidence);
    const isFailing = results.some(({ verdict }) => !GOOD.has(verdict));
    hasFailed ||= isFailing;
    const isSettling = isFailing || (isRight && hasFailed);
    const patience = isSettling ? settleSeconds : Math.min(settleSeconds, WARNING_SECONDS);
    const isFirst = earlier.size === 0;
    const isAfter = (seconds: number) => Date.now() + RETRY_SECONDS * 1000 >= start + seconds * 1000;
    // programs that are ready now may not have been when packets were sent
    const regenerates = evidence.nodes.some(isRegenerating);
    const madePrograms = regenerates || wasRegenerating;
    wasRegenerating = regenerates;
    const longest = patience + (madePrograms ? REGENERATING_SECONDS : CHANGING_SECONDS);
    const isChanging = async () =>
      isFailing && patience > 0 && !isAfter(longest) && (madePrograms || (await hasChanged(cluster, evidence.api)));
    const isOver = isAfter(patience) && !(await isChanging());
    if (isOver && !(isFirst && settleSeconds >= TWO_LOOKS_SECONDS)) return conclusion(results, evidence);
    for (const { id, verdict, findings } of results) {
      if (verdict === "pass" || verdict === "skipped") continue;
      const { subject, seen, reason } = findings.find((finding) => finding.verdict === verdict)!;
      earlier.set(id, `${subject}: ${reason ?? seen}`);
    }
    const wrong = results.filter(({ verdict }) => verdict !== "pass" && verdict !== "skipped").map(({ id }) => id);
    at?.("the cluster to settle", `(${wrong.slice(0, 3).join(", ") || "looking again"})`);
    await sleep(RETRY_SECONDS * 1000);
  }
}

/** The logs that the check of agents' statuses has read. */
const logsIn = (own: unknown): KeptEvidence["logs"] =>
  own instanceof Map ? (Object.fromEntries(own as ReadonlyMap<string, readonly string[]>) as KeptEvidence["logs"]) : {};

/** Evidence of a cluster that is kept, without traffic. Plain data: it can be kept as JSON and judged again. */
export interface KeptEvidence {
  readonly evidence: Evidence;
  /** Where Cilium runs. Default: in its usual place. */
  readonly layout?: Layout | undefined;
  /** Node to the lines of its agent's log about a fallback. */
  readonly logs: Readonly<Record<string, readonly string[]>>;
  /** When it was complete, in ISO 8601. */
  readonly readAt: string;
  /** How long it took to read. */
  readonly seconds: number;
}

/** Verify a cluster by evidence that was kept. Without traffic, the proof is `reported` at best. */
export function verifyKept({ evidence, logs, readAt, seconds }: KeptEvidence, expectation: Expectation): Verification {
  const owns: Readonly<Record<string, unknown>> = {
    [statusCheck.id]: new Map(Object.entries(logs)),
    [kubeProxyRulesCheck.id]: new Map(),
  };
  const results = CHECKS.map((check) => judge(check, evidence, expectation, owns[check.id]));
  return { ...conclude(results, evidence, expectation, new Map()), seconds, verifiedAt: readAt };
}

function conclude(
  results: readonly CheckResult[],
  evidence: Evidence,
  { mode }: Expectation,
  earlier: ReadonlyMap<string, string>,
): Omit<Verification, "seconds" | "verifiedAt"> {
  const proof = proofOf(results);
  const all = valueOf(evidence.api.nodes, undefined)?.length;
  return {
    verdict: proof === "proven" || proof === "reported" ? "pass" : "fail",
    proof,
    mode,
    causes: diagnose(results),
    results: results.map((result) => {
      const before = earlier.get(result.id);
      return result.verdict === "pass" && before !== undefined ? { ...result, earlier: before } : result;
    }),
    nodes: all === undefined || evidence.nodes.length === 0 ? undefined : { looked: evidence.nodes.length, all },
  };
}

/** Checks that show what the datapath itself does; without one of them there are only the words of configuration and agents. */
const SHOWN_BY_TRAFFIC: ReadonlySet<string> = new Set(["translation", "masquerading", "packet-path", "source-address"]);

/** Checks without which nothing is known of the mode at all. */
const REPORTED_BY: readonly string[] = ["config", "status"];

function proofOf(results: readonly CheckResult[]): Verification["proof"] {
  if (results.some(({ verdict }) => verdict === "fail")) return "not in force";
  const passed = new Set(results.filter(({ verdict }) => verdict === "pass").map(({ id }) => id));
  if (results.some(({ verdict }) => verdict === "inconclusive")) return "unknown";
  if (!REPORTED_BY.every((id) => passed.has(id))) return "unknown";
  return [...SHOWN_BY_TRAFFIC].some((id) => passed.has(id)) ? "proven" : "reported";
}

/** Names of the nodes to look at; none where the API server does not tell. */
async function nodesLookedAt(cluster: EvidenceCluster, maxNodes: number): Promise<ReadonlySet<string>> {
  try {
    const names = (await cluster.nodes()).map(({ metadata }) => metadata!.name!);
    return new Set(sampled(names, maxNodes));
  } catch {
    return new Set();
  }
}

/** What a check reads for itself; an error is no evidence. */
async function readOwn(
  check: Check,
  cluster: EvidenceCluster,
  expectation: Expectation,
  nodes: Promise<ReadonlySet<string>>,
): Promise<unknown> {
  if (check.read === undefined || check.skip?.(expectation) !== undefined) return undefined;
  const read = async () => check.read!(cluster, expectation, await nodes);
  return span(`check ${check.id}`, "read", () => within(check.timeoutSeconds ?? 30, read())).catch(
    (error: unknown) => new Unread(apiErrorLine(error as Error)),
  );
}

/** Stands for evidence that could not be read. */
class Unread {
  constructor(readonly why: string) {}
}

/** What a check says of evidence. @param own what it has read for itself */
export function judge(check: Check, evidence: Evidence, expectation: Expectation, own: unknown): CheckResult {
  const { id, question } = check;
  const findings = findingsOf(check, evidence, expectation, own);
  const verdict = VERDICTS[Math.max(...findings.map((finding) => VERDICTS.indexOf(finding.verdict)))]!;
  return { id, question, verdict, findings };
}

function findingsOf(
  check: Check,
  evidence: Evidence,
  expectation: Expectation,
  own: unknown,
): readonly [Finding, ...Finding[]] {
  const why = check.skip?.(expectation);
  if (why !== undefined) return [skipped("cluster", why)];
  if (own instanceof Unread) return [inconclusive("cluster", own.why)];
  try {
    const [first, ...more] = check.judge(evidence, expectation, own);
    return first === undefined ? [inconclusive("cluster", "there was nothing to judge")] : [first, ...more];
  } catch (error) {
    return [inconclusive("cluster", (error as Error).message)];
  }
}
