#!/usr/bin/env node
// The command itself: TypeScript is run as it is, from wherever the command was called; a package has it built.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const CLUSTER_VERBS = [
  "verify",
  "trace",
  "observe",
  "hubble-ui",
  "compare",
  "await-cilium",
  "inspect-cluster",
  "verify-stack",
];

let main = "../dist/cli/main.js";
if (existsSync(new URL("main.ts", import.meta.url))) {
  // before tsx: whatever is loaded after it passes through it, which takes this package three times as long
  if (CLUSTER_VERBS.includes(process.argv[2])) require("@kubernetes/client-node");
  await import("tsx");
  main = "./main.ts";
}
await require(main).main(process.argv.slice(2));
// questions to a cluster that nobody answered would keep the process
process.exit();
