import { setTimeout as sleep } from "node:timers/promises";
import type { CauseId, FaultClass } from "../causes";
import type { Verification, VerifyOptions } from "../verify";
import { onEveryNode, type Fault } from "./fault";
import type { Lab } from "./lab";

/**
 * What became of one fault: verify reported it (`caught`) or passed (`missed`), the fault never came into force
 * (`not-injected`), or the cluster did not pass again after it (`not-repaired`).
 */
export type DrillOutcome = "caught" | "missed" | "not-injected" | "not-repaired";

/** One fault of a drill. */
export interface DrillResult {
  readonly fault: string;
  readonly class: FaultClass;
  readonly outcome: DrillOutcome;
  /** Whether verify named one of the causes that explain the fault. */
  readonly causeNamed: boolean;
  /** The first one of these that it named. */
  readonly cause?: CauseId | undefined;
  /** The causes that verify named, the first one first. */
  readonly causes: readonly CauseId[];
  /** Checks that were red, `fail` or `inconclusive`, during the fault. */
  readonly red: readonly string[];
  /** Seconds of the verification during the fault. */
  readonly verifySeconds: number;
  /** Seconds of everything: inject, verify, undo, verify again. */
  readonly seconds: number;
  /** Why the outcome is no answer about verify. */
  readonly problem?: string | undefined;
}

/** What a drill needs of its surroundings. */
export interface DrillGround {
  readonly lab: Lab;
  /** Verify the cluster. */
  verify(options: Pick<VerifyOptions, "settleSeconds" | "settledLooks">): Promise<Verification>;
  /** Keep the name of a fault before it is injected, so that another run can undo it; undefined when it is undone. */
  remember(fault: Fault | undefined): Promise<void>;
  /** Report what happens. */
  at(what: string): void;
  /** Ends the drill: what is injected is undone first. */
  readonly signal: AbortSignal;
}

const EFFECT_SECONDS = 20;
const SETTLE_SECONDS = 5;
/** How long a cluster may take until it passes again. */
const RECOVERY_SECONDS = 300;
/** How long what was undone may take to look as before. */
const RESTORE_SECONDS = 60;

/**
 * Inject one fault, verify, undo it and wait until the cluster passes again.
 * @throws Error when the undo fails, or the signal ends the drill; an injected fault is undone in any case
 */
export async function drillFault(fault: Fault, ground: DrillGround): Promise<DrillResult> {
  const { lab, verify, remember, at, signal } = ground;
  const start = Date.now();
  const answer = (outcome: DrillOutcome, found?: Verification, problem?: string): DrillResult => {
    const causes = (found?.causes ?? []).flatMap(({ cause }) => cause ?? []);
    const named = causes.find((cause) => fault.expect.includes(cause));
    return {
      fault: fault.name,
      class: fault.class,
      outcome,
      causeNamed: named !== undefined,
      cause: named,
      causes,
      red: (found?.results ?? [])
        .filter(({ verdict }) => verdict === "fail" || verdict === "inconclusive")
        .map(({ id }) => id),
      verifySeconds: found?.seconds ?? 0,
      seconds: Math.round((Date.now() - start) / 1000),
      problem,
    };
  };
  const before = await probe(fault, lab);
  await remember(fault);
  let during: Verification | undefined;
  let problem: string | undefined;
  try {
    at(`${fault.name}: injecting`);
    problem = await inject(fault, lab, before, signal);
    if (problem === undefined) {
      at(`${fault.name}: verifying`);
      during = await untilAborted(verify({ settleSeconds: fault.settleSeconds ?? SETTLE_SECONDS }), signal);
    }
  } finally {
    at(`${fault.name}: undoing`);
    await undo(fault, lab);
    await remember(undefined);
  }
  const isRestored = await untilProbe(fault, lab, RESTORE_SECONDS, signal, (now) => now === before);
  at(`${fault.name}: waiting until the cluster passes`);
  // a cluster that still fails now and then would show in the next fault's causes
  const after = await untilAborted(verify({ settleSeconds: RECOVERY_SECONDS, settledLooks: 1 }), signal);
  if (after.verdict !== "pass") {
    const red = after.results.filter(({ verdict }) => verdict === "fail" || verdict === "inconclusive");
    const named = red.map(({ id }) => id).join(", ");
    return answer("not-repaired", during, `after the undo these checks stay red for ${RECOVERY_SECONDS} s: ${named}`);
  }
  if (problem !== undefined) return answer("not-injected", during, problem);
  if (!isRestored) return answer("not-repaired", during, "the undo did not restore what the fault had changed");
  return answer(during!.verdict === "pass" ? "missed" : "caught", during);
}

/**
 * What nodes and pods have learnt of paths with a smaller MTU would last for ten minutes (net.ipv4.route.mtu_expires):
 * full packets would be lost after the undo.
 */
const FORGET_PATHS = onEveryNode(
  "ip route flush cache; for namespace in $(ip netns list | cut -d' ' -f1); do ip netns exec $namespace ip route flush cache || true; done",
);

/** The same of IPv6, where the cluster has it. */
const FORGET_IPV6_PATHS = onEveryNode(
  "ip -6 route flush cache; for namespace in $(ip netns list | cut -d' ' -f1); do ip netns exec $namespace ip -6 route flush cache || true; done",
);

/** Undo a fault, whether it is in force or not. @throws Error naming the fault when a script fails */
export async function undo(fault: Fault, lab: Lab): Promise<void> {
  const forget = lab.facts.node_ipv6 === "" ? FORGET_PATHS : [...FORGET_PATHS, ...FORGET_IPV6_PATHS];
  for (const script of [...fault.undo, ...forget]) {
    await lab.run(script).catch((error: Error) => {
      throw new Error(`The fault ${fault.name} cannot be undone: ${error.message}`);
    });
  }
}

/** Bring a fault into force. @returns why it is not */
async function inject(fault: Fault, lab: Lab, before: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    for (const script of fault.inject) {
      signal.throwIfAborted();
      await lab.run(script);
    }
  } catch (error) {
    signal.throwIfAborted();
    return `the fault could not be injected: ${lastLine((error as Error).message)}`;
  }
  const seconds = fault.effectSeconds ?? EFFECT_SECONDS;
  return (await untilProbe(fault, lab, seconds, signal, (now) => now !== before))
    ? undefined
    : `the fault was not in force after ${seconds} s`;
}

async function untilProbe(
  fault: Fault,
  lab: Lab,
  seconds: number,
  signal: AbortSignal,
  isReached: (now: string) => boolean,
): Promise<boolean> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    if (isReached(await probe(fault, lab))) return true;
    if (Date.now() > deadline) return false;
    await sleep(1000, undefined, { signal });
  }
}

/** What the fault's probe prints; a probe that fails says so in words that stay the same. */
async function probe(fault: Fault, lab: Lab): Promise<string> {
  return lab.run(fault.probe).then(
    (output) => output.trim(),
    () => "(no answer)",
  );
}

async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  work.catch(() => undefined); // a late failure
  signal.throwIfAborted();
  let stop: () => void = () => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason as Error);
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

const lastLine = (text: string) => text.trim().split("\n").at(-1)!.trim();
