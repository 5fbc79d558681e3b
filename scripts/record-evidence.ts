// npx tsx scripts/record-evidence.ts <stack> <file>: keep what a verification observes of a stack's cluster, for tests.
import { writeFileSync } from "node:fs";
import { withoutSecrets } from "../cli/diagnostics";
import { stackCluster } from "../cli/stackCluster";
import { gather } from "../datapath/evidence/gather";

const [stack, file] = process.argv.slice(2) as [string, string];

async function record() {
  const { cluster, expectation } = await stackCluster(stack, []);
  const evidence = await gather(cluster, expectation, {
    parts: new Set(["nodes", "traffic"]),
    maxNodes: 20,
    quick: false,
  });
  writeFileSync(file, `${withoutSecrets(JSON.stringify(evidence))}\n`);
}

void record();
