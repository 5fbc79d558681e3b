import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { analyse, type Analysis } from "../compare/analyse/analysis";
import { compareToBaseline, type BaselineAnalysis } from "../compare/analyse/baseline";
import { stoppingWithin } from "../compare/analyse/sequential";
import { listed } from "../compare/analyse/words";
import { reportHtml } from "../compare/report/html";
import { reportMarkdown } from "../compare/report/markdown";
import { reportOf } from "../compare/report/report";
import { reportText } from "../compare/report/text";
import { EXTRAS, RESULTS_VERSION, type Comparison, type Extra, type Subject } from "../compare/results";
import { ALL_MODES } from "../modes/contract";
import { listNodes } from "../host/docker";
import { quote } from "../host/exec";
import { lookOf } from "./environment";
import { isExternal } from "../settings/release";
import type { RunRequest } from "./compareRun";
import { estimateMinutes } from "./compareTime";
import { oneByOne, withVariants } from "./compareUp";
import { contendersOf, type Contender } from "./compareVariants";
import { keepComparison, readComparison } from "./comparisonFile";
import { readMachine } from "./machine";
import { knownStacks, readStackFile } from "./stackFile";
import { checkTarget } from "./targetFile";
import { UsageError } from "./usage";
import { interruptible } from "../host/interruptible";

export interface CompareOptions {
  /** Bring up, measure and destroy one stack or variant after the other. */
  readonly up?: boolean;
  /** Most rounds; the default is enough. */
  readonly rounds: number;
  readonly seconds: number;
  /** Measure everything in every round. */
  readonly full?: boolean;
  /** Numbers of Services, separated by commas; external clusters are filled only if this is set. */
  readonly services?: string;
  readonly benchmarks: boolean;
  /** Further benchmarks, separated by commas. */
  readonly include?: string;
  readonly growth: boolean;
  readonly set?: readonly string[];
  /** File of results to show, instead of measuring. */
  readonly from?: string;
  readonly baseline?: string;
  /** Percent. */
  readonly threshold: number;
  readonly out?: string;
  readonly html?: string;
  readonly markdown?: string;
  readonly json?: boolean;
}

/** Seconds of warm-up before each benchmark of a full run. */
const WARM_UP_SECONDS = 1;

/** Compare the clusters of stacks. @returns whether all passed verification, differ from each other, and none regressed */
export async function compare(stacks: readonly string[], options: CompareOptions): Promise<boolean> {
  const services = servicesOf(options);
  const extras = extrasOf(options);
  checkNumbers(options);
  if (options.from !== undefined && (stacks.length > 0 || options.up || options.out !== undefined)) {
    throw new UsageError("--from shows earlier results; leave out the stacks, --up and --out, or --from");
  }
  // report unreadable and unwritable files before measuring
  for (const file of [options.out, options.html, options.markdown]) if (file !== undefined) await checkTarget(file);
  const baseline = options.baseline === undefined ? undefined : await readComparison(options.baseline);
  // values after another warm-up are no fair comparison
  const warmUpSeconds = baseline?.method.warmUpSeconds;
  let isSuccess = false;
  const present = async (comparison: Comparison) => {
    const analysis = analyse(comparison);
    const against = baseline && compareToBaseline(comparison, baseline, options.threshold, analysis);
    await show(comparison, analysis, against, options);
    isSuccess =
      comparison.subjects.every(({ verification }) => verification.verdict === "pass") &&
      analysis.indistinguishable.length === 0 &&
      against?.blind === undefined &&
      !against?.rows.some(({ isRegression }) => isRegression);
  };
  if (options.from === undefined) await measured(stacks, services, { ...options, extras, warmUpSeconds }, present);
  else await present(await readComparison(options.from));
  return isSuccess;
}

