#!/usr/bin/env node
// The command `cilium-modes`. In a checkout its TypeScript runs as it is; a package has it built.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter } from "node:path";
import { pathWithoutNpm } from "./npmPath.mjs";

const require = createRequire(import.meta.url);
const isCheckout = existsSync(new URL("main.ts", import.meta.url));

if (!isCheckout) {
  process.env.PATH = pathWithoutNpm(process.env.PATH).join(delimiter);
  await run("../dist/cli/main.js");
} else if (!isInstalled()) {
  console.error("The dependencies are not installed; run: npm ci");
  process.exitCode = 1;
} else {
  // the tools and the state of npm start, for every command
  const { ownEnvironment } = await import("./ownEnvironment.mjs");
  Object.assign(process.env, ownEnvironment());
  require("../host/tsx.cjs");
  await run("./main.ts");
}

async function run(main) {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error) => {
      // nobody reads on, as with head
      if (error.code === "EPIPE") process.exit();
      throw error;
    });
  }
  await require(main).main(process.argv.slice(2));
  // a pipe may not have taken all of it yet
  await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write("", done))));
  // requests that a cluster never answered would keep the process
  process.exit();
}

function isInstalled() {
  try {
    require.resolve("tsx");
    return true;
  } catch {
    return false;
  }
}
