#!/usr/bin/env node
// The command itself: TypeScript is run as it is, from wherever the command was called.
import { createRequire } from "node:module";
import "tsx";

await createRequire(import.meta.url)("./main.ts").main(process.argv.slice(2));
// questions to a cluster that nobody answered would keep the process
process.exit();
