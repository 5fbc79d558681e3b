import type { CiliumConfig } from "../../modes/ciliumConfig";
import type { ExpectedEvidence } from "../../modes/evidence";
import type { ClusterReader } from "../cluster";
import type { Verdict } from "../facts";

/** What one check found about one node, or about the whole cluster. */
export interface Finding {
  readonly verdict: Verdict;
  /** A node's name, or `cluster`. */
  readonly subject: string;
  /** What was seen, in one line. */
  readonly seen: string;
  /** Why it is not as it must be, or why it was skipped. */
  readonly reason?: string | undefined;
  /** What to do about it. */
  readonly remedy?: string | undefined;
}

/** What a cluster is held against. */
export interface Expectation {
  readonly evidence: ExpectedEvidence;
  readonly ciliumConfig: CiliumConfig;
  /** How many nodes the cluster must have; undefined where nobody has said. */
  readonly nodeCount?: number | undefined;
  /** NodePort of the workload's service; undefined in a cluster without the workload. */
  readonly nodePort?: number | undefined;
}

/** One question to a running cluster, and how to answer it from evidence. */
export interface Check<Evidence = unknown> {
  /** Name for `--only` and `--skip`. */
  readonly id: string;
  readonly question: string;
  /** How long reading the evidence may take, in seconds. */
  readonly timeoutSeconds: number;
  /** Why the check says nothing about this cluster; undefined when it does. */
  skip?(expectation: Expectation): string | undefined;
  read(cluster: ClusterReader, expectation: Expectation): Promise<Evidence>;
  judge(evidence: Evidence, expectation: Expectation): readonly Finding[];
}

export const pass = (subject: string, seen: string): Finding => ({ verdict: "pass", subject, seen });

export const fail = (subject: string, seen: string, reason: string, remedy: string): Finding => ({
  verdict: "fail",
  subject,
  seen,
  reason,
  remedy,
});

export const warning = (subject: string, seen: string, reason: string, remedy?: string): Finding => ({
  verdict: "warning",
  subject,
  seen,
  reason,
  remedy,
});

export const skipped = (subject: string, reason: string): Finding => ({
  verdict: "skipped",
  subject,
  seen: "(not looked at)",
  reason,
});

export const inconclusive = (subject: string, reason: string, remedy?: string): Finding => ({
  verdict: "inconclusive",
  subject,
  seen: "(no evidence)",
  reason,
  remedy,
});
