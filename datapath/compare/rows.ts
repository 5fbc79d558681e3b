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
} from "./results";
import { ratiosOf, summaryOf, type Contrast, type Ratio, type Summary } from "./statistics";
import { numberText } from "./words";

/** One measurement in all subjects; one that was not measured in a subject is missing there. */
export interface Row {
  readonly title: string;
  readonly unit: string;
  /** `neither` is only shown. */
  readonly better: "higher" | "lower" | "neither";
  readonly summaries: ReadonlyMap<string, Summary>;
  /** Of all subjects but the reference. */
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

/** What is measured, without where or with how many Services. */
export type Measure = Pick<Row, "unit" | "better"> & { readonly isCount: boolean };

const COUNTED_UNITS: ReadonlySet<string> = new Set(["rules", "entries"]);

/** A measurement's unit, and which way it is better. */
export function measureOf(metric: MetricId | GrowthMetricId): Measure {
  const { unit, better } = metric in METRICS ? METRICS[metric as MetricId] : GROWTH_METRICS[metric as GrowthMetricId];
  return { unit, better, isCount: COUNTED_UNITS.has(unit) };
}

/** What a benchmark's row is called. */
export function benchmarkTitle({ metric, path }: Pick<Series, "metric" | "path">): string {
  return `${METRICS[metric].title}: ${PATHS[path]}`;
}

/** What a growth row is called. */
export function growthTitle({ metric, services }: Pick<GrowthSeries, "metric" | "services">): string {
  return `${GROWTH_METRICS[metric].title}, with ${servicesText(services)}`;
}

/** `1 Service`, `5,000 Services`. */
export function servicesText(services: number): string {
  return `${numberText(services)} ${services === 1 ? "Service" : "Services"}`;
}

/** All benchmarks that were measured anywhere, against the reference: metric by metric, in the order of the paths. */
export function benchmarkRows({ subjects }: Comparison, reference: string): readonly BenchmarkRow[] {
  const metrics = Object.keys(METRICS) as MetricId[];
  const plans = metrics.flatMap((metric) =>
    (Object.keys(PATHS) as PathId[]).map((path) => ({
      place: { metric, path, title: benchmarkTitle({ metric, path }) },
      ...measureOf(metric),
      family: metric,
      values: valuesBy(subjects, ({ series }) => series.find((each) => each.metric === metric && each.path === path)),
    })),
  );
  return rowsOf(plans, reference);
}

/** All growth series that were measured anywhere, against the reference: metric by metric, by the number of Services. */
export function growthRows({ subjects }: Comparison, reference: string): readonly GrowthRow[] {
  const all = new Set(subjects.flatMap(({ growth }) => growth.map(({ services }) => services)));
  const numbers = [...all].sort((left, right) => left - right);
  const plans = (Object.keys(GROWTH_METRICS) as GrowthMetricId[]).flatMap((metric) =>
    numbers.map((services) => ({
      place: { metric, services, title: growthTitle({ metric, services }) },
      ...measureOf(metric),
      family: metric,
      values: valuesBy(subjects, ({ growth }) =>
        growth.find((each) => each.metric === metric && each.services === services),
      ),
    })),
  );
  return rowsOf(plans, reference);
}

/** A row to be, with its values by subject. */
interface Plan<Place> extends Measure {
  readonly place: Place;
  /** What is tested together in each subject: a metric, on every path or with every number of Services. */
  readonly family: string;
  readonly values: ReadonlyMap<string, readonly number[]>;
}

function rowsOf<Place extends { readonly title: string }>(
  plans: readonly Plan<Place>[],
  reference: string,
): readonly (Place & Row)[] {
  const measured = plans.filter(({ values }) => values.size > 0);
  const pairs = measured.flatMap((plan) =>
    [...plan.values].flatMap(([subject, values]) => {
      const base = plan.values.get(reference);
      if (base === undefined || subject === reference) return [];
      const contrast: Contrast = { ...plan, values, reference: base, family: `${plan.family} ${subject}` };
      return [{ plan, subject, contrast }];
    }),
  );
  const ratios = ratiosOf(pairs.map(({ contrast }) => contrast));
  const results = pairs.map((pair, at) => ({ ...pair, ratio: ratios[at]! }));
  return measured.map((plan) => ({
    ...plan.place,
    unit: plan.unit,
    better: plan.better,
    summaries: new Map([...plan.values].map(([subject, values]) => [subject, summaryOf(values, plan.isCount)])),
    ratios: new Map(results.filter((each) => each.plan === plan).map(({ subject, ratio }) => [subject, ratio])),
  }));
}

function valuesBy(
  subjects: readonly Subject[],
  find: (subject: Subject) => { readonly values: readonly number[] } | undefined,
): ReadonlyMap<string, readonly number[]> {
  return new Map(
    subjects.flatMap((subject) => {
      const values = find(subject)?.values ?? [];
      return values.length === 0 ? [] : [[subject.name, values] as const];
    }),
  );
}