async function measured(
  named: readonly string[],
  services: readonly number[],
  options: CompareOptions & { readonly extras: readonly Extra[]; readonly warmUpSeconds: number | undefined },
  present: (comparison: Comparison) => Promise<void>,
): Promise<void> {
  if (options.up && options.set !== undefined) {
    throw new UsageError("--up uses the stacks' files; name variants instead of --set, such as ebpf:tunnel=vxlan");
  }
  const names = named.length > 0 ? named : options.up ? DEFAULT_STACKS : await stacksThatAreUp(options.set);
  if (names.length === 0) {
    throw new Error(
      "No stack's cluster is up on this machine; create one with npm start -- <stack>, or run: npx cilium-modes compare --up",
    );
  }
  const contenders = contendersOf(names, options.set);
  const { rounds, seconds, extras } = options;
  const stopping = isSequential(contenders.length, options) ? stoppingWithin(rounds) : undefined;
  const { warmUpSeconds = stopping === undefined ? WARM_UP_SECONDS : 0 } = options;
  const request: RunRequest = {
    benchmarks: options.benchmarks,
    extras,
    dualStacks: contenders.filter(({ isDualStack }) => isDualStack).length,
    method: { rounds, seconds, warmUpSeconds },
    services,
    servicesAreNamed: options.services !== undefined,
    stopping,
  };
  const created = contenders.filter(({ variant }) => options.up || variant !== undefined).length;
  const minutes = estimateMinutes(contenders.length, request, { created, isOneByOne: options.up ?? false });
  log(
    `Measuring ${listed(contenders.map(({ name }) => name))} takes about ${minutes} minutes; less with --no-growth, smaller --services or fewer --rounds`,
  );
  const startedAt = new Date().toISOString();
  const machine = await readMachine();
  const { measure }: typeof import("./compareRun") = require("./compareRun");
  const finish = async (subjects: Subject[]) => {
    const comparison: Comparison = {
      resultsVersion: RESULTS_VERSION,
      startedAt,
      finishedAt: new Date().toISOString(),
      machine,
      method: {
        rounds: options.benchmarks || services.length > 0 ? rounds : 0,
        ...(stopping && { stopping }),
        seconds,
        warmUpSeconds,
        interleaved: !options.up,
        services: [...services],
        ...(extras.length > 0 && { extras: [...extras] }),
        command: commandOf(contenders, options),
      },
      subjects,
    };
    console.error(`Results: ${await keepComparison(comparison, options.out)}`);
    await present(comparison);
  };
  await interruptible(async (signal) => {
    if (options.up) {
      const one = (contender: Contender, keep: typeof finish) => measure([contender], request, log, signal, keep);
      return finish(await oneByOne(contenders, one, log, signal));
    }
    return withVariants(contenders, () => measure(contenders, request, log, signal, finish), log, signal);
  }, "Interrupted: removing everything that was created (press Ctrl-C again to leave it)");
}

/** Whether ratios may end early. Clusters must take turns; for a baseline, every round helps to show regressions. */
export function isSequential(subjects: number, { full, up, baseline }: CompareOptions): boolean {
  return !full && !up && subjects > 1 && baseline === undefined;
}

/** The project's own stacks. */
const DEFAULT_STACKS: readonly string[] = ["kubeproxy", "replacement", "ebpf"];

function log(line: string): void {
  console.error(`${new Date().toISOString().slice(11, 19)} ${line}`);
}

async function show(
  comparison: Comparison,
  analysis: Analysis,
  against: BaselineAnalysis | undefined,
  options: CompareOptions,
): Promise<void> {
  const report = reportOf(comparison, analysis, against);
  const { alarms, verdicts } = report;
  console.log(
    options.json
      ? JSON.stringify({ alarms, verdicts, ratios: ratiosIn(analysis), ...comparison }, undefined, 2)
      : reportText(report, lookOf(process.stdout)),
  );
  const files = [
    [options.html, reportHtml],
    [options.markdown, reportMarkdown],
  ] as const;
  for (const [file, render] of files) {
    if (file === undefined) continue;
    await writeFile(file, render(report));
    console.error(`Report: ${resolve(file)}`);
  }
}

