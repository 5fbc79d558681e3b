// npx tsx bench/starts.ts [rounds]: measure the start-up time of commands, in interleaved rounds.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { median } from "simple-statistics";
import { table, PLAIN } from "../render/terminal";

const ROOT = join(__dirname, "..");
const CLI = join(ROOT, "cli", "cilium-modes.mjs");
const TSX = join(ROOT, "host", "tsx.cjs");

/** Node.js alone, TypeScript alone, and this project's commands until their actual work. */
const STARTS: Readonly<Record<string, readonly string[]>> = {
  "node, nothing": ["--eval", "0"],
  "node with tsx": ["--require", TSX, "--eval", "0"],
  "cilium-modes --help": [CLI, "--help"],
  "cilium-modes complete -- plan e": [CLI, "complete", "--", "plan", "e"],
  "cilium-modes plan ebpf": [CLI, "plan", "ebpf"],
  "cilium-modes doctor with an unknown stack": [CLI, "doctor", "none"],
  "cilium-modes verify with an unknown stack": [CLI, "verify", "none"],
  "cilium-modes compare with a missing file": [CLI, "compare", "--from", "none.json"],
  "kind provider, loaded": [
    ...["--require", TSX, "--eval"],
    `require(${JSON.stringify(join(ROOT, "providers", "kind", "main.ts"))}); process.exit();`,
  ],
};

const rounds = Number(process.argv[2] ?? 5);
const seconds: Record<string, number[]> = {};
for (let round = 0; round < rounds; round += 1) {
  for (const [name, args] of Object.entries(STARTS)) {
    const began = performance.now();
    spawnSync(process.execPath, args, { cwd: ROOT });
    (seconds[name] ??= []).push((performance.now() - began) / 1000);
  }
}
const [floor] = Object.values(seconds).map((each) => median(each));
const rows = Object.entries(seconds).map(([name, each]) => [
  name,
  `${median(each).toFixed(2)} s`,
  `${(median(each) / floor!).toFixed(1)} times`,
]);
console.log(table([["command", `median of ${rounds}`, "relative to node alone"], ...rows], PLAIN));
