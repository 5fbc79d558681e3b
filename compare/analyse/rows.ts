import {
  GROWTH_METRICS,
  METRICS,
  PATHS,
  type Comparison,
  type GrowthMetricId,
  type GrowthSeries,
  type MetricId,
  type PathId,
  type Series,
  type Subject,
} from "../results";
import { sequentialRatios, stopsOf, type Stopping } from "./sequential";
import { ratiosOf, summaryOf, type Contrast, type Ratio, type Summary } from "./statistics";
import { numberText } from "./words";

/** One measurement in all subjects that have it. */
export interface Row {
  readonly title: string;
  readonly unit: string;
  /** `neither`: shown without a judgement. */
  readonly better: "higher" | "lower" | "neither";
  readonly summaries: ReadonlyMap<string, Summary>;
  /** By subject, without the reference. */
  readonly ratios: ReadonlyMap<string, Ratio>;
}

export interface BenchmarkRow extends Row {
  readonly path: PathId;
  readonly metric: MetricId;
}
export interface GrowthRow extends Row {
  readonly services: number;
  readonly metric: GrowthMetricId;
}

/** Unit and direction of a metric. */
export type Measure = Pick<Row, "unit" | "better"> & { readonly isCount: boolean };

const COUNTED_UNITS: ReadonlySet<string> = new Set(["rules", "entries"]);

/** The unit and direction of a metric. */
export function measureOf(metric: MetricId | GrowthMetricId): Measure {
  const { unit, better } = metric in METRICS ? METRICS[metric as MetricId] : GROWTH_METRICS[metric as GrowthMetricId];
  return { unit, better, isCount: COUNTED_UNITS.has(unit) };
}

/** Title of a benchmark row. */
export function benchmarkTitle({ metric, path }: Pick<Series, "metric" | "path">): string {
  return `${METRICS[metric].title}: ${PATHS[path]}`;
}

/** Title of a growth row. */
export function growthTitle({ metric, services }: Pick<GrowthSeries, "metric" | "services">): string {
  return `${GROWTH_METRICS[metric].title}, with ${servicesText(services)}`;
}

/** `1 Service`, `5,000 Services`. */
export function servicesText(services: number): string {
  return `${numberText(services)} ${services === 1 ? "Service" : "Services"}`;
}

/** All benchmarks relative to the reference, by metric and path. */
export function benchmarkRows({ subjects, method }: Comparison, reference: string): readonly BenchmarkRow[] {
  return rowsOf(benchmarkPlans(subjects), reference, method.stopping);
}

/** What a comparison has measured so far. */
export type Measured = Pick<Subject, "name" | "series" | "growth">;

function benchmarkPlans(
  subjects: readonly Measured[],
): readonly Plan<Pick<BenchmarkRow, "metric" | "path" | "title">>[] {
  const metrics = Object.keys(METRICS) as MetricId[];
  return metrics.flatMap((metric) =>
    (Object.keys(PATHS) as PathId[]).map((path) => ({
      place: { metric, path, title: benchmarkTitle({ metric, path }) },
      ...measureOf(metric),
      family: metric,
      values: valuesBy(subjects, ({ series }) => series.find((each) => each.metric === metric && each.path === path)),
    })),
  );
}

/** All growth series relative to the reference, by metric and number of Services. */
export function growthRows({ subjects, method }: Comparison, reference: string): readonly GrowthRow[] {
  return rowsOf(growthPlans(subjects), reference, method.stopping);
}

function growthPlans(subjects: readonly Measured[]): readonly Plan<Pick<GrowthRow, "metric" | "services" | "title">>[] {
  const all = new Set(subjects.flatMap(({ growth }) => growth.map(({ services }) => services)));
  const numbers = [...all].sort((left, right) => left - right);
  return (Object.keys(GROWTH_METRICS) as GrowthMetricId[]).flatMap((metric) =>
    numbers.map((services) => ({
      place: { metric, services, title: growthTitle({ metric, services }) },
      ...measureOf(metric),
      family: metric,
      values: valuesBy(subjects, ({ growth }) =>
        growth.find((each) => each.metric === metric && each.services === services),
      ),
    })),
  );
}

