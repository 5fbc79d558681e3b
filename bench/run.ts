// npx tsx bench/run.ts --settings FILE: measure this project's cost, compared with the usual alternatives.
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { Command, InvalidArgumentError } from "commander";
import { mergeValues, type HelmValues } from "../modes/ciliumValues";
import { countOtherNodes } from "../host/docker";
import { run } from "../host/exec";
import { Benchmark } from "./contestants";
import { Line } from "./line";
import { interruption, settingsOption } from "./options";
import {
  markdown,
  SECTIONS,
  type Contestant,
  type Measurement,
  type Sample,
  type Section,
  type Subject,
} from "./report";

interface Options {
  readonly settings: string;
  readonly mode: string;
  readonly workers?: number;
  readonly line?: string;
  readonly rounds: number;
  readonly only: readonly Section[];
  readonly json: string;
}

const count = (text: string) => {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("It must be an integer.");
  return Number(text);
};
const sections = (text: string) => {
  const selected = text.split(",") as Section[];
  if (!selected.every((section) => SECTIONS.includes(section)))
    throw new InvalidArgumentError(`Allowed: ${SECTIONS.join(", ")}.`);
  return selected;
};

const options = new Command("bench/run.ts")
  .description("Measure this project's cost compared with the usual alternatives, in interleaved rounds")
  .addOption(settingsOption())
  .option("--mode <stack>", "one of the project's stacks", "ebpf")
  .option("--workers <count>", "nodes besides the control plane", count)
  .option(
    "--line <rate>",
    "let the nodes pull Cilium's images over a line of this rate, such as 100mbit; needs root, docker-registry and a node image without Cilium",
  )
  .option("--rounds <count>", "number of rounds", count, 3)
  .option("--only <sections>", `measure only some of ${SECTIONS.join(",")}`, sections, [...SECTIONS])
  .option("--json <file>", "file for all samples", "bench.json")
  .parse()
  .opts<Options>();

/** Previews per round; each takes a few seconds. */
const PREVIEWS = 3;

const interrupted = interruption();

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});

async function main(): Promise<void> {
  const given = JSON.parse(readFileSync(options.settings, "utf8")) as HelmValues;
  const settings =
    options.workers === undefined ? given : mergeValues(given, { cluster: { workers: options.workers } });
  const line = options.line === undefined ? undefined : new Line(options.line);
  const benchmark = new Benchmark({ mode: options.mode, settings, line, signal: interrupted });
  const samples: Sample[] = [];
  try {
    await benchmark.prepare();
    const subject = await describe(benchmark);
    try {
      await measure(benchmark, samples);
    } finally {
      // also after an interruption
      if (samples.length > 0) {
        writeFileSync(options.json, `${JSON.stringify({ subject, samples }, undefined, 1)}\n`);
        console.log(markdown({ subject, samples }, options.only));
      }
    }
  } finally {
    await benchmark.close();
  }
}

/** Measure all rounds. */
async function measure(benchmark: Benchmark, samples: Sample[]): Promise<void> {
  const isSelected = (...wanted: Section[]) => wanted.some((section) => options.only.includes(section));
  const record = async (
    round: number,
    contestant: Contestant,
    measurement: Measurement,
    work: () => Promise<Omit<Sample, "round" | "contestant" | "measurement" | "busyBefore">>,
  ) => {
    const busyBefore = await settle();
    const { seconds, peakMiB, parts, resources } = await work();
    samples.push({
      measurement,
      contestant,
      round,
      seconds,
      ...(peakMiB === undefined ? {} : { peakMiB }),
      ...(parts === undefined ? {} : { parts }),
      ...(resources === undefined ? {} : { resources }),
      busyBefore,
    });
    console.error(`round ${round}: ${measurement} of ${contestant} ${seconds.toFixed(1)} s`);
  };

  for (let round = 1; round <= options.rounds; round++) {
    if (isSelected("up", "preview", "destroy", "memory")) {
      await record(round, "project", "up", async () => {
        const taken = await benchmark.up();
        return { ...taken, resources: benchmark.resources(taken) };
      });
      for (let left = PREVIEWS; isSelected("preview") && left > 0; left--) {
        await record(round, "project", "preview", () => benchmark.preview());
        await record(round, "empty", "preview", () => benchmark.previewEmpty());
      }
      await record(round, "project", "destroy", () => benchmark.destroy());
    }
    for (const contestant of ["articles", "helm"] as const) {
      if (!isSelected("up", "destroy", "memory")) continue;
      await record(round, contestant, "up", () => benchmark.script(contestant));
      await record(round, "kind", "destroy", () => benchmark.kindDelete(contestant));
    }
  }

  if (isSelected("load")) {
    await benchmark.createForLoading();
    for (let round = 1; round <= options.rounds; round++) {
      for (const loader of ["project", "kind"] as const) {
        const busyBefore = await settle();
        const { loaded, unpacked } = await benchmark.load(loader);
        const sample = { contestant: loader, round, busyBefore };
        samples.push({ ...sample, measurement: "load", seconds: loaded });
        samples.push({ ...sample, measurement: "unpack", seconds: unpacked });
        console.error(`round ${round}: load of ${loader} ${loaded.toFixed(1)} s, unpacked ${unpacked.toFixed(1)} s`);
      }
    }
    await benchmark.kindDelete("load");
  }
}

/** Flush earlier writes to disk, and measure the load. @returns the busy share of the CPUs */
async function settle(): Promise<number> {
  await run("sync", []);
  const read = () => {
    const times = cpus().map((cpu) => Object.values(cpu.times).reduce((sum, value) => sum + value, 0) - cpu.times.idle);
    const idle = cpus().map((cpu) => cpu.times.idle);
    const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
    return { busy: sum(times), idle: sum(idle) };
  };
  const before = read();
  await sleep(2000, undefined, { signal: interrupted });
  const after = read();
  const busy = after.busy - before.busy;
  return busy / Math.max(1, busy + after.idle - before.idle);
}

async function describe({ plan, images, pulled, project }: Benchmark): Promise<Subject> {
  const version = (output: string) => /\d+\.\d+\.\d+/.exec(output)?.[0] ?? "unknown";
  const versions: Record<string, string> = { pulumi: version(await project.succeed("version")) };
  const commands: Record<string, string[]> = {
    kind: ["kind", "version"],
    helm: ["helm", "version", "--short"],
    docker: ["docker", "version", "--format", "{{.Server.Version}}"],
  };
  for (const [program, [command, ...args]] of Object.entries(commands))
    versions[program] = version(await run(command!, args));
  versions["node"] = process.versions.node;
  const sizesOf = async (names: readonly string[]) => {
    const sizes = names.map(async (image) => {
      const bytes = Number(await run("docker", ["image", "inspect", "--format", "{{.Size}}", image]));
      return [image, bytes / 2 ** 20] as const;
    });
    return Object.fromEntries(await Promise.all(sizes));
  };
  const [cpu] = cpus();
  return {
    date: new Date().toISOString(),
    machine: `${cpus().length} × ${cpu?.model.trim() ?? "unknown"}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    kernel: release(),
    versions,
    nodes: plan.settings.cluster.workers + 1,
    nodeImage: plan.settings.cluster.nodeImage,
    mode: options.mode,
    cilium: plan.settings.cilium.version,
    imagesMiB: await sizesOf(images),
    ...(options.line === undefined ? {} : { line: options.line, pulledMiB: await sizesOf(pulled) }),
    otherNodes: await countOtherNodes(""),
    rounds: options.rounds,
  };
}
