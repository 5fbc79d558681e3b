import { existsSync, readFileSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import type { Subject } from "../compare/results";
import { listNodes } from "../host/docker";
import { run } from "../host/exec";
import { ConfigurationError } from "../settings/parse";
import { isExternal } from "../settings/release";
import type { Contender, Variant } from "./compareVariants";
import { kindKubeconfig } from "./kindKubeconfig";
import { overriddenStackFile, PROJECT_DIRECTORY, readStackFile } from "./stackFile";

type Log = (line: string) => void;

/**
 * Measure contenders one after the other, each in a cluster that is created for it.
 * @throws Error naming everything that keeps clusters from being created, or if none could be measured
 */
export async function oneByOne(
  contenders: readonly Contender[],
  measure: (contender: Contender, keep: (subjects: Subject[]) => Promise<void>) => Promise<void>,
  log: Log,
  signal: AbortSignal,
): Promise<Subject[]> {
  const reasons = await reasonsAgainst(contenders, reasonsNotToBringUp);
  const fix = "Leave these out, destroy them first, or compare without --up";
  if (reasons.length > 0) throw new Error(["Nothing was measured:", ...reasons, fix].join("\n"));
  const subjects: Subject[] = [];
  for (const contender of contenders) {
    if (signal.aborted) break;
    try {
      await withCluster(contender, log, signal, () => measure(contender, async (own) => void subjects.push(...own)));
    } catch (error) {
      // keep the results of others
      if (subjects.length === 0) throw error;
      log(`${contender.name}: ${(error as Error).message}`);
      process.exitCode ??= 1;
    }
  }
  return subjects;
}

/**
 * Create the clusters of variants beside the stacks that are up, measure all of them together, and remove the variants.
 * @throws Error naming every stack that is not up, and every variant that cannot be created
 */
export async function withVariants(
  contenders: readonly Contender[],
  measure: () => Promise<void>,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const variants = contenders.filter(({ variant }) => variant !== undefined);
  if (variants.length > 0) {
    const reasons = await reasonsAgainst(contenders, ({ name, variant, ...own }) =>
      variant === undefined ? reasonsNotUp(own) : reasonsNotToCreate(name, own.stack, variant),
    );
    const fix =
      "Variants are created beside the stacks that are up; with --up, compare creates both, one after the other";
    if (reasons.length > 0) throw new Error(["Nothing was created:", ...reasons, fix].join("\n"));
  }
  const [first, ...others] = variants;
  if (first === undefined) return measure();
  await withCluster(first, log, signal, () =>
    // the checks are done
    others.reduceRight<() => Promise<void>>((inner, each) => () => withCluster(each, log, signal, inner), measure)(),
  );
}

/** Bring up a contender's cluster, and destroy it afterwards, also if either fails. */
async function withCluster(
  { name, stack, variant }: Contender,
  log: Log,
  signal: AbortSignal,
  act: () => Promise<void>,
): Promise<void> {
  if (variant !== undefined) await addStack(name, stack, variant, log);
  try {
    log(`${name}: creating`);
    await pulumi(["stack", "select", "--create", stack], signal);
    await pulumi(["up", ...UNASKED, stack], signal);
    await act();
  } finally {
    log(`${name}: destroying`);
    await (variant === undefined ? pulumi(["destroy", ...UNASKED, stack]) : removeStack(stack)).catch(
      ({ message }: Error) => {
        process.exitCode ??= 1;
        const fix = `npm run pulumi -- destroy ${variant === undefined ? "" : "--remove "}-s ${stack}`;
        log(`${name} was not destroyed; run: ${fix}. Reason: ${message}`);
      },
    );
  }
}

/** Why contenders cannot be compared, as lines of a list. */
async function reasonsAgainst(
  contenders: readonly Contender[],
  reasonsOf: (contender: Contender) => Promise<readonly string[]>,
): Promise<string[]> {
  const reasons = await Promise.all(contenders.map(reasonsOf));
  return reasons.flat().map((reason) => `  - ${reason.replaceAll("\n", "\n  ")}`);
}

/** Why --up must not bring up and destroy a contender. */
async function reasonsNotToBringUp({ name, stack, variant }: Contender): Promise<readonly string[]> {
  if (variant !== undefined) return reasonsNotToCreate(name, stack, variant);
  const { cluster } = readStackFile(stack).settings;
  if (isExternal(cluster)) return [`${stack} uses an external cluster, which --up does not touch`];
  const nodes = await listNodes(cluster.name);
  return nodes.length === 0 ? [] : [`${stack} is up already, and --up would destroy it after the measurement`];
}

/** Why a stack cannot be measured as it is. */
async function reasonsNotUp({ stack, set }: Pick<Contender, "stack" | "set">): Promise<readonly string[]> {
  const { cluster } = readStackFile(stack, set).settings;
  if (isExternal(cluster)) return [];
  return kindKubeconfig(stack, cluster.name).then(
    () => [],
    ({ message }: Error) => [message],
  );
}

/** Why a variant's stack cannot be created: what the chart refuses, what is left of others, and what this machine lacks. */
async function reasonsNotToCreate(
  name: string,
  stack: string,
  { of, overrides, clusterName }: Variant,
): Promise<readonly string[]> {
  const { askChart }: typeof import("./askChart") = require("./askChart");
  const { machineProblems }: typeof import("./doctor") = require("./doctor");
  const occupied = async () => {
    const file = fileOf(stack);
    if (!existsSync(file)) {
      const isFree = (await listNodes(clusterName)).length === 0;
      const fix = `delete it with: kind delete cluster --name ${clusterName}`;
      return isFree ? [] : [`a cluster ${clusterName} exists, which no comparison created; ${fix}`];
    }
    const owner = ownerOf(file);
    if (owner === undefined) return [`${file} exists, which no comparison created; delete or rename it`];
    return isRunning(owner) ? [`process ${owner} compares it; wait for its end, or end it with: kill ${owner}`] : [];
  };
  try {
    // encrypted values may not be copied
    overriddenStackFile(of, overrides, {});
    const checked = readStackFile(of, overrides, undefined, name);
    await askChart(checked);
    const reasons = [...(await occupied()), ...(await machineProblems(checked.settings))];
    return reasons.map((reason) => `${name}: ${reason}`);
  } catch (error) {
    const { message } = error as Error;
    return [error instanceof ConfigurationError ? message : `${name}: ${message}`];
  }
}

/** Configuration in a variant's stack file that says who created it; Pulumi may rewrite the file, but keeps that. */
const OWNER = "cilium-modes-compare:process";
const NAME = "cilium-modes-compare:variant";

const fileOf = (stack: string) => join(PROJECT_DIRECTORY, `Pulumi.${stack}.yaml`);

/** Process that created a variant's stack file; undefined if it is another stack's. */
function ownerOf(file: string): number | undefined {
  const { config = {} } = (parse(readFileSync(file, "utf8")) ?? {}) as { config?: Record<string, unknown> };
  return config[OWNER] === undefined ? undefined : Number(config[OWNER]);
}

function isRunning(process_: number): boolean {
  try {
    process.kill(process_, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

/** Write a variant's stack file, after removing what an interrupted comparison left of it. */
async function addStack(name: string, stack: string, { of, overrides }: Variant, log: Log): Promise<void> {
  const file = fileOf(stack);
  if (existsSync(file)) {
    log(`${name}: removing what an interrupted comparison left`);
    await removeStack(stack);
  }
  const text = overriddenStackFile(of, overrides, { [OWNER]: String(process.pid), [NAME]: name });
  await writeFile(file, text, { flag: "wx", mode: 0o600 });
}

/** Destroy a variant and remove its stack, state and file. */
async function removeStack(stack: string): Promise<void> {
  try {
    await pulumi(["destroy", ...UNASKED, stack]).catch(async (error: Error) => {
      // an update that was killed leaves a lock
      const owner = LOCKED.exec(error.message)?.[1];
      if (owner === undefined || isRunning(Number(owner))) throw error;
      await pulumi(["cancel", "--yes", "--stack", stack]).catch(() => undefined);
      await pulumi(["destroy", ...UNASKED, stack]);
    });
    const remove = ["stack", "rm", "--yes", "--stack", stack];
    await pulumi([...remove, "--remove-backups"]).catch(async (error: Error) => {
      if (!/unknown flag/.test(error.message)) throw error;
      await pulumi(remove);
    });
  } catch (error) {
    // interrupted before the stack was created
    if (!NO_STACK.test((error as Error).message)) throw error;
  }
  await rm(fileOf(stack), { force: true });
}

/** Pulumi's words for a stack that does not exist. */
const NO_STACK = /no stack named/;

/** Pulumi's words for a lock of its file backend, with the process that has it. */
const LOCKED = /currently locked by [^]*\(pid (\d+)\)/;

/** Seconds that an interrupted Pulumi gets to complete its state. */
const CANCEL_SECONDS = 120;

const UNASKED = ["--yes", "--skip-preview", "--stack"];

/** Run the Pulumi CLI as npm run pulumi does. @throws CommandError with the end of Pulumi's output */
async function pulumi(args: readonly string[], signal?: AbortSignal): Promise<void> {
  const script = join(PROJECT_DIRECTORY, "scripts", "pulumi.mjs");
  await run(process.execPath, [script, ...args, "--non-interactive"], { signal, patienceSeconds: CANCEL_SECONDS });
}