/** The subjects that need another round of any of these metrics on a path, or with a number of Services; with the reference. */
export type Undecided = (place: PathId | number, metrics: readonly string[]) => ReadonlySet<string>;

/** Finds the ratios of a sequential comparison that need another round. A ratio that has ended stays ended. */
export class Sequence {
  private readonly ended = new Set<string>();

  /** @param sizes how many numbers of Services are to be measured */
  constructor(
    private readonly reference: string,
    private readonly stopping: Stopping,
    private readonly sizes: number,
  ) {}

  /** Look at what has been measured so far. */
  look(subjects: readonly Measured[]): Undecided {
    const open = [...this.openIn(benchmarkPlans(subjects), 0), ...this.openIn(growthPlans(subjects), this.sizes)];
    return (place, metrics) => {
      const own = open.filter((each) => each.place === place && metrics.includes(each.metric));
      return new Set(own.length === 0 ? [] : [this.reference, ...own.map(({ subject }) => subject)]);
    };
  }

  private openIn(
    plans: readonly Plan<{ readonly metric: string; readonly path?: PathId; readonly services?: number }>[],
    planned: number,
  ) {
    const pairs = pairsOf(plans, this.reference);
    const stops = stopsOf(
      pairs.map(({ contrast }) => contrast),
      this.stopping,
      planned,
    );
    return pairs.flatMap(({ plan: { place }, subject }, at) => {
      const key = `${place.metric} ${place.path ?? place.services} ${subject}`;
      if (stops[at] !== undefined) this.ended.add(key);
      return this.ended.has(key) ? [] : [{ place: place.path ?? place.services, metric: place.metric, subject }];
    });
  }
}

/** A row before the analysis, with its values by subject. */
interface Plan<Place> extends Measure {
  readonly place: Place;
  /** Rows of one family are tested together: a metric on all paths, or with all numbers of Services. */
  readonly family: string;
  readonly values: ReadonlyMap<string, readonly number[]>;
}

function rowsOf<Place extends { readonly title: string }>(
  plans: readonly Plan<Place>[],
  reference: string,
  stopping: Stopping | undefined,
): readonly (Place & Row)[] {
  const measured = plans.filter(({ values }) => values.size > 0);
  const pairs = pairsOf(measured, reference);
  const contrasts = pairs.map(({ contrast }) => contrast);
  const ratios = stopping === undefined ? ratiosOf(contrasts) : sequentialRatios(contrasts, stopping);
  const results = pairs.map((pair, at) => ({ ...pair, ratio: ratios[at]! }));
  return measured.map((plan) => ({
    ...plan.place,
    unit: plan.unit,
    better: plan.better,
    summaries: new Map([...plan.values].map(([subject, values]) => [subject, summaryOf(values, plan.isCount)])),
    ratios: new Map(results.filter((each) => each.plan === plan).map(({ subject, ratio }) => [subject, ratio])),
  }));
}

/** Every subject but the reference with it, for each row that both have. */
function pairsOf<Place>(plans: readonly Plan<Place>[], reference: string) {
  return plans.flatMap((plan) =>
    [...plan.values].flatMap(([subject, values]) => {
      const base = plan.values.get(reference);
      if (base === undefined || subject === reference) return [];
      const contrast: Contrast = { ...plan, values, reference: base, family: `${plan.family} ${subject}` };
      return [{ plan, subject, contrast }];
    }),
  );
}

function valuesBy(
  subjects: readonly Measured[],
  find: (subject: Measured) => { readonly values: readonly number[] } | undefined,
): ReadonlyMap<string, readonly number[]> {
  return new Map(
    subjects.flatMap((subject) => {
      const values = find(subject)?.values ?? [];
      return values.length === 0 ? [] : [[subject.name, values] as const];
    }),
  );
}
