import { METRICS, type Comparison, type MetricId } from "../results";
import { measureOf } from "./rows";
import { ratiosBetweenRuns } from "./sequential";
import { ratiosOf, summaryOf, type Contrast, type Ratio, type Summary } from "./statistics";

/** One metric between pods on two nodes, relative to the same metric between these nodes. */
export interface OverheadRow {
  readonly metric: MetricId;
  readonly unit: string;
  readonly better: "higher" | "lower" | "neither";
  /** Between the pods, by subject. */
  readonly pods: ReadonlyMap<string, Summary>;
  /** Between the nodes, by subject. */
  readonly nodes: ReadonlyMap<string, Summary>;
  /** Between the pods, as a multiple of that between the nodes, by subject. */
  readonly ratios: ReadonlyMap<string, Ratio>;
}

/** What pods cost over their nodes, by metric; empty unless both paths were measured. */
export function overheadRows({ subjects, method }: Comparison): readonly OverheadRow[] {
  const pairs = (Object.keys(METRICS) as MetricId[]).flatMap((metric) =>
    subjects.flatMap(({ name, series }) => {
      const valuesOn = (path: string) =>
        series.find((each) => each.metric === metric && each.path === path)?.values ?? [];
      const [values, reference] = [valuesOn("cross-node"), valuesOn("host")];
      if (values.length === 0 || reference.length === 0) return [];
      const contrast: Contrast = { ...measureOf(metric), values, reference, family: `overhead ${name}` };
      return [{ metric, name, contrast }];
    }),
  );
  const contrasts = pairs.map(({ contrast }) => contrast);
  // a sequential comparison may have measured one path in more rounds than the other
  const ratios = method.stopping === undefined ? ratiosOf(contrasts) : ratiosBetweenRuns(contrasts);
  const results = pairs.map((pair, at) => ({ ...pair, ratio: ratios[at]! }));
  return [...new Set(pairs.map(({ metric }) => metric))].map((metric) => {
    const own = results.filter((each) => each.metric === metric);
    const { unit, better } = METRICS[metric];
    return {
      ...{ metric, unit, better },
      pods: new Map(own.map(({ name, contrast }) => [name, summaryOf(contrast.values, false)])),
      nodes: new Map(own.map(({ name, contrast }) => [name, summaryOf(contrast.reference, false)])),
      ratios: new Map(own.map(({ name, ratio }) => [name, ratio])),
    };
  });
}
