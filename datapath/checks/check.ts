import type { CiliumConfig } from "../../modes/ciliumConfig";
import type { RoutingMode } from "../../modes/contract";
import type { ExpectedEvidence } from "../../modes/evidence";
import type { WorkloadNames } from "../../modes/workload";
import type { CauseId } from "../causes";
import { AGENT_SELECTOR, CILIUM_NAMESPACE } from "../../cluster/agents";
import { apiErrorLine } from "../../cluster/apiError";
import type { EvidenceCluster } from "../../cluster/read";
import type { Evidence, Part } from "../evidence/gather";
import type { Verdict } from "../facts";

/** What one check found about one node, or about the whole cluster. */
export interface Finding {
  readonly verdict: Verdict;
  /** A node's name, `pod on node`, or `cluster`. */
  readonly subject: string;
  /** What was observed, in one line. */
  readonly seen: string;
  /** Why it is wrong, or why the check was skipped. */
  readonly reason?: string | undefined;
  /** How to fix it: a command or a setting. */
  readonly remedy?: string | undefined;
  /** The root cause that it shows; undefined for a symptom, which may have one of several causes. */
  readonly cause?: CauseId | undefined;
  /** Nodes that it is about; a symptom between two nodes names both. */
  readonly nodes?: readonly string[] | undefined;
  /** Other nodes that may have it: those of the backends that a Service can have chosen. */
  readonly backendNodes?: readonly string[] | undefined;
}

/** What a cluster is verified against. */
export interface Expectation {
  /** The mode that is expected. */
  readonly mode: RoutingMode;
  readonly evidence: ExpectedEvidence;
  readonly ciliumConfig: CiliumConfig;
  /** How many nodes the cluster must have; undefined where nobody has said. */
  readonly nodeCount?: number | undefined;
  /** NodePort of the workload's service; undefined in a cluster without the workload. */
  readonly nodePort?: number | undefined;
  /** `cilium-config` keys that change the datapath, with the values that leave it as the mode has it. Default: none. */
  readonly datapathConfig?: Readonly<Record<string, readonly string[]>> | undefined;
  /** Whether the cluster is not this project's, so that Pulumi does not repair it. Default: false. */
  readonly isExternal?: boolean | undefined;
  /** Where the workload is. Default: {@link WORKLOAD}. */
  readonly workload?: WorkloadNames | undefined;
}

/** One question to a running cluster, and how to answer it from evidence. */
export interface Check<Own = unknown> {
  /** Name for `--only` and `--skip`. */
  readonly id: string;
  readonly question: string;
  /** Parts of the evidence that it needs. */
  readonly needs: readonly Part[];
  /** Whether `--quick` runs it. Default: true. */
  readonly quick?: boolean;
  /** Why the check says nothing about this cluster; undefined when it does. */
  skip?(expectation: Expectation): string | undefined;
  /** What it reads beside the common evidence of the nodes to look at, and how long that may take in seconds. */
  readonly timeoutSeconds?: number;
  read?(cluster: EvidenceCluster, expectation: Expectation, nodes: ReadonlySet<string>): Promise<Own>;
  judge(evidence: Evidence, expectation: Expectation, own: Own): readonly Finding[];
}

export const pass = (subject: string, seen: string): Finding => ({ verdict: "pass", subject, seen });

/** A symptom, or with `cause` a root cause. */
export const fail = (
  subject: string,
  seen: string,
  reason: string,
  remedy: string,
  more: Pick<Finding, "cause" | "nodes" | "backendNodes"> = {},
): Finding => ({ verdict: "fail", subject, seen, reason, remedy, ...more });

export const warning = (
  subject: string,
  seen: string,
  reason: string,
  remedy?: string,
  more: Pick<Finding, "cause" | "nodes"> = {},
): Finding => ({ verdict: "warning", subject, seen, reason, remedy, ...more });

export const skipped = (subject: string, reason: string): Finding => ({
  verdict: "skipped",
  subject,
  seen: "not verified",
  reason,
});

export const inconclusive = (
  subject: string,
  reason: string,
  remedy?: string,
  more: Pick<Finding, "cause" | "nodes"> = {},
): Finding => ({ verdict: "inconclusive", subject, seen: "no evidence", reason, remedy, ...more });

/** Findings about the second family of a dual-stack cluster. */
export const byIpv6 = (findings: readonly Finding[]): Finding[] =>
  findings.map((finding) => ({ ...finding, subject: `${finding.subject} by IPv6` }));

/** The first of many in one line, and how many more there are. @param mark between them */
export function firstOf(all: readonly string[], most: number, mark: "," | ";" = ","): string {
  const more = all.length - most;
  return `${all.slice(0, most).join(`${mark} `)}${more > 0 ? `${mark === ";" ? ";" : ""} and ${more} more` : ""}`;
}

/** Why a check could not read what it wants beside the common evidence, in one line. */
export function whyUnread(error: unknown): string {
  const { message } = error as Error;
  const isRecorded = message.startsWith("The recorded cluster was not asked");
  return isRecorded ? "the recorded cluster does not tell" : apiErrorLine(error as Error);
}

const deletingPodOn = (selector: string) => (node: string) =>
  `kubectl -n ${CILIUM_NAMESPACE} delete pod -l ${selector} --field-selector spec.nodeName=${node}`;

/** Command that deletes the agent's pod of a node, so that a new one starts. */
export const deletingAgentOn = deletingPodOn(AGENT_SELECTOR);

/** The same for kube-proxy's pod. */
export const deletingKubeProxyOn = deletingPodOn("k8s-app=kube-proxy");
