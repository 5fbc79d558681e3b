import { writeFile } from "node:fs/promises";
import type { EvidenceCluster } from "../cluster/read";
import { inspect as inspectCluster, judgeInspection } from "../datapath/inspect/inspect";
import type { Inspection } from "../datapath/inspect/inspection";
import { sourcesIn } from "../datapath/inspect/sources";
import type { KeptEvidence } from "../datapath/verify";
import { kubeconfigOf } from "../settings/kubeconfig";
import { inspectionHtml } from "./inspectHtml";
import { inspectionDiff, inspectionMarkdown, inspectionText, isSilent, isWrong } from "./inspectText";
import { isArchive, readEvidence, saveEvidence, withoutSecrets } from "./evidenceFile";
import { lookOf } from "./environment";
import { withProgress } from "./progress";
import { checkTarget } from "./targetFile";
import { UsageError } from "./usage";

export interface InspectOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
  /** File for the evidence. */
  readonly save?: string;
  /** File for a page. */
  readonly html?: string;
  readonly markdown?: boolean;
  readonly json?: boolean;
  readonly all?: boolean;
  readonly diff?: boolean;
  readonly maxNodes?: number;
  /** Send traffic from this project's workload. */
  readonly probe?: boolean;
}

/** Show which datapath a cluster, or the evidence in a file, has. @returns the exit code */
export async function inspect(subjects: readonly string[], options: InspectOptions): Promise<number> {
  const { save, html, markdown, json, all, diff, maxNodes } = options;
  if (maxNodes !== undefined && !(maxNodes >= 1))
    throw new UsageError("--max-nodes must be a number of nodes, 1 or more");
  for (const file of [save, html]) if (file !== undefined) await checkTarget(file);
  if (diff) {
    if (json || markdown || save !== undefined || html !== undefined)
      throw new UsageError("--diff prints a table; leave out --json, --markdown, --html and --save");
    if (subjects.length !== 2) throw new UsageError(`--diff takes two stacks or files (got ${subjects.length})`);
    const [left, right] = subjects as [string, string];
    const found = [await inspected(left, options), await inspected(right, options)] as const;
    console.log(inspectionDiff([left, found[0].inspection], [right, found[1].inspection], lookOf(process.stdout)));
    return 0;
  }
  if (subjects.length > 1)
    throw new UsageError(`inspect takes one stack or file (got ${subjects.length}); --diff takes two`);
  const { name, inspection, kept, isFile } = await inspected(subjects[0], options);
  if (save !== undefined) {
    if (isFile) throw new UsageError("--save keeps the evidence of a running cluster, not of a file");
    await saveEvidence(save, kept!);
  }
  if (html !== undefined) {
    const sources = sourcesIn({ ...kept!, evidence: withoutSecrets(kept!.evidence) });
    await writeFile(html, inspectionHtml(name, inspection, sources));
  }
  console.log(
    json
      ? JSON.stringify(inspection, undefined, 2)
      : markdown
        ? inspectionMarkdown(name, inspection)
        : inspectionText(name, inspection, lookOf(process.stdout), all ? "all" : "on"),
  );
  return inspection.rows.some(isWrong) || isSilent(inspection) ? 1 : 0;
}

interface Inspected {
  readonly name: string;
  readonly inspection: Inspection;
  /** Undefined where nothing but the inspection was wanted. */
  readonly kept: KeptEvidence | undefined;
  /** Whether it was read from a file, and not from a running cluster. */
  readonly isFile: boolean;
}

async function inspected(subject: string | undefined, options: InspectOptions): Promise<Inspected> {
  if (subject !== undefined && isArchive(subject)) {
    const kept = await withProgress(`Reading ${subject}`, ({ at }) =>
      readEvidence(subject, (what) => at(`Reading ${what}`)),
    );
    return { name: subject, inspection: judgeInspection(kept), kept, isFile: true };
  }
  const { name, cluster } = await clusterOf(subject, options);
  let kept: KeptEvidence | undefined;
  const inspection = await withProgress("Reading the cluster", ({ at }) =>
    inspectCluster(cluster, {
      maxNodes: options.maxNodes,
      probe: options.probe,
      at: (what, count) => at(`Reading ${what}`, count),
      // only these need more than the rows
      keep: options.save === undefined && options.html === undefined ? undefined : (read) => (kept = read),
    }),
  );
  return { name, inspection, kept, isFile: false };
}

async function clusterOf(
  stack: string | undefined,
  { kubeconfig, context }: InspectOptions,
): Promise<{ name: string; cluster: EvidenceCluster }> {
  if (stack !== undefined) {
    if (context !== undefined)
      throw new UsageError("--context chooses a cluster of a kubeconfig, and a stack has its own");
    // a file's evidence needs no client, which takes a while to load
    const { stackCluster }: typeof import("./stackCluster") = require("./stackCluster");
    return { name: stack, cluster: (await stackCluster(stack, undefined, kubeconfig)).cluster };
  }
  const text = kubeconfigOf({ kubeconfig, context });
  const name = /^current-context: "?(.*?)"?$/m.exec(text)?.[1] ?? "cluster";
  const { connect }: typeof import("../cluster/read") = require("../cluster/read");
  const { withNodePods }: typeof import("../cluster/nodePods") = require("../cluster/nodePods");
  return { name, cluster: await withNodePods(connect(text)) };
}
