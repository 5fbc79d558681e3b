import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { FAULT_CLASSES, type FaultClass } from "../datapath/causes";
import { applies, FAULTS } from "../datapath/faults/catalogue";
import { drillFault, undo, type DrillGround, type DrillResult } from "../datapath/faults/drill";
import type { Fault } from "../datapath/faults/fault";
import { labOf, readLabFacts, type LabFacts } from "../datapath/faults/lab";
import { execInNode, listNodes, OWNER_DIRECTORY, type KindNode } from "../host/docker";
import { expectedCiliumConfig } from "../modes/ciliumConfig";
import { ciliumArgs } from "../settings/ciliumArgs";
import { isExternal } from "../settings/release";
import { withProgress } from "./progress";
import { catalogueJson, catalogueText, drillText, resultLine } from "./drillText";
import { PROJECT_DIRECTORY, readStackFile } from "./stackFile";
import { lookOf } from "./environment";
import { UsageError } from "./usage";
import { interruptible } from "../host/interruptible";

export interface DrillOptions {
  readonly fault?: readonly string[];
  readonly class?: readonly string[];
  readonly all?: boolean;
  readonly list?: boolean;
  readonly undo?: boolean;
  readonly set?: readonly string[];
  readonly json?: boolean;
}

/**
 * Inject faults into a stack's own kind cluster, and report which of them verify catches.
 * @returns whether verify caught every fault
 * @throws Error when the cluster is not the stack's own, is not healthy, or a fault cannot be undone
 */
export async function drill(stack: string | undefined, options: DrillOptions): Promise<boolean> {
  const chosen = chooseFaults(options);
  if (options.list) {
    console.log(options.json ? catalogueJson(chosen) : catalogueText(chosen, lookOf(process.stdout)));
    return true;
  }
  if (stack === undefined)
    throw new UsageError("Name a stack: cilium-modes drill <stack>, or list the faults with --list");
  const { settings } = readStackFile(stack, options.set);
  if (isExternal(settings.cluster)) throw new Error(refusal(stack, "its cluster is an existing one"));
  const nodes = await ownNodes(stack, settings.cluster.name);
  const state = new DrillState(stack);
  await undoRest(state, nodes);
  if (options.undo) return true;
  const asked = expectedCiliumConfig(ciliumArgs(settings));
  const { mode, tunnel, kubeProxy } = settings;
  const cluster = { mode, tunnel, kubeProxy: kubeProxy.mode, ipFamily: settings.cluster.ipFamily, asked };
  const faults = chosen.filter((fault) => applies(fault, cluster));
  if (faults.length === 0) {
    throw new UsageError(`No fault is chosen that applies to ${settings.mode}; use --all, --fault, --class or --list`);
  }
  const results = await interruptible(
    (signal) => run({ stack, options, faults, nodes, state, signal }),
    "Interrupted: undoing the fault (press Ctrl-C again to leave it to the next drill)",
  );
  const look = lookOf(process.stdout);
  console.log(options.json ? JSON.stringify(results, undefined, 2) : drillText(results, settings, look));
  return results.length === faults.length && results.every(({ outcome }) => outcome === "caught");
}

/** The faults that options name; those of --list are all unless they are named. @throws UsageError for an unknown name */
export function chooseFaults({
  fault: names = [],
  class: classes = [],
  all,
  list,
  undo: undoOnly,
}: DrillOptions): Fault[] {
  const unknown = names.filter((name) => FAULTS.every((fault) => fault.name !== name));
  if (unknown.length > 0) throw new UsageError(`Unknown fault ${unknown.join(", ")}; list the faults with --list`);
  const strange = classes.filter((name) => !FAULT_CLASSES.includes(name as FaultClass));
  if (strange.length > 0) {
    throw new UsageError(`Unknown fault class ${strange.join(", ")}; known classes are ${FAULT_CLASSES.join(", ")}`);
  }
  const isNamed = names.length + classes.length > 0;
  if (!isNamed && (all || list)) return [...FAULTS];
  if (!isNamed && !undoOnly)
    throw new UsageError("Choose faults with --fault, --class or --all, or list them with --list");
  return FAULTS.filter((fault) => names.includes(fault.name) || classes.includes(fault.class));
}

