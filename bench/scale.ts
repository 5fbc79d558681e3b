// npx tsx bench/scale.ts --settings FILE: measure up, preview, verify and destroy of larger clusters, and of stacks side by side.
//
// Writes all samples to a JSON file. docs/scale/clusters.json holds the published run: after another one,
// `npx tsx scripts/readme-tables.ts` draws docs/scale.svg and writes the tables of docs/alternatives.md again.
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { dirname } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { mergeValues, type HelmValues } from "../modes/ciliumValues";
import { readStackFile } from "../cli/stackFile";
import { countOtherNodes } from "../host/docker";
import { TestProject } from "../tests/support/project";
import { interruption, settingsOption } from "./options";
import { take, type Taken } from "./processes";
import type { ScaleResults, ScaleSample } from "../scripts/readme/scale";

interface Options {
  readonly settings: string;
  readonly nodes: readonly number[];
  readonly stacks: readonly number[];
  readonly rounds: number;
  readonly json: string;
}

const numbers = (text: string) =>
  text
    .split(",")
    .filter(Boolean)
    .map((each) => {
      if (!/^[1-9]\d*$/.test(each)) throw new InvalidArgumentError("They must be positive integers.");
      return Number(each);
    });

const options = new Command("bench/scale.ts")
  .description("Measure up, preview, verify and destroy with more nodes, and with more stacks side by side")
  .addOption(settingsOption())
  .option("--nodes <numbers>", "sizes of one stack's cluster", numbers, [1, 3, 6, 10])
  .option("--stacks <numbers>", "stacks of three nodes that run side by side", numbers, [1, 2, 3])
  .option("--rounds <count>", "number of rounds", (text) => numbers(text)[0]!, 1)
  .option("--json <file>", "file for all samples", "docs/scale/clusters.json")
  .parse()
  .opts<Options>();

const NODES_OF_A_STACK = 3;

const interrupted = interruption();

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});

async function main(): Promise<void> {
  const settings = JSON.parse(readFileSync(options.settings, "utf8")) as HelmValues;
  const startedAt = new Date().toISOString();
  // not after an hour of measuring
  mkdirSync(dirname(options.json), { recursive: true });
  const otherNodes = await countOtherNodes("");
  if (otherNodes > 0) console.error(`Noisy: ${otherNodes} nodes of other clusters are running`);
  const samples: ScaleSample[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    for (const nodes of options.nodes) samples.push(await measured(settings, { nodes, stacks: 1, round }));
    for (const stacks of options.stacks) {
      // this size was measured above
      if (stacks === 1 && options.nodes.includes(NODES_OF_A_STACK)) continue;
      samples.push(await measured(settings, { nodes: NODES_OF_A_STACK, stacks, round }));
    }
  }
  const results: ScaleResults = {
    startedAt,
    machine: `${cpus().length} CPUs (${cpus()[0]!.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node.js ${process.versions.node}`,
    otherNodes,
    samples,
  };
  writeFileSync(options.json, `${JSON.stringify(results, undefined, 1)}\n`);
}

/** Bring stacks up at the same time, preview and verify them, and destroy them. */
async function measured(
  settings: HelmValues,
  size: Pick<ScaleSample, "nodes" | "stacks" | "round">,
): Promise<ScaleSample> {
  const project = new TestProject();
  const signal = interrupted;
  const stacks = Array.from({ length: size.stacks }, (_, index) => `scale${index + 1}`);
  const pulumi = (name: string, ...args: string[]) =>
    together(stacks.map((stack) => take(name, () => project.start(...args, "-s", stack), signal)));
  let isUp = false;
  try {
    for (const stack of stacks) {
      const own = { cluster: { name: `cmbench-${stack}`, workers: size.nodes - 1 } };
      const mode = { kubeProxyReplacement: true, "bpf.masquerade": true };
      project.configure(stack, mergeValues(mergeValues(settings, own), mode));
      await project.succeed("stack", "init", stack);
    }
    isUp = true;
    const up = await pulumi("pulumi up", "up", "--yes", "--skip-preview");
    const preview = await pulumi("pulumi preview", "preview", "--expect-no-changes");
    const verify = await together(
      stacks.map((stack) => {
        const args = ["cli/cilium-modes.mjs", "verify", stack, "--no-diagnostics"];
        const start = () =>
          spawn(process.execPath, args, {
            ...{ cwd: project.directory, detached: true },
            stdio: ["ignore", "pipe", "pipe"],
          });
        return take("verify", start, signal);
      }),
    );
    const destroy = await pulumi("pulumi destroy", "destroy", "--yes", "--skip-preview");
    isUp = false;
    const { cilium } = readStackFile(stacks[0]!, [], project.directory).settings;
    const sample: ScaleSample = {
      ...size,
      cilium: cilium.version,
      upSeconds: up.seconds,
      ...(up.peakMiB === undefined ? {} : { upPeakMiB: up.peakMiB }),
      previewSeconds: preview.seconds,
      verifySeconds: verify.seconds,
      destroySeconds: destroy.seconds,
    };
    console.error(
      `round ${size.round}, ${size.stacks} × ${size.nodes} nodes: up ${up.seconds.toFixed(1)} s, preview ${preview.seconds.toFixed(1)} s, verify ${verify.seconds.toFixed(1)} s, destroy ${destroy.seconds.toFixed(1)} s`,
    );
    return sample;
  } finally {
    if (isUp) {
      await Promise.allSettled(
        stacks.map((stack) => project.succeed("destroy", "--yes", "--skip-preview", "-s", stack)),
      );
    }
    project.remove();
  }
}

/** Wait for commands that run at the same time. @returns the longest time, and the sum of their peaks of memory */
async function together(runs: readonly Promise<Taken>[]): Promise<Pick<Taken, "seconds" | "peakMiB">> {
  const settled = await Promise.allSettled(runs);
  const taken = settled.map((each) => {
    if (each.status === "rejected") throw each.reason as Error;
    return each.value;
  });
  const peaks = taken.flatMap(({ peakMiB }) => peakMiB ?? []);
  return {
    seconds: Math.max(...taken.map(({ seconds }) => seconds)),
    ...(peaks.length === 0 ? {} : { peakMiB: peaks.reduce((sum, each) => sum + each, 0) }),
  };
}
