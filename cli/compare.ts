import { writeFile } from "node:fs/promises";
import { analyse, type Analysis } from "../datapath/compare/analysis";
import { compareToBaseline, type BaselineAnalysis } from "../datapath/compare/baseline";
import { RESULTS_VERSION, type Comparison, type Subject } from "../datapath/compare/results";
import type { RunRequest } from "./compareRun";
import { pulumi, reasonNotToBringUp, stacksThatAreUp } from "./compareStacks";
import { keepComparison, readComparison } from "./comparisonFile";
import { readMachine } from "./machine";
import { lookOf } from "./terminal";
import { checkTarget } from "./targetFile";

export interface CompareOptions {
  /** Bring up, measure and destroy one stack after the other. */
  readonly up?: boolean;
  readonly rounds: number;
  readonly seconds: number;
  /** Numbers of Services, by commas; clusters that exist are filled only where they are named. */
  readonly services?: string;
  readonly benchmarks: boolean;
  readonly growth: boolean;
  readonly set?: readonly string[];
  /** Results to show again, instead of measuring. */
  readonly from?: string;
  readonly baseline?: string;
  /** Per cent. */
  readonly threshold: number;
  readonly out?: string;
  readonly html?: string;
  readonly markdown?: string;
  readonly json?: boolean;
}

/** Seconds before each benchmark that do not count. */
const WARM_UP_SECONDS = 1;

/** Compare stacks' clusters. @returns whether all are in their modes, can be told apart, and none is worse than the baseline */
export async function compare(stacks: readonly string[], options: CompareOptions): Promise<boolean> {
  const services = servicesOf(options);
  checkNumbers(options);
  if (options.from !== undefined && (stacks.length > 0 || options.up || options.out !== undefined)) {
    throw new Error("--from shows what was found before; leave out the stacks, --up and --out, or --from");
  }
  // what cannot be read or written is told before anything is measured
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
      "No stack's cluster is up on this machine. Bring some up with npm start -- <stack>, or let compare do it: cilium-modes compare --up",
    );
  }
  if (options.up && options.set !== undefined) {
    throw new Error("--up brings stacks up as their files say; put the settings there instead of --set");
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
  const startedAt = new Date().toISOString();
  const machine = await readMachine();
  const { measure } = await import("./compareRun");
  const subjects = await interruptible((signal) =>
    options.up
      ? oneByOne(stacks, (stack) => measure([stack], request, tell, signal), signal)
      : measure(stacks, request, tell, signal),
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

/** Those that the project brings along. */
const DEFAULT_STACKS: readonly string[] = ["kubeproxy", "replacement", "ebpf"];

async function oneByOne(
  stacks: readonly string[],
  measure: (stack: string) => Promise<Subject[]>,
  signal: AbortSignal,
): Promise<Subject[]> {
  const reasons = (await Promise.all(stacks.map(reasonNotToBringUp))).flatMap((reason) => reason ?? []);
  if (reasons.length > 0) {
    const remedy = "Leave them out, destroy them first, or compare without --up";
    throw new Error([...reasons.map((reason) => `  - ${reason}`), remedy].join("\n"));
  }
  const subjects: Subject[] = [];
  for (const stack of stacks) {
    if (signal.aborted) break;
    try {
      tell(`${stack}: is brought up`);
      await pulumi("up", stack, signal);
      subjects.push(...(await measure(stack)));
    } catch (error) {
      // what others have shown is kept
      if (subjects.length === 0) throw error;
      tell(`${stack}: ${(error as Error).message}`);
      process.exitCode ??= 1;
    } finally {
      tell(`${stack}: is destroyed`);
      await pulumi("destroy", stack).catch(({ message }: Error) => {
        process.exitCode ??= 1;
        tell(`${stack} is not destroyed; repeat it with npm run pulumi -- destroy -s ${stack}: ${message}`);
      });
    }
  }
  return subjects;
}

/** A terminal that is closed, too, leaves nobody to take away what was made. */
const ENDINGS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Let Ctrl-C end what is under way in order; pressed again, at once. */
async function interruptible<T>(act: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(130);
    console.error("Interrupted: what was made is taken away (again to leave it)");
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

function tell(line: string): void {
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
  if (options.html !== undefined) await writeFile(options.html, comparisonHtml(...found));
  if (options.markdown !== undefined) await writeFile(options.markdown, comparisonMarkdown(...found));
  console.log(options.json ? comparisonJson(...found) : comparisonText(...found, lookOf(process.stdout)));
}

function servicesOf({ growth, services = DEFAULT_SERVICES }: CompareOptions): number[] {
  if (!growth) return [];
  const numbers = services.split(",").map(Number);
  if (numbers.some((each) => !Number.isInteger(each) || each < 1 || each > MOST_SERVICES)) {
    throw new Error(`--services must be numbers from 1 to ${MOST_SERVICES} by commas, got "${services}"`);
  }
  return [...new Set(numbers)].sort((a, b) => a - b);
}

const DEFAULT_SERVICES = "1,10,100,1000,5000";

/** More than these have no place in Cilium's service map of 65,536 entries, and in services' networks. */
const MOST_SERVICES = 20_000;

function checkNumbers({ rounds, seconds, threshold }: CompareOptions): void {
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error("--rounds must be a whole number, 1 or more");
  if (!Number.isInteger(seconds) || seconds < 1) throw new Error("--seconds must be a whole number, 1 or more");
  if (!(threshold >= 0)) throw new Error("--threshold must be a number of per cent, 0 or more");
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
