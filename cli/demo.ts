import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { brotliDecompressSync } from "node:zlib";
import { replay, type Recording } from "../cluster/recording";
import { expectationOf } from "../datapath/expectation";
import { tracePacket } from "../datapath/trace/trace";
import type { TraceCluster } from "../datapath/trace/traceCluster";
import { judgeInspection } from "../datapath/inspect/inspect";
import { verify, type KeptEvidence } from "../datapath/verify";
import { PACKAGE_DIRECTORY } from "../host/packageFile";
import type { CiliumValuesArgs } from "../modes/ciliumValues";
import type { Scenario } from "../modes/tracePaths";
import type { Look } from "../render/terminal";
import { lookOf } from "./environment";
import { inspectionText } from "./inspectText";
import { statusText, type StackStatus } from "./status";
import { checkTarget } from "./targetFile";
import { tracesHtml } from "./trace/html";
import { traceText } from "./trace/text";
import { UsageError } from "./usage";
import { verificationText } from "./verificationText";

/** What `scripts/record-demo.ts` writes: a cluster of this project, while commands asked it. */
export interface RecordedCluster {
  readonly stack: string;
  /** Inputs of its Cilium's Helm values. */
  readonly args: CiliumValuesArgs;
  readonly nodePort: number;
  /** Kubernetes' version, as `v1.34.2`. */
  readonly kubernetes: string;
  /** When its nodes were created, in ISO 8601. */
  readonly createdAt: string;
  /** The fault that was in force, with what it does in one sentence. */
  readonly fault?: { readonly name: string; readonly title: string };
  readonly verification: Recording;
  readonly traces: Readonly<
    Partial<Record<Scenario, { readonly inside: readonly string[]; readonly answers: Recording }>>
  >;
}

export interface DemoOptions {
  /** Name of a fault; default: a healthy cluster. */
  readonly fault?: string;
  /** File for the page of the trace; default: a new temporary one. */
  readonly html?: string;
  /** False: leave the browser closed. */
  readonly open?: boolean;
}

const FOLDER = join(PACKAGE_DIRECTORY, "cli", "recorded");
const HEALTHY = "ebpf";
const ENDING = ".json.br";

/** Run status, inspect, verify and trace on a recorded cluster. */
export async function demo({ fault, html, open }: DemoOptions): Promise<void> {
  const known = recordedNames().filter((name) => name !== HEALTHY);
  if (fault !== undefined && !known.includes(fault))
    throw new UsageError(`There is no recording of the fault ${fault}; recorded are ${known.join(", ")}`);
  if (html !== undefined) await checkTarget(html);
  const look = lookOf(process.stdout);
  const recorded = readRecorded(fault ?? HEALTHY);
  console.log(`${look.colors.bold(originOf(recorded))}\n`);
  const { text, page } = await replayed(recorded, look);
  console.log(text);
  if (page !== undefined) await show(page, html, open !== false);
  if (fault === undefined) console.log(`A broken cluster: npx cilium-modes demo --fault ${known[0] ?? "NAME"}`);
}

/** Names of the recordings. */
export const recordedNames = () =>
  readdirSync(FOLDER)
    .filter((file) => file.endsWith(ENDING))
    .map((file) => file.slice(0, -ENDING.length));

/** Read a recording that comes with this package. */
export const readRecorded = (name: string) =>
  JSON.parse(brotliDecompressSync(readFileSync(join(FOLDER, `${name}${ENDING}`))).toString("utf8")) as RecordedCluster;

/** Which cluster this is: said before anything else. */
function originOf({ args, kubernetes, fault, verification: { recordedAt } }: RecordedCluster): string {
  const cluster = `mode ${args.mode}, Cilium ${args.version}, Kubernetes ${kubernetes}, ${args.nodeCount} kind nodes`;
  const broken = fault === undefined ? "" : `\nBroken on purpose, ${fault.name}: ${fault.title}`;
  return `This is a recorded cluster, not one of this machine: ${cluster}, recorded on ${recordedAt.slice(0, 10)}${broken}`;
}

/** What the commands say of a recorded cluster, and the page of its first trace. */
export async function replayed(recorded: RecordedCluster, look: Look): Promise<{ text: string; page?: string }> {
  const { stack, args, nodePort, createdAt, verification: answers } = recorded;
  const expectation = expectationOf(args, { isKind: true, nodePort });
  let kept: Pick<KeptEvidence, "evidence" | "logs"> | undefined;
  const verification = await verify(replay(answers), expectation, {
    keep: (evidence, logs) => (kept = { evidence: { ...evidence, traffic: undefined }, logs }),
  });
  // only a verification was recorded, whose questions an inspection does not have all; it sends no traffic
  const { verifiedAt: readAt, seconds } = verification;
  const inspection = judgeInspection({ ...kept!, readAt, seconds });
  const status: StackStatus = {
    ...{
      stack,
      mode: args.mode,
      cluster: args.clusterName,
      state: "up",
      nodes: args.nodeCount,
      createdAt,
      verification,
    },
    problems: [],
  };
  const typed = (command: string) => look.colors.dim(`$ npx cilium-modes ${command}`);
  const parts = [
    typed(`status ${stack}`),
    statusText([status], look),
    "",
    typed(`inspect ${stack}`),
    inspectionText(stack, inspection, look, "mode"),
    "",
    typed(`verify ${stack}`),
    verificationText(stack, verification, look, "checks"),
  ];
  const traces = [];
  for (const [name, trace] of Object.entries(recorded.traces)) {
    const scenario = name as Scenario;
    const { mode, tunnel, version } = args;
    const cluster = replay<TraceCluster>(trace.answers);
    const request = { name: stack, cluster, mode, tunnel, version, expectation, inside: trace.inside, scenario };
    const { trace: found } = await tracePacket(request);
    traces.push(found);
    parts.push("", typed(`trace ${stack} --scenario ${scenario}`), traceText(found, look));
  }
  const text = parts.join("\n");
  return traces.length === 0 ? { text } : { text, page: await tracesHtml(traces) };
}

/** Write the page, and open it for somebody who sits in front of a terminal. */
async function show(page: string, file: string | undefined, mayOpen: boolean): Promise<void> {
  const path = file ?? join(await mkdtemp(join(tmpdir(), "cilium-modes-")), "trace.html");
  await writeFile(path, page);
  console.log(`\nThe trace as a page: ${pathToFileURL(path).href}`);
  if (!mayOpen || !process.stdout.isTTY) return;
  const { default: openInBrowser } = await import("open");
  const browser = await openInBrowser(path);
  // without a browser the path is enough
  browser.once("error", () => undefined);
}
