import { join } from "node:path";
import { ALL_MODES } from "../modes/contract";
import { listNodes } from "../host/docker";
import { run } from "../host/exec";
import { isExternal } from "../settings/release";
import { knownStacks, PROJECT_DIRECTORY, readStackFile } from "./stackFile";

/** Stacks whose kind cluster is up on this machine, in the order of their modes. Only Pulumi knows about external clusters. */
export async function stacksThatAreUp(set: readonly string[] | undefined): Promise<string[]> {
  const found = await Promise.all(knownStacks().map(async (stack) => ((await isUp(stack, set)) ? [stack] : [])));
  const rank = (stack: string) => ALL_MODES.indexOf(readStackFile(stack, set).settings.mode);
  return found.flat().sort((a, b) => rank(a) - rank(b));
}

/** Whether all nodes of a stack's kind cluster run. */
async function isUp(stack: string, set: readonly string[] | undefined): Promise<boolean> {
  const { cluster } = readStackFile(stack, set).settings;
  if (isExternal(cluster)) return false;
  const nodes = await listNodes(cluster.name);
  return nodes.length > 0 && nodes.every(({ running }) => running);
}

/** Why --up must leave a stack alone; undefined where it may create and destroy the stack. */
export async function reasonNotToBringUp(stack: string): Promise<string | undefined> {
  const { cluster } = readStackFile(stack).settings;
  if (isExternal(cluster)) return `${stack} uses an external cluster, which --up does not create or destroy`;
  const nodes = await listNodes(cluster.name);
  return nodes.length === 0 ? undefined : `${stack} is up already, and --up would destroy it after measuring`;
}

/** Time for Pulumi to end an interrupted run in order, so that its state is complete. */
const CANCEL_SECONDS = 120;

/** Create or destroy a stack with the tools and state of npm run pulumi. @throws CommandError with Pulumi's last lines */
export async function pulumi(verb: "up" | "destroy", stack: string, signal?: AbortSignal): Promise<void> {
  const program = (...args: string[]) =>
    run(process.execPath, [join(PROJECT_DIRECTORY, "scripts", "pulumi.mjs"), ...args, "--non-interactive"], {
      signal,
      patienceSeconds: CANCEL_SECONDS,
    });
  if (verb === "up") await program("stack", "select", "--create", stack);
  await program(verb, "--yes", "--skip-preview", "--stack", stack);
}
