import { apiErrorLine } from "../datapath/apiError";
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
 * Inspect and measure stacks that are up, taking turns. What is made in their clusters is taken away again. An abort
 * ends it with what was measured so far.
 * @throws when a cluster cannot be looked at, or the signal is aborted before all were
 */
export async function measure(
  stacks: readonly string[],
  request: RunRequest,
  tell: (line: string) => void,
  signal: AbortSignal,
): Promise<Subject[]> {
  const contestants = await Promise.all(stacks.map((stack) => Contestant.of(stack, request.set)));
  const each = async (what: string, act: (contestant: Contestant) => Promise<unknown>) => {
    for (const contestant of contestants) {
      signal.throwIfAborted();
      tell(`${contestant.name}: ${what}`);
      await act(contestant);
    }
  };
  // what goes wrong in the midst, or is interrupted, does not lose what was measured before
  const attempt = async (what: string, work: () => Promise<void>): Promise<boolean> => {
    try {
      await work();
      return true;
    } catch (error) {
      const why = signal.aborted ? "interrupted" : apiErrorLine(error as Error);
      tell(`${what}: ${why}`);
      process.exitCode ??= 1;
      for (const contestant of contestants) contestant.omit(`${what}, from there on: ${why}`);
      return false;
    }
  };
  try {
    await each("is verified and looked at", (contestant) => contestant.inspect());
    if (request.benchmarks) {
      await attempt("benchmarks", async () => {
        const benches: Bench[] = [];
        await each("is made ready for benchmarks", async (contestant) => benches.push(await contestant.prepareBench()));
        const { rounds } = request.method;
        await runRounds(benches, request.method, (round) => tell(`benchmarks: round ${round} of ${rounds}`), signal);
      });
      for (const contestant of contestants) await contestant.endBench();
    }
    for (const services of request.services) {
      const isMeasured = await attempt(servicesText(services), async () => {
        await each(`grows to ${servicesText(services)}`, (contestant) =>
          contestant.growTo(services, request.servicesAreNamed, signal),
        );
        for (let round = 1; round <= request.growthRounds; round++) {
          const what = `${servicesText(services)}, round ${round} of ${request.growthRounds}`;
          await each(what, (contestant) => contestant.measureGrowth());
        }
      });
      if (!isMeasured) break;
    }
    return contestants.map((contestant) => contestant.subject());
  } finally {
    tell("what was made for the measurements is taken away");
    await Promise.all(contestants.map((contestant) => contestant.close(tell)));
  }
}
