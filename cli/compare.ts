import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { analyse, type Analysis } from "../datapath/compare/analysis";
import { compareToBaseline, type BaselineAnalysis } from "../datapath/compare/baseline";
import { PATHS, RESULTS_VERSION, type Comparison, type Subject } from "../datapath/compare/results";
import { TOOLS } from "../datapath/compare/tools";
import type { RunRequest } from "./compareRun";
import { pulumi, reasonNotToBringUp, stacksThatAreUp } from "./compareStacks";
import { keepComparison, readComparison } from "./comparisonFile";
import { readMachine } from "./machine";
import { lookOf } from "./terminal";
import { UsageError } from "./usage";
import { checkTarget } from "./targetFile";

export interface CompareOptions {
  /** Bring up, measure and destroy one stack after the other. */
  readonly up?: boolean;
  readonly rounds: number;
  readonly seconds: number;
  /** Numbers of Services, separated by commas. External clusters get Services only where the user names numbers. */
  readonly services?: string;
  readonly benchmarks: boolean;
  readonly growth: boolean;
  readonly set?: readonly string[];
  /** A file of earlier results to show instead of measuring. */
  readonly from?: string;
  readonly baseline?: string;
  /** Per cent. */
  readonly threshold: number;
  readonly out?: string;
  readonly html?: string;
  readonly markdown?: string;
  readonly json?: boolean;
}

/** Seconds at the start of each benchmark that do not count. */
const WARM_UP_SECONDS = 1;

/** Compare stacks' clusters. @returns whether all modes are in force and distinguishable, and nothing is worse than the baseline */
export async function compare(stacks: readonly string[], options: CompareOptions): Promise<boolean> {
  const services = servicesOf(options);
  checkNumbers(options);
  if (options.from !== undefined && (stacks.length > 0 || options.up || options.out !== undefined)) {
    throw new UsageError("--from shows earlier results; leave out the stacks, --up and --out, or --from");
  }
  // files that cannot be read or written are reported before anything is measured
  for (const file of [options.out, options.html, options.markdown]) if (file !== undefined) await checkTarget(file);
  const baseline = options.baseline === undefined ? undefined : await readComparison(options.baseline);
  const comparison =
    options.from === undefined ? await measured(stacks, services, options) : await readComparison(options.from);
  const analysis = analyse(comparison);
  const against = baseline && compareToBaseline(comparison, baseline, options.threshold, analysis);
  await show(comparison, analysis, against, options);
  return (
    comparison.subjects.every(({ verification }) => verification.verdict === "pass") &&
    analysis.indistinguishable.length === 0 &&
    against?.blind === undefined &&
    !against?.rows.some(({ isRegression }) => isRegression)
  );
}

async function measured(
  named: readonly string[],
  services: readonly number[],
  options: CompareOptions,
): Promise<Comparison> {
  const stacks =
    named.length > 0 ? [...new Set(named)] : options.up ? DEFAULT_STACKS : await stacksThatAreUp(options.set);
  if (stacks.length === 0) {
    throw new Error(
      "No stack's cluster is up on this machine; create one with npm start -- <stack>, or run: npx cilium-modes compare --up",
    );
  }
  if (options.up && options.set !== undefined) {
    throw new UsageError("--up uses the stacks' files; put the settings there instead of --set");
  }
  const { rounds, seconds } = options;
  const request: RunRequest = {
    set: options.set,
    benchmarks: options.benchmarks,
    method: { rounds, seconds, warmUpSeconds: WARM_UP_SECONDS },
    services,
    servicesAreNamed: options.services !== undefined,
    growthRounds: rounds,
  };
  report(
    `Measuring ${stacks.join(", ")} takes about ${estimateMinutes(stacks.length, request, options.up)} minutes; less with --no-growth, smaller --services or fewer --rounds`,
  );
  const startedAt = new Date().toISOString();
  const machine = await readMachine();
  const { measure } = await import("./compareRun");
  const subjects = await interruptible((signal) =>
    options.up
      ? oneByOne(stacks, (stack) => measure([stack], request, report, signal), signal)
      : measure(stacks, request, report, signal),
  );
  const comparison: Comparison = {
    resultsVersion: RESULTS_VERSION,
    startedAt,
    finishedAt: new Date().toISOString(),
    machine,
    method: {
      rounds: options.benchmarks || services.length > 0 ? rounds : 0,
      seconds,
      warmUpSeconds: WARM_UP_SECONDS,
      interleaved: !options.up,
      services: [...services],
      command: commandOf(stacks, options),
    },
    subjects,
  };
  console.error(`Results: ${await keepComparison(comparison, options.out)}`);
  return comparison;
}

/**
 * How long a comparison takes, in minutes. The constants come from the recorded comparisons, which a machine of two CPUs
 * made.
 */
export function estimateMinutes(
  stacks: number,
  { benchmarks, method, services }: Pick<RunRequest, "benchmarks" | "method" | "services">,
  up = false,
): number {
  const { rounds, seconds, warmUpSeconds } = method;
  const runs = benchmarks ? rounds * Object.keys(PATHS).length * TOOLS.length : 0;
  const each = INSPECTION_SECONDS + runs * (seconds + warmUpSeconds + 1) + services.length * rounds * GROWTH_SECONDS;
  return Math.ceil((stacks * (each + (up ? UP_SECONDS : 0))) / 60);
}

