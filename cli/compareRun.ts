import { apiErrorLine } from "../datapath/apiError";
import { runRounds, type Bench, type Method } from "../datapath/compare/benchmarks";
import type { Subject } from "../datapath/compare/results";
import { servicesText } from "../datapath/compare/rows";
import { Contestant } from "./compareSubject";

/** The measurements of a comparison. */
export interface RunRequest {
  readonly set: readonly string[] | undefined;
  readonly benchmarks: boolean;
  readonly method: Method;
  /** Numbers of Services of the growth series; empty without it. */
  readonly services: readonly number[];
  /** Whether the user named the numbers, which fills external clusters too. */
  readonly servicesAreNamed: boolean;
  /** Rounds at each number of Services. */
  readonly growthRounds: number;
}

/**
 * Inspect and measure stacks that are up, in turns. Everything created in their clusters is removed again. A cluster that
 * fails is left out of further measurements, an abort ends all of them, and earlier results are kept.
 * @throws when a cluster cannot be inspected, or the signal is aborted before every cluster was
 */
export async function measure(
  stacks: readonly string[],
  request: RunRequest,
  report: (line: string) => void,
  signal: AbortSignal,
): Promise<Subject[]> {
  const contestants = await Promise.all(stacks.map((stack) => Contestant.of(stack, request.set)));
  const act = async (contestant: Contestant, what: string, work: (contestant: Contestant) => Promise<unknown>) => {
    signal.throwIfAborted();
    report(`${contestant.name}: ${what}`);
    await work(contestant);
  };
  const leaveOut = (contestant: Contestant, part: string, error: unknown) => {
    const why = signal.aborted ? "interrupted" : apiErrorLine(error as Error);
    report(`${contestant.name}: ${part}: ${why}`);
    process.exitCode ??= 1;
    contestant.omit(`${part}, from this point on: ${why}`);
  };
  /** @returns the contestants that stay in the comparison */
  const turns = async (
    among: readonly Contestant[],
    part: string,
    what: string,
    work: (contestant: Contestant) => Promise<unknown>,
  ): Promise<Contestant[]> => {
    const further: Contestant[] = [];
    for (const contestant of among) {
      await act(contestant, what, work).then(
        () => further.push(contestant),
        (error) => leaveOut(contestant, part, error),
      );
    }
    return further;
  };
  try {
    for (const contestant of contestants) await act(contestant, "verifying and inspecting", (each) => each.inspect());
    if (request.benchmarks) {
      const benches: Bench[] = [];
      const ready = await turns(contestants, "benchmarks", "preparing benchmarks", async (contestant) =>
        benches.push(await contestant.prepareBench()),
      );
      const { rounds } = request.method;
      await runRounds(
        benches,
        request.method,
        (round) => report(`benchmarks: round ${round} of ${rounds}`),
        signal,
      ).catch((error) => ready.forEach((contestant) => leaveOut(contestant, "benchmarks", error)));
      for (const contestant of contestants) await contestant.endBench();
    }
    let growing = contestants;
    for (const services of request.services) {
      const part = servicesText(services);
      growing = await turns(growing, part, `growing to ${part}`, (contestant) =>
        contestant.growTo(services, request.servicesAreNamed, signal),
      );
      for (let round = 1; round <= request.growthRounds; round++) {
        const what = `${part}, round ${round} of ${request.growthRounds}`;
        growing = await turns(growing, part, what, (contestant) => contestant.measureGrowth());
      }
    }
    return contestants.map((contestant) => contestant.subject());
  } finally {
    report("removing everything that the measurements created");
    await Promise.all(contestants.map((contestant) => contestant.close(report)));
  }
}