/** Every ratio with its interval, and of a sequential comparison its rounds and why it took no more; then those of pods to their nodes. */
function ratiosIn({ reference, benchmarks, growth, overhead }: Analysis) {
  const toNodes = overhead.flatMap(({ metric, ratios }) =>
    [...ratios].map(([subject, ratio]) => ({ subject, metric, path: "cross-node", referencePath: "host", ...ratio })),
  );
  const toReference = [...benchmarks, ...growth].flatMap((row) => {
    const place = "path" in row ? { path: row.path } : { services: row.services };
    return [...row.ratios].map(([subject, { taken, ...ratio }]) => ({
      ...{ subject, reference, metric: row.metric, ...place },
      ...ratio,
      ...taken,
    }));
  });
  return [...toReference, ...toNodes];
}

/** @throws UsageError naming every unknown kind, or if there are no benchmarks to add to */
function extrasOf({ include, benchmarks }: CompareOptions): readonly Extra[] {
  if (include === undefined) return [];
  const kinds = include.split(",").map((each) => each.trim());
  const unknown = kinds.filter((kind) => kind !== "all" && !EXTRAS.some((each) => each === kind));
  if (unknown.length > 0)
    throw new UsageError(
      `--include must be ${EXTRAS.join(", ")}, separated by commas, or all (got ${listed(unknown.map((each) => `"${each}"`))})`,
    );
  if (!benchmarks) throw new UsageError("--include adds benchmarks, and --no-benchmarks skips them; leave out one");
  return EXTRAS.filter((each) => kinds.includes("all") || kinds.includes(each));
}

function servicesOf({ growth, services = DEFAULT_SERVICES }: CompareOptions): number[] {
  if (!growth) return [];
  const numbers = services.split(",").map(Number);
  if (numbers.some((each) => !Number.isInteger(each) || each < 1 || each > MAX_SERVICES)) {
    throw new UsageError(
      `--services must be integers from 1 to ${MAX_SERVICES}, separated by commas (got "${services}")`,
    );
  }
  return [...new Set(numbers)].sort((a, b) => a - b);
}

const DEFAULT_SERVICES = "1,10,100,1000,5000";

/** More do not fit into Cilium's service map of 65,536 entries and into service networks. */
const MAX_SERVICES = 20_000;

function checkNumbers({ rounds, seconds, threshold }: CompareOptions): void {
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new UsageError(`--rounds must be an integer of at least 1 (got ${rounds})`);
  if (!Number.isInteger(seconds) || seconds < 1)
    throw new UsageError(`--seconds must be an integer of at least 1 (got ${seconds})`);
  if (!(threshold >= 0)) throw new UsageError(`--threshold must be a percentage of at least 0 (got ${threshold})`);
}

function commandOf(contenders: readonly Contender[], options: CompareOptions): string {
  return [
    "npx cilium-modes compare",
    ...contenders.map(({ name }) => quote(name)),
    ...(options.up ? ["--up"] : []),
    `--rounds ${options.rounds} --seconds ${options.seconds}`,
    ...(options.full ? ["--full"] : []),
    options.growth ? `--services ${options.services ?? DEFAULT_SERVICES}` : "--no-growth",
    ...(options.benchmarks ? [] : ["--no-benchmarks"]),
    ...(options.include === undefined ? [] : [`--include ${options.include}`]),
    // values can be secret
    ...(options.set ?? []).map((each) => `--set ${each.split("=")[0]}=…`),
  ].join(" ");
}

/** Stacks whose kind cluster is up, in the order of their modes; for external clusters, only Pulumi knows. */
async function stacksThatAreUp(set: readonly string[] | undefined): Promise<string[]> {
  const found = await Promise.all(knownStacks().map(async (stack) => ((await isUp(stack, set)) ? [stack] : [])));
  const rank = (stack: string) => ALL_MODES.indexOf(readStackFile(stack, set).settings.mode);
  return found.flat().sort((a, b) => rank(a) - rank(b));
}

/** Whether a stack's kind cluster exists and all its nodes are running. */
async function isUp(stack: string, set: readonly string[] | undefined): Promise<boolean> {
  const { cluster } = readStackFile(stack, set).settings;
  if (isExternal(cluster)) return false;
  const nodes = await listNodes(cluster.name);
  return nodes.length > 0 && nodes.every(({ running }) => running);
}
