import { apiErrorLine } from "../../cluster/apiError";
import type { Session } from "../../cluster/podExec";
import { within } from "../../cluster/within";
import type { Lane } from "./lanes";
import { METRICS, PATHS, type MetricId, type PathId, type Series } from "./results";
import { TOOLS, type Tool } from "./tools";

/** How benchmarks are run. */
export interface Method {
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
}

/** One cluster's ways, and what was measured on them so far. */
export class Bench {
  private readonly values = new Map<string, { path: PathId; metric: MetricId; values: number[] }>();
  private readonly histograms = new Map<PathId, Map<number, number>>();
  private readonly failures = new Map<string, string>();

  constructor(
    readonly name: string,
    private readonly lanes: readonly Lane[],
    /** By path, which of the tools its client has. */
    private readonly programs: ReadonlyMap<PathId, ReadonlySet<string>>,
    private readonly servers: readonly Session[],
  ) {}

  /** Measure one way with one tool once. A tool that fails is told of, and leaves this round without a value. */
  async measure(path: PathId, tool: Tool, { seconds, warmUpSeconds }: Method): Promise<void> {
    const lane = this.lanes.find((each) => each.path === path);
    if (lane === undefined) return;
    const what = `${PATHS[path]}, ${tool.metrics.map((metric) => METRICS[metric].title).join(" and ")}`;
    if (!this.programs.get(path)!.has(tool.program)) {
      this.failures.set(what, `the workload's image has no ${tool.program}; give nettool.baseImage one that has it`);
      return;
    }
    try {
      const script = tool.client(lane.address, lane.portOf(tool.port), seconds, warmUpSeconds);
      const patience = PATIENCE_SECONDS + 2 * (seconds + warmUpSeconds);
      const { values, histogram } = tool.parse(
        await within(patience, lane.run(script), `${tool.program} does not end`),
      );
      for (const [metric, value] of values) this.add(path, metric, value);
      if (histogram !== undefined) this.addHistogram(path, histogram);
    } catch (error) {
      this.failures.set(what, apiErrorLine(error as Error));
    }
  }

  /** All that was measured. */
  series(): Series[] {
    return [...this.values.values()].map(({ path, metric, values }) => {
      const histogram = metric === "latency-p50" ? this.histograms.get(path) : undefined;
      const sorted = histogram && [...histogram].sort(([a], [b]) => a - b);
      return { path, metric, values, ...(sorted && { histogram: sorted }) };
    });
  }

  /** What was not measured in every round, and why. */
  omitted(): string[] {
    return [...this.failures].map(([what, why]) => `${what}: ${why}`);
  }

  close(): void {
    for (const server of this.servers) server.end();
  }

  private add(path: PathId, metric: MetricId, value: number): void {
    const key = `${path} ${metric}`;
    const series = this.values.get(key) ?? { path, metric, values: [] };
    series.values.push(value);
    this.values.set(key, series);
  }

  private addHistogram(path: PathId, more: ReadonlyMap<number, number>): void {
    const all = this.histograms.get(path) ?? new Map<number, number>();
    for (const [bound, count] of more) all.set(bound, (all.get(bound) ?? 0) + count);
    this.histograms.set(path, all);
  }
}

/** Beyond what a tool itself takes. */
const PATIENCE_SECONDS = 20;

/**
 * Measure all ways with all tools, each in one cluster after the other before the next is begun, so that what the
 * machine does otherwise meets all alike; who begins changes from round to round.
 * @param tell is told of each round before it begins
 * @throws when the signal is aborted, after the measurement under way
 */
export async function runRounds(
  benches: readonly Bench[],
  method: Method,
  tell: (round: number) => void,
  signal: AbortSignal,
): Promise<void> {
  for (let round = 0; round < method.rounds; round++) {
    tell(round + 1);
    const order = benches.map((_, index) => benches[(index + round) % benches.length]!);
    for (const path of Object.keys(PATHS) as PathId[]) {
      for (const tool of TOOLS) {
        for (const bench of order) {
          signal.throwIfAborted();
          await bench.measure(path, tool, method);
        }
      }
    }
  }
}
