import { setTimeout as sleep } from "node:timers/promises";
import { lastLine, untilEnded, type Session } from "../cluster/podExec";
import type { Target } from "../datapath/watch/flows";
import { Watch, type WatchReport } from "../datapath/watch/watch";
import { within } from "../cluster/within";
import { WORKLOAD } from "../modes/workload";
import { runInShell } from "../host/exec";
import { startBeside } from "../host/outside";
import { withProgress } from "./progress";
import { stackCluster, type StackCluster } from "./stackCluster";
import { lookOf } from "./environment";
import { traceable } from "./traceable";
import { UsageError } from "./usage";
import { showMeanwhile } from "./watchProgress";
import { watchText } from "./watchText";
import { interruptible } from "../host/interruptible";

export interface WatchOptions {
  /** Default: until Ctrl-C, or until the command of `while` ends. */
  readonly seconds?: number;
  /** A shell command to run meanwhile. */
  readonly while?: string;
  readonly intervalMs: number;
  readonly baselineSeconds: number;
  readonly set?: readonly string[];
  readonly json?: boolean;
}

/** Time after which a probe without an answer is lost. The kernel repeats a lost connection request after the same time. */
const TIMEOUT_MS = 1000;

/** Time for which flows are sent after the command has ended. */
const AFTER_SECONDS = 5;

/**
 * Send every kind of flow through a stack's cluster and report what was lost.
 * @returns whether no flow lost anything beyond the controls, and the command succeeded
 */
export async function watch(stack: string, options: WatchOptions): Promise<boolean> {
  checkOptions(options);
  return interruptible(async (signal) => {
    const found = await stackCluster(stack, options.set);
    const outside = found.nodesAreContainers ? await startOutside(found) : undefined;
    try {
      const { report, commandCode } = await watched(stack, found, outside, options, signal);
      console.log(
        options.json
          ? JSON.stringify({ stack, command: options.while, commandCode, ...report }, undefined, 2)
          : watchText(stack, report, lookOf(process.stdout)),
      );
      if (commandCode !== 0) console.error(`The command ended with exit code ${commandCode}: ${options.while}`);
      return commandCode === 0 && report.verdict === "uninterrupted";
    } finally {
      await outside?.end();
    }
  });
}

async function watched(
  stack: string,
  found: StackCluster,
  outside: Outside | undefined,
  options: WatchOptions,
  signal: AbortSignal,
): Promise<{ report: WatchReport; commandCode: number }> {
  const { cluster, expectation } = await traceable(stack, found);
  const { intervalMs, baselineSeconds } = options;
  const running = await withProgress(`${stack}: starting the flows`, () =>
    Watch.begin({
      ...{ cluster, expectation, baselineSeconds },
      method: { intervalMs, timeoutMs: TIMEOUT_MS },
      outside: outside && { start: (command) => startBeside(outside.image, command), server: outside.server },
    }),
  );
  let commandCode = 0;
  try {
    await withProgress(`${stack}: measuring a baseline of ${baselineSeconds} s`, () => pause(baselineSeconds, signal));
    const shown = showMeanwhile(running, stack, { isLive: options.while === undefined });
    try {
      if (options.while === undefined) await pause(options.seconds, signal);
      else if (!signal.aborted) {
        commandCode = await runInShell(options.while);
        await pause(AFTER_SECONDS, signal);
      }
    } finally {
      shown.end();
    }
  } catch (error) {
    await running.end();
    throw error;
  }
  return { report: await running.end(), commandCode };
}

/** A server outside the cluster. Its image has the clients too. */
interface Outside {
  readonly image: string;
  readonly server: Target;
  /** Remove the container. */
  end(): Promise<void>;
}

const START_SECONDS = 60;

const END_SECONDS = 10;

/** Start a server container on the nodes' network; undefined on a machine without the workload's image. */
async function startOutside({ cluster }: StackCluster): Promise<Outside | undefined> {
  const [pod] = await cluster.pods(WORKLOAD.namespace, `run=${WORKLOAD.clientPod}`);
  const image = pod?.spec?.containers[0]?.image;
  if (image === undefined) throw new Error(`the client pod ${WORKLOAD.clientPod} does not run; run: pulumi up`);
  const session = startBeside(image, ["sh", "-c", untilEnded("serve")]);
  let errors = "";
  session.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const address = new Promise<string>((resolve, reject) => {
    let text = "";
    session.stdout
      .on("data", (chunk: Buffer) => {
        text += chunk.toString();
        const found = /answers on port \d+ as ([\d.]+)/.exec(text)?.[1];
        if (found !== undefined) resolve(found);
      })
      .once("close", () => reject(new Error(lastLine(errors) ?? "the server ended at once")));
  });
  try {
    const server = { address: await within(START_SECONDS, address, "the server does not start"), port: 80 };
    return { image, server, end: () => endSession(session) };
  } catch (error) {
    await endSession(session);
    console.error(`No container outside the cluster: ${(error as Error).message}`);
    return undefined;
  }
}

/** The container ends before its session does. */
async function endSession(session: Session): Promise<void> {
  const gone = new Promise((resolve) => session.stdout.once("close", resolve));
  const isGone = session.stdout.closed;
  session.end();
  if (!isGone) await within(END_SECONDS, gone).catch(() => undefined);
}

/** Wait for this time, or without a number until the signal. */
async function pause(seconds: number | undefined, signal: AbortSignal): Promise<void> {
  // a timer's longest delay, 24 days; an infinite one would be none
  await sleep(seconds === undefined ? 2 ** 31 - 1 : seconds * 1000, undefined, { signal }).catch(() => undefined);
}

function checkOptions({ seconds, while: command, intervalMs, baselineSeconds }: WatchOptions): void {
  if (seconds !== undefined && command !== undefined) throw new UsageError("Use --seconds or --while, not both");
  if (seconds !== undefined && !(seconds > 0)) throw new UsageError("--seconds must be a number above 0");
  if (!(intervalMs >= 20 && intervalMs <= 1000)) throw new UsageError("--interval-ms must be a number from 20 to 1000");
  if (!(baselineSeconds >= 1)) throw new UsageError("--baseline-seconds must be a number, 1 or more");
}
