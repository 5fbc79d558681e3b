import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { titleOf, trace as traceOnce, type Traced, type TraceRequest } from "../datapath/trace/trace";
import type { Walk } from "../datapath/trace/walk";
import { SCENARIOS, type Scenario } from "../modes/tracePaths";
import { WORKLOAD } from "../modes/workload";
import { withProgress } from "./progress";
import { stackCluster } from "./stackCluster";
import { checkTarget } from "./targetFile";
import { lookOf } from "./terminal";
import { traceable } from "./traceable";
import { walkHtml } from "./walk/walkHtml";
import { walkMermaid } from "./walk/walkMermaid";
import { walksSvg } from "./walk/walkSvg";
import { walksText, walkText } from "./walk/walkText";

export interface TraceOptions {
  /** An experiment of the articles, or `all`. */
  readonly scenario?: string;
  readonly from?: string;
  readonly to?: string;
  readonly set?: readonly string[];
  readonly json?: boolean;
  readonly html?: string;
  readonly svg?: string;
  readonly mermaid?: boolean;
  readonly pcap?: string;
  /** Further stacks, whose walks are shown beside the first one's. */
  readonly compare?: string;
}

/** Follow packets through stacks' clusters. @returns whether all took the way that their mode promises */
export async function trace(stack: string, options: TraceOptions): Promise<boolean> {
  const ways = waysOf(options);
  for (const file of [options.html, options.svg]) if (file !== undefined) await checkTarget(file);
  const stacks = [...new Set([stack, ...(options.compare?.split(",").map((name) => name.trim()) ?? [])])];
  const clusters = await Promise.all(
    stacks.map(async (each) => traceable(each, await stackCluster(each, options.set))),
  );
  const traced: Traced[] = [];
  let untraced = 0;
  for (const way of ways) {
    const beside: Walk[] = [];
    for (const cluster of clusters) {
      if (ways.length > 1 || clusters.length > 1) console.error(`${cluster.name}: ${titleOf(way)}`);
      try {
        const one = await withProgress(`${cluster.name}: ${titleOf(way)} is followed`, () =>
          traceOnce({ ...cluster, way }),
        );
        traced.push(one);
        beside.push(one.walk);
      } catch (error) {
        // of many, one that cannot be traced is no reason to lose the others
        if (ways.length === 1) throw error;
        console.error((error as Error).message);
        untraced += 1;
      }
    }
    if (!options.json && beside.length > 0) console.log(`${textOf(beside, options)}\n`);
  }
  const walks = traced.map(({ walk }) => walk);
  if (options.json) console.log(JSON.stringify(walks, undefined, 2));
  if (options.html !== undefined) await writeFile(options.html, await walkHtml(walks));
  if (options.svg !== undefined) await writeFile(options.svg, await walksSvg(walks));
  if (options.pcap !== undefined) await writeCaptures(options.pcap, traced);
  return untraced === 0 && walks.every(({ verdict }) => verdict === "pass" || verdict === "skipped");
}

function textOf(walks: readonly Walk[], { mermaid }: TraceOptions): string {
  if (mermaid) return walks.map(walkMermaid).join("\n\n");
  const look = lookOf(process.stdout);
  return walks.length === 1 ? walkText(walks[0]!, look) : walksText(walks, look);
}

function waysOf({ scenario, from, to }: TraceOptions): TraceRequest["way"][] {
  if (scenario !== undefined && (from !== undefined || to !== undefined)) {
    throw new Error("--scenario says from whom to where; leave out --from and --to, or --scenario");
  }
  if (to !== undefined) return [{ from: from ?? WORKLOAD.clientPod, to }];
  if (from !== undefined) return [{ from, to: WORKLOAD.service }];
  if (scenario === undefined) return ["cross-node"];
  const known = Object.keys(SCENARIOS) as Scenario[];
  if (scenario === "all") return known;
  const found = known.find((each) => each === scenario);
  if (found === undefined) throw new Error(`--scenario must be all or one of ${known.join(", ")}; got "${scenario}"`);
  return [found];
}

async function writeCaptures(directory: string, traced: readonly Traced[]): Promise<void> {
  await mkdir(directory, { recursive: true });
  await Promise.all(
    traced.flatMap(({ walk, captures }) =>
      captures.map(({ vantage, pcap }) =>
        writeFile(join(directory, `${fileName(walk)}-${vantage.pod ?? vantage.node}.pcap`), pcap, { mode: 0o600 }),
      ),
    ),
  );
}

const fileName = ({ cluster, scenario }: Walk) => `${cluster}-${scenario}`;
