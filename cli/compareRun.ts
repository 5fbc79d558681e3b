import { apiErrorLine } from "../cluster/apiError";
import { runRounds, type Bench } from "../compare/measure/benchmarks";
import { takeTurns, type Steps } from "../compare/measure/growthSingle";
import { measurementsOf, type Measurement } from "../compare/measure/tools";
import { GROWTH_METRICS, type GrowthMetricId, type Subject } from "../compare/results";
import { referenceOf } from "../compare/analyse/analysis";
import { Sequence, servicesText, type Undecided } from "../compare/analyse/rows";
import { ComparedStack } from "./compareSubject";
import { TimeLeft, type TimedRequest } from "./compareTime";
import type { Contender } from "./compareVariants";

/** What to measure. */
export interface RunRequest extends TimedRequest {
  /** Whether the numbers of Services were given explicitly, so that external clusters are filled too. */
  readonly servicesAreNamed: boolean;
}

/**
 * Inspect and measure stacks and variants whose clusters are up in turns, and remove everything that was created in their clusters. After a failure, a cluster
 * is not measured any more; an abort ends the measurement of all. Earlier results are kept.
 * @param deliver gets the results before everything is removed, which takes a while
 * @throws if a cluster cannot be inspected, or the signal is aborted before all are
 */
export async function measure(
  contenders: readonly Contender[],
  request: RunRequest,
  log: (line: string) => void,
  signal: AbortSignal,
  deliver: (subjects: Subject[]) => Promise<void>,
): Promise<void> {
  const measurements = measurementsOf(request.extras);
  const compared = await Promise.all(contenders.map((each) => ComparedStack.of(each, measurements)));
  const act = async (stack: ComparedStack, what: string, work: (stack: ComparedStack) => Promise<unknown>) => {
    signal.throwIfAborted();
    log(`${stack.name}: ${what}`);
    await work(stack);
  };
  const giveUp = (stack: ComparedStack, part: string, error: unknown) => {
    const why = signal.aborted ? "interrupted" : apiErrorLine(error as Error);
    log(`${stack.name}: ${part}: ${why}`);
    process.exitCode ??= 1;
    stack.omit(`${part}, from this point on: ${why}`);
  };
  /** @returns the stacks without a failure */
  const turns = async (
    among: readonly ComparedStack[],
    part: string,
    what: string,
    work: (stack: ComparedStack) => Promise<unknown>,
  ): Promise<ComparedStack[]> => {
    const further: ComparedStack[] = [];
    for (const stack of among) {
      await act(stack, what, work).then(
        () => further.push(stack),
        (error) => giveUp(stack, part, error),
      );
    }
    return further;
  };
  const { stopping, services: sizes } = request;
  const { rounds } = request.method;
  const time = new TimeLeft(contenders.length, request);
  const left = () => `about ${time.minutes()} min left`;
  const reference = referenceOf(compared.map(({ measured }) => measured)).name;
  const sequence = stopping && new Sequence(reference, stopping, sizes.length);
  /** What to measure in a round; undefined: everything. */
  const look = (round: number): Undecided | undefined =>
    stopping !== undefined && round > stopping.first
      ? sequence!.look(compared.map(({ measured }) => measured))
      : undefined;
  const inspections: Promise<void>[] = [];
  try {
    for (const stack of compared) {
      await act(stack, `verifying and inspecting, ${left()}`, (each) => each.verify());
      // mostly waits for packets, so that the next verification can begin
      inspections.push(stack.inspect());
      inspections.at(-1)!.catch(() => undefined);
      time.finish("inspection");
    }
    await Promise.all(inspections);
    if (request.benchmarks) {
      const benches: Bench[] = [];
      const ready = await turns(compared, "benchmarks", "preparing benchmarks", async (stack) =>
        benches.push(await stack.prepareBench()),
      );
      const choose = (round: number) => {
        if (round > 1) time.finish("benchmarks");
        const choice = look(round);
        const open = choice === undefined ? "" : openText(choice, measurements);
        log(`benchmarks: round ${round} of ${rounds}${open}, ${left()}`);
        return choice;
      };
      await runRounds(benches, measurements, request.method, choose, signal).catch((error) =>
        ready.forEach((stack) => giveUp(stack, "benchmarks", error)),
      );
      time.finish("benchmarks");
      for (const stack of compared) await stack.endBench();
    }
    let growing = compared;
    /** Let clusters take steps in turns, and leave out those that fail. */
    const together = async (part: string, works: readonly (readonly [ComparedStack, Steps<void>])[]) => {
      const outcomes = await takeTurns(
        works.map(([, steps]) => steps),
        signal,
      ).catch((reason: unknown) => works.map((): PromiseRejectedResult => ({ status: "rejected", reason })));
      works.forEach(([stack], at) => {
        const outcome = outcomes[at]!;
        if (outcome.status === "fulfilled") return;
        giveUp(stack, part, outcome.reason);
        growing = growing.filter((each) => each !== stack);
      });
    };
    for (const services of sizes) {
      const part = servicesText(services);
      if (growing.length > 0) log(`creating ${part}, ${left()}`);
      await together(
        part,
        growing.map((stack) => [stack, stack.growTo(services, request.servicesAreNamed, signal)]),
      );
      time.finish("creation");
      for (let round = 1; round <= rounds; round++) {
        const choice = look(round);
        const order = growing.map((_, index) => growing[(index + round - 1) % growing.length]!);
        const wanted = order.map((stack) => ({ stack, metrics: choice && wantedIn(choice, services, stack.name) }));
        const needed = wanted.filter(({ metrics }) => metrics?.size !== 0);
        if (needed.length > 0) log(`${part}: round ${round} of ${rounds}, ${left()}`);
        await together(
          part,
          needed.map(({ stack, metrics }) => [stack, stack.measureGrowth(metrics)]),
        );
        time.finish("growth", needed.length > 0);
      }
    }
    await deliver(compared.map((stack) => stack.subject()));
  } finally {
    await Promise.allSettled(inspections);
    log("cleaning up");
    await Promise.all(compared.map((stack) => stack.close(log)));
  }
}

/** The growth metrics that one more round needs of a stack. */
function wantedIn(choice: Undecided, services: number, stack: string): ReadonlySet<GrowthMetricId> {
  const metrics = Object.keys(GROWTH_METRICS) as GrowthMetricId[];
  return new Set(metrics.filter((metric) => choice(services, [metric]).has(stack)));
}

/** `, 12 of 20 measurements`. */
function openText(choice: Undecided, measurements: readonly Measurement[]): string {
  const open = measurements.filter(({ path, tool }) => choice(path, tool.metrics).size > 0);
  return `, ${open.length} of ${measurements.length} measurements`;
}
