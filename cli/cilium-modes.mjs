#!/usr/bin/env node
// The command itself: TypeScript is run as it is, from wherever the command was called.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const CLUSTER_VERBS = ["verify", "trace", "compare", "await-cilium", "inspect-cluster", "verify-stack"];

// before tsx: whatever is loaded after it passes through it, which takes this package three times as long
if (CLUSTER_VERBS.includes(process.argv[2])) require("@kubernetes/client-node");
await import("tsx");
await require("./main.ts").main(process.argv.slice(2));
// questions to a cluster that nobody answered would keep the process
process.exit();
