import { apiErrorLine } from "../../cluster/apiError";
import type { Session } from "../../cluster/podExec";
import { within } from "../../cluster/within";
import type { MeasuredPath } from "./paths";
import { METRICS, PATHS, type MetricId, type PathId, type Series } from "../results";
import type { Measurement, Tool } from "./tools";

/** Parameters of the benchmarks. */
export interface Method {
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
}

/** One cluster's paths, and their measurements so far. */
export class Bench {
  private readonly values = new Map<string, { path: PathId; metric: MetricId; values: number[] }>();
  private readonly histograms = new Map<PathId, Map<number, number>>();
  private readonly failures = new Map<string, string>();

  constructor(
    readonly name: string,
    private readonly paths: readonly MeasuredPath[],
    /** The tools that each path's client has. */
    private readonly programs: ReadonlyMap<PathId, ReadonlySet<string>>,
    private readonly servers: readonly Session[],
  ) {}

  /** Measure one path with one tool once. If the tool fails, this round has no value, and the failure is reported. */
  async measure(id: PathId, tool: Tool, { seconds, warmUpSeconds }: Method): Promise<void> {
    const path = this.paths.find((each) => each.id === id);
    if (path === undefined) return;
    const what = `${PATHS[id]}, ${tool.metrics.map((metric) => METRICS[metric].title).join(" and ")}`;
    if (!this.programs.get(id)!.has(tool.program)) {
      this.failures.set(what, `the workload's image has no ${tool.program}; set nettool.baseImage to one that has it`);
      return;
    }
    try {
      const warmUp = Math.max(warmUpSeconds, tool.leastWarmUp ?? 0);
      const script = tool.client(path.address, path.portOf(tool), seconds, warmUp);
      const patience = PATIENCE_SECONDS + 2 * (seconds + warmUp);
      const { values, histogram } = tool.parse(
        await within(patience, path.run(script), `${tool.program} does not finish`),
      );
      for (const [metric, value] of values) this.add(id, metric, value);
      if (histogram !== undefined) this.addHistogram(id, histogram);
    } catch (error) {
      this.failures.set(what, apiErrorLine(error as Error));
    }
  }

  /** All measurements. */
  series(): Series[] {
    return [...this.values.values()].map(({ path, metric, values }) => {
      const histogram = metric === "latency-p50" ? this.histograms.get(path) : undefined;
      const sorted = histogram && [...histogram].sort(([a], [b]) => a - b);
      return { path, metric, values, ...(sorted && { histogram: sorted }) };
    });
  }

  /** Missing measurements, with reasons. */
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

/** Added to a tool's own duration. */
const PATIENCE_SECONDS = 20;

/** The clusters, by name, in which some metrics of a path are measured once more. */
export type Choice = (path: PathId, metrics: readonly MetricId[]) => ReadonlySet<string>;

/**
 * Make measurements. Clusters take turns in each measurement, so that other load of the machine affects all alike;
 * the first cluster changes from round to round.
 * @param choose called before each round; undefined: everything is measured
 * @throws if the signal is aborted, after the current measurement
 */
export async function runRounds(
  benches: readonly Bench[],
  measurements: readonly Measurement[],
  method: Method,
  choose: (round: number) => Choice | undefined,
  signal: AbortSignal,
): Promise<void> {
  for (let round = 0; round < method.rounds; round++) {
    const choice = choose(round + 1);
    const order = benches.map((_, index) => benches[(index + round) % benches.length]!);
    for (const { path, tool } of measurements) {
      const chosen = choice?.(path, tool.metrics);
      for (const bench of order) {
        signal.throwIfAborted();
        if (chosen?.has(bench.name) ?? true) await bench.measure(path, tool, method);
      }
    }
  }
}
