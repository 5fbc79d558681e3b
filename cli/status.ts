import { z } from "zod";
import { dockerProblem } from "../host/daemon";
import { listNodes, type KindNode } from "../host/docker";
import { CommandError, lastLines, run } from "../host/exec";
import { isExternal } from "../settings/release";
import { withProgress } from "./progress";
import { knownStacks, PROJECT_DIRECTORY, readStackFile } from "./stackFile";
import { lookOf } from "./environment";
import { PLAIN, table, type Look } from "../render/terminal";

export interface StatusOptions {
  readonly json?: boolean;
}

/** Where a stack stands. Whatever could not be read is undefined, with the reason in `problems`. */
export interface StackStatus {
  readonly stack: string;
  readonly mode?: string | undefined;
  readonly cluster?: string | undefined;
  /** `external`: the stack is installed in a cluster that this project did not create. */
  readonly state: "up" | "stopped" | "down" | "external" | "unknown";
  readonly nodes?: number;
  /** When the kind cluster was created, in ISO 8601. */
  readonly createdAt?: string | undefined;
  readonly verification?: Outputs["verification"];
  readonly problems: readonly string[];
}

/** The outputs of a stack that its status needs. */
const Outputs = z.object({
  mode: z.string().optional(),
  clusterName: z.string().optional(),
  verification: z
    .object({ verdict: z.string(), proof: z.string().optional(), verifiedAt: z.string().optional() })
    .optional(),
});
type Outputs = z.infer<typeof Outputs>;

/** Print which stacks are up, from stack files, Docker and Pulumi's state. */
export async function status(named: readonly string[], { json }: StatusOptions): Promise<void> {
  const stacks = named.length > 0 ? [...new Set(named)] : knownStacks();
  const found = await withProgress("Reading the state of the stacks", () => Promise.all(stacks.map(statusOf)));
  console.log(json ? JSON.stringify(found, undefined, 2) : statusText(found, lookOf(process.stdout)));
}

async function statusOf(stack: string): Promise<StackStatus> {
  const problems: string[] = [];
  const readable = <T>(read: Promise<T>): Promise<T | undefined> =>
    read.catch(({ message }: Error) => {
      problems.push(message.split("\n")[0]!.replace(/:$/, ""));
      return undefined;
    });
  const settings = await readable((async () => readStackFile(stack).settings)());
  const outputs = await readable(readOutputs(stack));
  const { verification } = outputs ?? {};
  const mode = settings?.mode ?? outputs?.mode;
  const cluster = settings?.cluster.name ?? outputs?.clusterName;
  if (settings !== undefined && isExternal(settings.cluster))
    return { stack, mode, cluster, state: outputs?.mode === undefined ? "down" : "external", verification, problems };
  if (cluster === undefined) return { stack, mode, state: "unknown", verification, problems };
  const nodes = await readable(nodesOf(cluster));
  if (nodes === undefined) return { stack, mode, cluster, state: "unknown", verification, problems };
  // the verification of a cluster that is gone says nothing
  if (nodes.length === 0) return { stack, mode, cluster, state: "down", problems };
  const state = nodes.every(({ running }) => running) ? "up" : "stopped";
  return { stack, mode, cluster, state, nodes: nodes.length, createdAt: nodes[0]!.createdAt, verification, problems };
}

function nodesOf(cluster: string): Promise<KindNode[]> {
  return listNodes(cluster).catch((error: Error) => {
    const { subject, seen } = dockerProblem(error);
    throw new Error(`${subject}: ${seen}`);
  });
}

/** What Pulumi knows of a stack; undefined where it does not know the stack. @throws Error saying why it cannot tell */
async function readOutputs(stack: string): Promise<Outputs | undefined> {
  const args = ["stack", "output", "--json", "--non-interactive", "--cwd", PROJECT_DIRECTORY, "--stack", stack];
  try {
    return Outputs.parse(JSON.parse(await run("pulumi", args)));
  } catch (error) {
    if (!(error instanceof CommandError)) throw new Error("Pulumi: the stack's outputs cannot be read");
    if (/no stack named|unable to open state directory/.test(error.stderr)) return undefined;
    if (/ENOENT/.test(error.reason)) throw new Error("Pulumi: the program is not on the PATH");
    throw new Error(`Pulumi: ${lastLines(error.stderr, 1)[0] ?? error.reason}`);
  }
}

/** The state of stacks for reading: a line each, then the problems, each once. */
export function statusText(found: readonly StackStatus[], look: Look = PLAIN): string {
  const { bold, green, yellow, dim } = look.colors;
  const paint = { up: green, stopped: yellow, down: dim, external: green, unknown: yellow };
  const rows = found.map(({ stack, mode = "unknown", state, nodes, cluster = "unknown", createdAt, verification }) => [
    stack,
    mode,
    paint[state](state),
    nodes === undefined ? cluster : `${cluster} (${nodes === 1 ? "1 node" : `${nodes} nodes`})`,
    createdAt === undefined ? "" : minute(createdAt),
    verificationText(verification),
  ]);
  const head = ["STACK", "MODE", "STATE", "CLUSTER", "CREATED", "VERIFIED"].map((title) => bold(title));
  const problems = [...new Set(found.flatMap((each) => each.problems))];
  const downs = found.filter(({ state }) => state === "down");
  return [
    table([head, ...rows], look),
    ...(problems.length === 0 ? [] : ["", "Not read:", ...problems.map((each) => `  - ${each}`)]),
    ...(downs.length === 0 ? [] : ["", `Create a cluster with: npm start -- ${downs[0]!.stack}`]),
  ].join("\n");
}

function verificationText(verification: Outputs["verification"]): string {
  if (verification === undefined) return "";
  const { verdict, proof = verdict, verifiedAt } = verification;
  return verifiedAt === undefined ? proof : `${proof}, ${minute(verifiedAt)}`;
}

/** A time in UTC, to the minute. */
const minute = (time: string) => `${new Date(time).toISOString().slice(0, 16).replace("T", " ")} UTC`;
