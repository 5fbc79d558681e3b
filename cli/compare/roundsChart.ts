import type { BenchmarkRow } from "../../datapath/compare/analysis";
import { METRICS, type Comparison, type MetricId } from "../../datapath/compare/results";
import { drawn, namedBelow, scaleFor, whiskers, type Chart } from "./charts";
import { LANE_GRID, lanes } from "./lanes";
import type { Look } from "./looks";

/** Every round of every subject on each path, the middle half of them as a line. */
export function roundsChart(
  metric: MetricId,
  rows: readonly BenchmarkRow[],
  { subjects }: Comparison,
  looks: ReadonlyMap<string, Look>,
): Chart | undefined {
  const { title, unit } = METRICS[metric];
  const names = [...looks.keys()];
  const paths = rows.map(({ path }) => path);
  const { heightOf, axis, height } = lanes(paths, names.length);
  const rounds = names.map((name) =>
    (subjects.find((subject) => subject.name === name)?.series ?? []).filter(
      (each) => each.metric === metric && paths.includes(each.path),
    ),
  );
  const all = rounds.flatMap((each) => each.flatMap(({ values }) => values));
  if (all.length === 0) return undefined;
  return {
    title: "every round",
    description: `${title} in ${unit}: every round of every subject on each path; the line spans the middle half of them`,
    subjects: names,
    height,
    option: {
      grid: LANE_GRID,
      xAxis: { ...scaleFor(all), ...namedBelow(unit) },
      yAxis: axis,
      series: names.flatMap((name, index) => [
        whiskers(
          name,
          looks.get(name)!,
          "x",
          rows.flatMap(({ path, summaries }) => {
            const summary = summaries.get(name);
            return summary === undefined ? [] : [[heightOf(path, index), summary.low, summary.high] as const];
          }),
        ),
        {
          type: "scatter" as const,
          ...drawn(name, looks.get(name)!),
          symbolSize: 7,
          itemStyle: { color: looks.get(name)!.colour, opacity: 0.6 },
          data: rounds[index]!.flatMap(({ path, values }) => values.map((value) => [value, heightOf(path, index)])),
        },
      ]),
    },
  };
}
