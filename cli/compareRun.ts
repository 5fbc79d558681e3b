import { apiErrorLine } from "../cluster/apiError";
import { runRounds, type Bench, type Method } from "../compare/measure/benchmarks";
import type { Subject } from "../compare/results";
import { servicesText } from "../compare/analyse/rows";
import { ComparedStack } from "./compareSubject";

/** What to measure. */
export interface RunRequest {
  readonly set: readonly string[] | undefined;
  readonly benchmarks: boolean;
  readonly method: Method;
  /** Numbers of Services of the growth series; empty without it. */
  readonly services: readonly number[];
  /** Whether the numbers were given explicitly, so that external clusters are filled too. */
  readonly servicesAreNamed: boolean;
  /** Rounds of the growth series at each number of Services. */
  readonly growthRounds: number;
}

/**
 * Inspect and measure stacks in turns, and remove everything that was created in their clusters. After a failure, a cluster
 * is not measured any more; an abort ends the measurement of all. Earlier results are kept.
 * @throws if a cluster cannot be inspected, or the signal is aborted before all are
 */
export async function measure(
  stacks: readonly string[],
  request: RunRequest,
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<Subject[]> {
  const compared = await Promise.all(stacks.map((name) => ComparedStack.of(name, request.set)));
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
  try {
    for (const stack of compared) await act(stack, "verifying and inspecting", (each) => each.inspect());
    if (request.benchmarks) {
      const benches: Bench[] = [];
      const ready = await turns(compared, "benchmarks", "preparing benchmarks", async (stack) =>
        benches.push(await stack.prepareBench()),
      );
      const { rounds } = request.method;
      await runRounds(benches, request.method, (round) => log(`benchmarks: round ${round} of ${rounds}`), signal).catch(
        (error) => ready.forEach((stack) => giveUp(stack, "benchmarks", error)),
      );
      for (const stack of compared) await stack.endBench();
    }
    let growing = compared;
    for (const services of request.services) {
      const part = servicesText(services);
      growing = await turns(growing, part, `creating ${part}`, (stack) =>
        stack.growTo(services, request.servicesAreNamed, signal),
      );
      for (let round = 1; round <= request.growthRounds; round++) {
        const what = `${part}, round ${round} of ${request.growthRounds}`;
        growing = await turns(growing, part, what, (stack) => stack.measureGrowth());
      }
    }
    return compared.map((stack) => stack.subject());
  } finally {
    log("cleaning up");
    await Promise.all(compared.map((stack) => stack.close(log)));
  }
}
