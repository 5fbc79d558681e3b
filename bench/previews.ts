// npx tsx bench/previews.ts <stack> <other checkout> [rounds]: compare how long a preview takes here and in another checkout of
// this project, with its dependencies and the same stack's file, in interleaved rounds.
import { spawnSync } from "node:child_process";
import { delimiter, join, resolve } from "node:path";
import { median } from "simple-statistics";
import { table, PLAIN } from "../render/terminal";

const [stack, other, rounds = "5"] = process.argv.slice(2) as [string, string, string?];
// npx puts npm's shim of the CLI first
const path = process.env["PATH"]?.split(delimiter).filter((folder) => !folder.endsWith(join("node_modules", ".bin")));
process.env["PATH"] = path?.join(delimiter);
const checkouts = { here: join(__dirname, ".."), other: resolve(other) };

function preview(directory: string): number {
  const began = performance.now();
  const { status, stderr, stdout } = spawnSync("pulumi", ["preview", "-s", stack], {
    cwd: directory,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`pulumi preview failed in ${directory}:\n${stdout}${stderr}`);
  return (performance.now() - began) / 1000;
}

const seconds: Record<keyof typeof checkouts, number[]> = { here: [], other: [] };
for (const directory of Object.values(checkouts)) preview(directory); // the first one compiles and fills caches
for (let round = 0; round < Number(rounds); round += 1)
  for (const name of ["here", "other"] as const) seconds[name].push(preview(checkouts[name]));
const [here, there] = [median(seconds.here), median(seconds.other)];
const row = (name: string, value: number) => [name, `${value.toFixed(2)} s`, `${(value / there).toFixed(2)} times`];
console.log(
  table([["preview", `median of ${rounds}`, "relative to the other"], row("here", here), row("other", there)], PLAIN),
);
