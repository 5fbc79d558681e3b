import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Trace } from "../datapath/trace/result";
import { titleOf, tracePacket, type Traced, type TraceRequest } from "../datapath/trace/trace";
import { addressIn } from "../datapath/trace/route";
import type { AddressFamily } from "../modes/ipFamily";
import { SCENARIOS, type Scenario } from "../modes/tracePaths";
import { WORKLOAD } from "../modes/workload";
import { withProgress } from "./progress";
import { isExternal } from "../settings/release";
import { stackCluster } from "./stackCluster";
import { readStackFile } from "./stackFile";
import { checkTarget } from "./targetFile";
import { lookOf } from "./environment";
import { tracesHtml } from "./trace/html";
import { traceMermaid } from "./trace/mermaid";
import { tracesSvg } from "./trace/svg";
import { tracesText, traceText } from "./trace/text";
import { traceable, withoutIpv6 } from "./traceable";
import { UsageError } from "./usage";

export interface TraceOptions {
  /** A scenario of the articles, or `all`. */
  readonly scenario?: string;
  readonly from?: string;
  readonly to?: string;
  /** Trace by IPv6 addresses; implied by an IPv6 address as `to`. */
  readonly ipv6?: boolean;
  readonly set?: readonly string[];
  readonly json?: boolean;
  readonly html?: string;
  readonly svg?: string;
  readonly mermaid?: boolean;
  readonly pcap?: string;
  /** Further stacks, separated by commas, to show beside the first. */
  readonly compare?: string;
}

/** Trace packets through the clusters of stacks. @returns whether all took the path that their mode implies */
export async function trace(stack: string, options: TraceOptions): Promise<boolean> {
  const scenarios = scenariosOf(options);
  const family = familyOf(options);
  for (const file of [options.html, options.svg]) if (file !== undefined) await checkTarget(file);
  const stacks = [...new Set([stack, ...(options.compare?.split(",").map((name) => name.trim()) ?? [])])];
  if (family === "ipv6") requireIpv6(stacks, options.set);
  const clusters = await Promise.all(
    stacks.map(async (each) => traceable(each, await stackCluster(each, options.set), family)),
  );
  const traced: Traced[] = [];
  let failures = 0;
  for (const scenario of scenarios) {
    const sideBySide: Trace[] = [];
    for (const cluster of clusters) {
      const title = `${cluster.name}: ${titleOf(scenario, family)}`;
      if (scenarios.length > 1 || clusters.length > 1) console.error(title);
      try {
        const one = await withProgress(`${cluster.name}: tracing ${titleOf(scenario, family)}`, () =>
          tracePacket({ ...cluster, scenario }),
        );
        traced.push(one);
        sideBySide.push(one.trace);
      } catch (error) {
        // a failure does not discard the other scenarios' traces
        if (scenarios.length === 1) throw error;
        console.error((error as Error).message);
        failures += 1;
      }
    }
    if (!options.json && sideBySide.length > 0) console.log(`${textOf(sideBySide, options)}\n`);
  }
  const traces = traced.map((each) => each.trace);
  if (options.json) console.log(JSON.stringify(traces, undefined, 2));
  if (options.html !== undefined) await writeFile(options.html, await tracesHtml(traces));
  if (options.svg !== undefined) await writeFile(options.svg, await tracesSvg(traces));
  if (options.pcap !== undefined) await writeCaptures(options.pcap, traced);
  return failures === 0 && traces.every(({ verdict }) => verdict === "pass" || verdict === "skipped");
}

function textOf(traces: readonly Trace[], { mermaid }: TraceOptions): string {
  if (mermaid) return traces.map(traceMermaid).join("\n\n");
  const look = lookOf(process.stdout);
  return traces.length === 1 ? traceText(traces[0]!, look) : tracesText(traces, look);
}

function scenariosOf({ scenario, from, to }: TraceOptions): TraceRequest["scenario"][] {
  if (scenario !== undefined && (from !== undefined || to !== undefined)) {
    throw new UsageError("--scenario sets sender and target; leave out --from and --to, or --scenario");
  }
  if (to !== undefined) return [{ from: from ?? WORKLOAD.clientPod, to }];
  if (from !== undefined) return [{ from, to: WORKLOAD.service }];
  if (scenario === undefined) return ["cross-node"];
  const known = Object.keys(SCENARIOS) as Scenario[];
  if (scenario === "all") return known;
  const found = known.find((each) => each === scenario);
  if (found === undefined)
    throw new UsageError(`--scenario must be all or one of ${known.join(", ")} (got "${scenario}")`);
  return [found];
}

/** By the option, or by an address as the target. @throws UsageError if they contradict each other */
function familyOf({ ipv6, to }: TraceOptions): AddressFamily {
  const target = to === undefined ? undefined : addressIn(to);
  if (ipv6 && target?.family === "ipv4")
    throw new UsageError(`--to must be an IPv6 address with --ipv6 (got "${to}"); leave out --ipv6`);
  return ipv6 || target?.family === "ipv6" ? "ipv6" : "ipv4";
}

/** @throws UsageError for stacks whose new clusters have IPv4 only */
function requireIpv6(stacks: readonly string[], set: readonly string[] | undefined): void {
  const problems = stacks.flatMap((stack) => {
    const { settings } = readStackFile(stack, set);
    const isIpv4 = settings.cluster.ipFamily === "ipv4" && !isExternal(settings.cluster);
    return isIpv4 ? [withoutIpv6(stack, settings)] : [];
  });
  if (problems.length > 0) throw new UsageError(problems.join("\n"));
}

async function writeCaptures(directory: string, traced: readonly Traced[]): Promise<void> {
  await mkdir(directory, { recursive: true });
  await Promise.all(
    traced.flatMap(({ trace: { cluster, scenario, family }, captures }) =>
      captures.map(({ vantage, pcap }) => {
        const parts = [cluster, scenario, ...(family === undefined ? [] : [family]), vantage.pod ?? vantage.node];
        return writeFile(join(directory, `${parts.join("-")}.pcap`), pcap, { mode: 0o600 });
      }),
    ),
  );
}
