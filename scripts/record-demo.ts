// npx tsx scripts/record-demo.ts <stack> [fault...]: record a running stack for `cilium-modes demo`, healthy and with each of these faults.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync } from "node:zlib";
import type { RecordedCluster } from "../cli/demo";
import { withoutSecrets } from "../cli/diagnostics";
import { ownNodes } from "../cli/drill";
import { stackCluster } from "../cli/stackCluster";
import { traceable } from "../cli/traceable";
import type { EvidenceCluster } from "../cluster/read";
import { record, replay, type Recording } from "../cluster/recording";
import { fallbackLines } from "../datapath/checks/status";
import { FAULTS } from "../datapath/faults/catalogue";
import { drillFault } from "../datapath/faults/drill";
import { labOf, readLabFacts } from "../datapath/faults/lab";
import { tracePacket } from "../datapath/trace/trace";
import type { TraceCluster } from "../datapath/trace/traceCluster";
import { verify } from "../datapath/verify";
import { execInNode } from "../host/docker";
import type { Scenario } from "../modes/tracePaths";
import { ciliumArgs } from "../settings/ciliumArgs";

const [stack, ...faults] = process.argv.slice(2) as [string, ...string[]];
const SHOWN: readonly Scenario[] = ["cross-node", "nodeport-other"];
const FOLDER = join(__dirname, "../cli/recorded");

async function main() {
  const found = await stackCluster(stack, []);
  const { cluster, expectation, settings } = found;
  const nodes = await ownNodes(stack, settings.cluster.name);
  const verified = async () => {
    const recorder = record(small(cluster));
    const verification = await verify(recorder.cluster, expectation, { settleSeconds: 0 });
    return { verification, answers: recorder.recording() };
  };
  const [first] = await cluster.nodes();
  const common = {
    ...{ stack: settings.mode, args: ciliumArgs(settings), nodePort: settings.nettool.nodePort },
    kubernetes: first!.status!.nodeInfo!.kubeletVersion,
    createdAt: new Date(first!.metadata!.creationTimestamp!).toISOString(),
  };
  const healthy = await verified();
  if (healthy.verification.proof !== "proven") throw new Error("the cluster is not healthy");
  const request = await traceable(stack, found);
  const traces: Record<string, { inside: readonly string[]; answers: Recording }> = {};
  for (const scenario of SHOWN)
    traces[scenario] = { inside: request.inside, answers: await recordedTrace(request, scenario) };
  keep(settings.mode, { ...common, verification: healthy.answers, traces });

  for (const name of faults) {
    const fault = FAULTS.find((each) => each.name === name);
    if (fault === undefined) throw new Error(`unknown fault ${name}`);
    let inForce = false;
    const result = await drillFault(fault, {
      lab: labOf(await readLabFacts(cluster), nodes, execInNode),
      async verify(options) {
        const settled = await verify(cluster, expectation, options);
        if (!inForce) return settled;
        // what the fault left in passing is over
        const { verification, answers } = await verified();
        keep(name, { ...common, fault: { name, title: fault.title }, verification: answers, traces: {} });
        return verification;
      },
      remember: (active) => Promise.resolve(void (inForce = active !== undefined)),
      at: (what) => console.error(what),
      signal: new AbortController().signal,
    });
    console.error(`${name}: ${result.outcome}, ${result.causes.join(", ")}`);
  }
}

/** A trace's answers: of packets that arrive when it is over, the replay would ask what nobody recorded. */
async function recordedTrace(
  request: Awaited<ReturnType<typeof traceable>>,
  scenario: Scenario,
  tries = 5,
): Promise<Recording> {
  const recorder = record(small(request.cluster));
  await tracePacket({ ...request, cluster: recorder.cluster, scenario });
  const answers = recorder.recording();
  try {
    await tracePacket({ ...request, cluster: replay<TraceCluster>(answers), scenario });
    return answers;
  } catch (error) {
    if (tries === 1) throw error;
    console.error(`${scenario}: recorded again, since its replay failed: ${(error as Error).message}`);
    return recordedTrace(request, scenario, tries - 1);
  }
}

/** The same cluster without the large parts that no check reads: other lines of logs, and who changed an object. */
function small<C extends EvidenceCluster>(cluster: C): C {
  const stripped = async <T extends { metadata?: { managedFields?: unknown } }>(objects: Promise<T[]>) =>
    (await objects).map((each) => ({ ...each, metadata: { ...each.metadata, managedFields: undefined } }));
  return {
    ...cluster,
    nodes: () => stripped(cluster.nodes()),
    pods: (namespace, labels) => stripped(cluster.pods(namespace, labels)),
    allPods: () => stripped(cluster.allPods()),
    log: async (...where) => {
      const lines = (await cluster.log(...where)).split("\n");
      return lines.filter((line) => fallbackLines(line).length > 0).join("\n");
    },
  };
}

function keep(name: string, recorded: RecordedCluster) {
  mkdirSync(FOLDER, { recursive: true });
  // a recording repeats long lists, which Brotli's window covers
  writeFileSync(join(FOLDER, `${name}.json.br`), brotliCompressSync(withoutSecrets(JSON.stringify(recorded))));
}

void main();
