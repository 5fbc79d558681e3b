import { apiErrorLine } from "../cluster/apiError";
import { runRounds, type Bench, type Method } from "../datapath/compare/benchmarks";
import type { Subject } from "../datapath/compare/results";
import { servicesText } from "../datapath/compare/rows";
import { Contestant } from "./compareSubject";

/** What is to be measured. */
export interface RunRequest {
  readonly set: readonly string[] | undefined;
  readonly benchmarks: boolean;
  readonly method: Method;
  /** Numbers of Services of the growth series; none without it. */
  readonly services: readonly number[];
  /** Somebody asked for them, so that clusters that exist are filled too. */
  readonly servicesAreNamed: boolean;
  /** Rounds of the growth series at each number of Services. */
  readonly growthRounds: number;
}

/**
 * Inspect and measure stacks that are up, taking turns. What is made in their clusters is taken away again. A cluster
 * that fails is left out from there on, and an abort ends it for all; what was measured before is kept.
 * @throws when a cluster cannot be looked at, or the signal is aborted before all were
 */
export async function measure(
  stacks: readonly string[],
  request: RunRequest,
  tell: (line: string) => void,
  signal: AbortSignal,
): Promise<Subject[]> {
  const contestants = await Promise.all(stacks.map((stack) => Contestant.of(stack, request.set)));
  const act = async (contestant: Contestant, what: string, work: (contestant: Contestant) => Promise<unknown>) => {
    signal.throwIfAborted();
    tell(`${contestant.name}: ${what}`);
    await work(contestant);
  };
  const leaveOut = (contestant: Contestant, part: string, error: unknown) => {
    const why = signal.aborted ? "interrupted" : apiErrorLine(error as Error);
    tell(`${contestant.name}: ${part}: ${why}`);
    process.exitCode ??= 1;
    contestant.omit(`${part}, from there on: ${why}`);
  };
  /** @returns those that take part further */
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
    for (const contestant of contestants) await act(contestant, "is verified and looked at", (each) => each.inspect());
    if (request.benchmarks) {
      const benches: Bench[] = [];
      const ready = await turns(contestants, "benchmarks", "is made ready for benchmarks", async (contestant) =>
        benches.push(await contestant.prepareBench()),
      );
      const { rounds } = request.method;
      await runRounds(
        benches,
        request.method,
        (round) => tell(`benchmarks: round ${round} of ${rounds}`),
        signal,
      ).catch((error) => ready.forEach((contestant) => leaveOut(contestant, "benchmarks", error)));
      for (const contestant of contestants) await contestant.endBench();
    }
    let growing = contestants;
    for (const services of request.services) {
      const part = servicesText(services);
      growing = await turns(growing, part, `grows to ${part}`, (contestant) =>
        contestant.growTo(services, request.servicesAreNamed, signal),
      );
      for (let round = 1; round <= request.growthRounds; round++) {
        const what = `${part}, round ${round} of ${request.growthRounds}`;
        growing = await turns(growing, part, what, (contestant) => contestant.measureGrowth());
      }
    }
    return contestants.map((contestant) => contestant.subject());
  } finally {
    tell("what was made for the measurements is taken away");
    await Promise.all(contestants.map((contestant) => contestant.close(tell)));
  }
}
