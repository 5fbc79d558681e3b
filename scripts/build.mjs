// npm run build: the package as other programs use it, JavaScript with types in dist/. The stacks themselves need none of it.
import { spawnSync } from "node:child_process";
import { cpSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { ROOT } from "../cli/ownEnvironment.mjs";

const FOLDERS = [
  "cli",
  "cluster",
  "compare",
  "components",
  "datapath",
  "host",
  "modes",
  "providers",
  "render",
  "settings",
];
const sources = FOLDERS.flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => join(folder, file)),
);

process.chdir(ROOT);
rmSync("dist", { recursive: true, force: true });
await build({
  entryPoints: ["connect.ts", "outputs.ts", ...sources],
  outdir: "dist",
  outbase: ".",
  platform: "node",
  format: "cjs",
  target: "node20",
  // import() of a file beside it, without an extension, is what require understands
  supported: { "dynamic-import": false },
});
for (const table of ["chartKeys.json", "continuity.json"]) cpSync(join("modes", table), join("dist/modes", table));
cpSync("host/timings.cjs", "dist/host/timings.cjs");
const declarations = ["node_modules/@typescript/native/bin/tsc", "-p", "tsconfig.build.json"];
const { status } = spawnSync(process.execPath, declarations, { stdio: "inherit" });
process.exit(status ?? 1);