/** Time to verify and inspect a cluster. */
const INSPECTION_SECONDS = 60;
/** Time of one round at one number of Services. */
const GROWTH_SECONDS = 20;
/** Time to create and destroy a cluster. */
const UP_SECONDS = 240;

/** The stacks of this project. */
const DEFAULT_STACKS: readonly string[] = ["kubeproxy", "replacement", "ebpf"];

async function oneByOne(
  stacks: readonly string[],
  measure: (stack: string) => Promise<Subject[]>,
  signal: AbortSignal,
): Promise<Subject[]> {
  const reasons = (await Promise.all(stacks.map(reasonNotToBringUp))).flatMap((reason) => reason ?? []);
  if (reasons.length > 0) {
    const fix = "Leave these stacks out, destroy them first, or compare without --up";
    throw new Error(["Nothing was measured:", ...reasons.map((reason) => `  - ${reason}`), fix].join("\n"));
  }
  const subjects: Subject[] = [];
  for (const stack of stacks) {
    if (signal.aborted) break;
    try {
      report(`${stack}: creating`);
      await pulumi("up", stack, signal);
      subjects.push(...(await measure(stack)));
    } catch (error) {
      // the results of other stacks are kept
      if (subjects.length === 0) throw error;
      report(`${stack}: ${(error as Error).message}`);
      process.exitCode ??= 1;
    } finally {
      report(`${stack}: destroying`);
      await pulumi("destroy", stack).catch(({ message }: Error) => {
        process.exitCode ??= 1;
        report(`${stack} was not destroyed; run: npm run pulumi -- destroy -s ${stack}. Reason: ${message}`);
      });
    }
  }
  return subjects;
}

/** Also a closed terminal must not leave clusters and Services behind. */
const ENDINGS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Let Ctrl-C end the work in order, and a second Ctrl-C end it at once. */
async function interruptible<T>(act: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(130);
    console.error("Interrupted: removing everything that was created (press Ctrl-C again to leave it)");
    process.exitCode = 130;
    controller.abort(new Error("Interrupted"));
  };
  for (const signal of ENDINGS) process.on(signal, stop);
  try {
    return await act(controller.signal);
  } finally {
    for (const signal of ENDINGS) process.off(signal, stop);
  }
}

function report(line: string): void {
  console.error(`${new Date().toISOString().slice(11, 19)} ${line}`);
}

async function show(
  comparison: Comparison,
  analysis: Analysis,
  against: BaselineAnalysis | undefined,
  options: CompareOptions,
): Promise<void> {
  const [{ comparisonHtml }, { comparisonJson }, { comparisonMarkdown }, { comparisonText }] = await Promise.all([
    import("./compare/comparisonHtml"),
    import("./compare/comparisonJson"),
    import("./compare/comparisonMarkdown"),
    import("./compare/comparisonText"),
  ]);
  const found = [comparison, analysis, against] as const;
  console.log(options.json ? comparisonJson(...found) : comparisonText(...found, lookOf(process.stdout)));
  const reports = [
    [options.html, comparisonHtml],
    [options.markdown, comparisonMarkdown],
  ] as const;
  for (const [file, text] of reports) {
    if (file === undefined) continue;
    await writeFile(file, text(...found));
    console.error(`Report: ${resolve(file)}`);
  }
}

function servicesOf({ growth, services = DEFAULT_SERVICES }: CompareOptions): number[] {
  if (!growth) return [];
  const numbers = services.split(",").map(Number);
  if (numbers.some((each) => !Number.isInteger(each) || each < 1 || each > MOST_SERVICES)) {
    throw new UsageError(
      `--services must be integers from 1 to ${MOST_SERVICES}, separated by commas (got "${services}")`,
    );
  }
  return [...new Set(numbers)].sort((a, b) => a - b);
}

const DEFAULT_SERVICES = "1,10,100,1000,5000";

/** A limit that Cilium's service map of 65,536 entries and services' networks have room for. */
const MOST_SERVICES = 20_000;

function checkNumbers({ rounds, seconds, threshold }: CompareOptions): void {
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new UsageError(`--rounds must be an integer of at least 1 (got ${rounds})`);
  if (!Number.isInteger(seconds) || seconds < 1)
    throw new UsageError(`--seconds must be an integer of at least 1 (got ${seconds})`);
  if (!(threshold >= 0)) throw new UsageError(`--threshold must be a percentage of at least 0 (got ${threshold})`);
}

function commandOf(stacks: readonly string[], options: CompareOptions): string {
  return [
    "npx cilium-modes compare",
    ...stacks,
    ...(options.up ? ["--up"] : []),
    `--rounds ${options.rounds} --seconds ${options.seconds}`,
    options.growth ? `--services ${options.services ?? DEFAULT_SERVICES}` : "--no-growth",
    ...(options.benchmarks ? [] : ["--no-benchmarks"]),
    // values may be secret
    ...(options.set ?? []).map((each) => `--set ${each.split("=")[0]}=…`),
  ].join(" ");
}