/** The nodes of a cluster that this stack created. @throws Error for any other cluster */
export async function ownNodes(
  stack: string,
  cluster: string,
  list: (cluster: string) => Promise<KindNode[]> = listNodes,
): Promise<string[]> {
  const nodes = await list(cluster);
  if (nodes.length === 0)
    throw new Error(`The cluster of stack ${stack} does not exist; create it with: npm start -- ${stack}`);
  const isOwn = ({ mountPoints }: KindNode) =>
    mountPoints.some((point) => {
      const [, owner] = point.split(OWNER_DIRECTORY);
      return owner?.split("/").at(-2) === stack;
    });
  const others = nodes.filter((node) => !isOwn(node)).map(({ name }) => name);
  if (others.length > 0) throw new Error(refusal(stack, `it did not create ${others.join(", ")}`));
  const stopped = nodes.filter(({ running }) => !running).map(({ name }) => name);
  if (stopped.length > 0)
    throw new Error(
      `Nodes of stack ${stack}'s cluster are stopped (${stopped.join(", ")}); start them with: npm start -- ${stack}`,
    );
  return nodes.map(({ name }) => name);
}

const refusal = (stack: string, why: string) =>
  `A drill breaks a cluster on purpose, so it only runs on a kind cluster that the stack created. Stack ${stack} is refused: ${why}`;

interface Run {
  readonly stack: string;
  readonly options: DrillOptions;
  readonly faults: readonly Fault[];
  readonly nodes: readonly string[];
  readonly state: DrillState;
  readonly signal: AbortSignal;
}

async function run({ stack, options, faults, nodes, state, signal }: Run): Promise<DrillResult[]> {
  // the API's client is loaded when a cluster is asked
  const { verify }: typeof import("../datapath/verify") = require("../datapath/verify");
  const { stackCluster }: typeof import("./stackCluster") = require("./stackCluster");
  const { cluster, expectation, settings } = await stackCluster(stack, options.set);
  const check: DrillGround["verify"] = (own) =>
    verify(cluster, expectation, { ...own, maxNodes: settings.verifyNodes });
  return withProgress("verifying the cluster before the drill", async ({ at, say }) => {
    const before = await check({ settleSeconds: 60 });
    if (before.verdict !== "pass") {
      const red = before.results.filter(({ verdict }) => verdict === "fail" || verdict === "inconclusive");
      throw new Error(
        `The cluster is not healthy before any fault (${red.map(({ id }) => id).join(", ")}); run cilium-modes verify ${stack} and repair it first`,
      );
    }
    const results: DrillResult[] = [];
    for (const fault of faults) {
      if (signal.aborted) break;
      // pods may be others after a fault
      const facts = await readLabFacts(cluster);
      const ground: DrillGround = {
        lab: labOf(facts, nodes, execInNode),
        verify: check,
        remember: (active) => state.write(active && { fault: active.name, facts }),
        at,
        signal,
      };
      try {
        const result = await drillFault(fault, ground);
        results.push(result);
        say(resultLine(result));
        // what follows would be judged on a broken cluster
        if (result.outcome === "not-repaired") break;
      } catch (error) {
        if (!signal.aborted || (await state.read()) !== undefined) throw error;
      }
    }
    return results;
  });
}

/** Undo what an earlier drill left in force. */
async function undoRest(state: DrillState, nodes: readonly string[]): Promise<void> {
  const rest = await state.read();
  if (rest === undefined) return;
  const fault = FAULTS.find(({ name }) => name === rest.fault);
  if (fault === undefined) throw new Error(`${state.file} names an unknown fault ${rest.fault}; recreate the cluster`);
  console.error(`An earlier drill left the fault ${fault.name} in force; undoing it`);
  await undo(fault, labOf(rest.facts as LabFacts, nodes, execInNode));
  await state.write(undefined);
}

const Remembered = z.object({ fault: z.string(), facts: z.record(z.string(), z.string()), process: z.number() });

/** The fault that is in force, in a file that outlives the drill. */
export class DrillState {
  readonly file: string;

  constructor(stack: string, directory = join(PROJECT_DIRECTORY, ".cilium-modes")) {
    this.file = join(directory, `drill-${stack}.json`);
  }

  /** @throws Error while another drill of the stack runs */
  async read(): Promise<z.infer<typeof Remembered> | undefined> {
    const text = await readFile(this.file, "utf8").catch(() => undefined);
    if (text === undefined) return undefined;
    const rest = Remembered.parse(JSON.parse(text));
    if (rest.process !== process.pid && isRunning(rest.process)) {
      throw new Error(`Another drill runs on this stack (process ${rest.process}); wait until it ends`);
    }
    return rest;
  }

  async write(active: { readonly fault: string; readonly facts: LabFacts } | undefined): Promise<void> {
    if (active === undefined) return rm(this.file, { force: true });
    await mkdir(join(this.file, ".."), { recursive: true });
    await writeFile(this.file, JSON.stringify({ ...active, process: process.pid }, undefined, 2));
  }
}

function isRunning(id: number): boolean {
  try {
    process.kill(id, 0);
    return true;
  } catch {
    return false;
  }
}
