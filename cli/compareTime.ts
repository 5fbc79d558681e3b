import { sumSimple } from "simple-statistics";
import type { Method } from "../compare/measure/benchmarks";
import { measurementsOf } from "../compare/measure/tools";
import { isIpv6Path, type Comparison, type Extra } from "../compare/results";

/** What determines the duration of a comparison. */
export interface TimedRequest {
  readonly benchmarks: boolean;
  readonly method: Method;
  readonly extras: readonly Extra[];
  /** How many subjects have IPv6 addresses, by which their paths are measured. Default: none */
  readonly dualStacks?: number;
  /** Numbers of Services of the growth series; empty without it. */
  readonly services: readonly number[];
  /** How ratios end before all rounds; undefined: everything is measured in every round. */
  readonly stopping: Comparison["method"]["stopping"];
}

/** A part of a comparison. */
interface Part {
  /** Parts of one kind turn out longer or shorter than expected by the same factor. */
  readonly kind: "inspection" | "benchmarks" | "creation" | "growth";
  readonly seconds: number;
}

// Seconds on two CPUs. What is done corrects them; see TimeLeft.
const INSPECTION = 40;
/** Start and end of a tool. */
const TOOL = 0.4;
/** One round at one number of Services: each stack's steps, and the rest that stacks share. */
const STEPS = 3;
const REST = 4.5;
/** Creation of Services: until tables are stable, and for each Service of each stack. */
const SETTLING = 7;
const SERVICE = 0.015;
/** Creation and deletion of a cluster. */
const UP = 240;

/**
 * Shares of the measurements that a sequential comparison repeats in the rounds after its first look, and the last of these
 * in all further rounds; computed from the recorded comparisons.
 */
const REPEATED = { benchmarks: [0.3, 0.2], growth: [0.65, 0.45] } as const;

/** The time that a comparison still takes: expected durations, corrected by those of the parts that are done. */
export class TimeLeft {
  private readonly parts: Part[] = [];
  private readonly done = new Map<Part["kind"], { expected: number; actual: number }>();
  private begun: number;

  constructor(
    stacks: number,
    { benchmarks, method, extras, dualStacks = 0, services, stopping }: TimedRequest,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.begun = now();
    const sharesOf = (kind: keyof typeof REPEATED) =>
      Array.from({ length: method.rounds }, (_, round) => {
        const beyond = stopping === undefined ? -1 : round - stopping.first;
        return beyond < 0 ? 1 : REPEATED[kind][Math.min(beyond, 1)]!;
      });
    const durations = measurementsOf(extras).map(({ path, tool: { leastWarmUp = 0 } }) => {
      const run = method.seconds + Math.max(method.warmUpSeconds, leastWarmUp) + TOOL;
      return run * (isIpv6Path(path) ? dualStacks : stacks);
    });
    const round = sumSimple(durations);
    for (let stack = 0; stack < stacks; stack++) this.parts.push({ kind: "inspection", seconds: INSPECTION });
    if (benchmarks)
      for (const share of sharesOf("benchmarks")) this.parts.push({ kind: "benchmarks", seconds: share * round });
    services.forEach((number, at) => {
      const more = number - (services[at - 1] ?? 0);
      this.parts.push({ kind: "creation", seconds: SETTLING + stacks * more * SERVICE });
      const steps = stacks * STEPS + REST;
      for (const share of sharesOf("growth")) this.parts.push({ kind: "growth", seconds: share * steps });
    });
  }

  /** Note that the next part of a kind is done, or not needed. */
  finish(kind: Part["kind"], isNeeded = true): void {
    const at = this.parts.findIndex((part) => part.kind === kind);
    const [part] = at < 0 ? [] : this.parts.splice(at, 1);
    const now = this.now();
    if (part !== undefined && isNeeded) {
      const { expected, actual } = this.done.get(kind) ?? { expected: 0, actual: 0 };
      this.done.set(kind, { expected: expected + part.seconds, actual: actual + (now - this.begun) / 1000 });
    }
    this.begun = now;
  }

  /** Whole minutes, at least 1. */
  minutes(): number {
    const seconds = this.parts.reduce((sum, { kind, seconds: own }) => {
      const known = this.done.get(kind);
      return sum + own * (known === undefined ? 1 : known.actual / known.expected);
    }, 0);
    return Math.max(1, Math.ceil(seconds / 60));
  }
}

/**
 * Estimate the duration of a comparison in minutes.
 * @param creation how many clusters are created for it, and whether subjects are measured one after the other
 */
export function estimateMinutes(
  subjects: number,
  request: TimedRequest,
  { created, isOneByOne }: { readonly created: number; readonly isOneByOne: boolean },
): number {
  const parts = isOneByOne ? subjects : 1;
  // one after the other, they share nothing
  const own = { ...request, dualStacks: (request.dualStacks ?? 0) / parts };
  return Math.ceil(parts * new TimeLeft(subjects / parts, own).minutes() + (created * UP) / 60);
}
