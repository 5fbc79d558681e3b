import { join } from "node:path";
import { ALL_MODES } from "../modes/contract";
import { listNodes } from "../host/docker";
import { run } from "../host/exec";
import { isExternal } from "../settings/release";
import { knownStacks, PROJECT_DIRECTORY, readStackFile } from "./stackFile";

/** Stacks whose cluster is up on this machine, in the order of their modes; of clusters that exist, only Pulumi knows whether the stack is in them. */
export async function stacksThatAreUp(set: readonly string[] | undefined): Promise<string[]> {
  const found = await Promise.all(knownStacks().map(async (stack) => ((await isUp(stack, set)) ? [stack] : [])));
  const rank = (stack: string) => ALL_MODES.indexOf(readStackFile(stack, set).settings.mode);
  return found.flat().sort((a, b) => rank(a) - rank(b));
}

/** Whether a stack's kind cluster stands and all its nodes run. */
async function isUp(stack: string, set: readonly string[] | undefined): Promise<boolean> {
  const { cluster } = readStackFile(stack, set).settings;
  if (isExternal(cluster)) return false;
  const nodes = await listNodes(cluster.name);
  return nodes.length > 0 && nodes.every(({ running }) => running);
}

/** Why a stack may not be brought up and destroyed by a comparison; undefined where it may. */
export async function reasonNotToBringUp(stack: string): Promise<string | undefined> {
  const { cluster } = readStackFile(stack).settings;
  if (isExternal(cluster)) return `${stack} is in a cluster that exists, which --up leaves alone`;
  const nodes = await listNodes(cluster.name);
  return nodes.length === 0 ? undefined : `${stack} has nodes already, which --up would destroy when it has measured`;
}

/** How long Pulumi may take to end what it began, so that its state knows of it. */
const CANCEL_SECONDS = 120;

/** Have Pulumi bring a stack up, or take it away, as npm run pulumi would. @throws CommandError with Pulumi's last words */
export async function pulumi(verb: "up" | "destroy", stack: string, signal?: AbortSignal): Promise<void> {
  const program = (...args: string[]) =>
    run(process.execPath, [join(PROJECT_DIRECTORY, "scripts", "pulumi.mjs"), ...args, "--non-interactive"], {
      signal,
      patienceSeconds: CANCEL_SECONDS,
    });
  if (verb === "up") await program("stack", "select", "--create", stack);
  await program(verb, "--yes", "--skip-preview", "--stack", stack);
}
