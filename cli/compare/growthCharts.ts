import type { GrowthRow } from "../../datapath/compare/analysis";
import { GROWTH_METRICS, type GrowthMetricId } from "../../datapath/compare/results";
import { numberText } from "../../datapath/compare/words";
import { AXIS, drawn, namedAbove, namedBelow, scaleFor, whiskers, type Chart } from "./charts";
import type { Look } from "./looks";

/** How a metric grows with the number of Services, a line each subject; undefined below two numbers of Services. */
export function growthChart(
  metric: GrowthMetricId,
  measured: readonly GrowthRow[],
  looks: ReadonlyMap<string, Look>,
): Chart | undefined {
  const { title, unit } = GROWTH_METRICS[metric];
  // its axis is logarithmic
  const rows = measured.filter((row) => row.services > 0);
  const services = rows.map((row) => row.services);
  const names = [...looks.keys()].filter((name) => rows.some(({ summaries }) => summaries.has(name)));
  if (new Set(services).size < 2 || names.length === 0) return undefined;
  const points = names.map((name) =>
    rows.flatMap((row) => {
      const summary = row.summaries.get(name);
      return summary === undefined ? [] : [{ services: row.services, ...summary }];
    }),
  );
  const ticks = { customValues: services };
  return {
    title: "by the number of Services",
    description: `${title} in ${unit} by the number of Services, a line each subject, with the first and third quartile; the numbers stand in the table`,
    subjects: names,
    height: 290,
    option: {
      title: namedAbove(unit),
      grid: { left: 62, right: 28, top: 28, bottom: 52, outerBoundsMode: "none" },
      xAxis: {
        type: "log",
        min: Math.min(...services),
        max: Math.max(...services),
        ...AXIS,
        ...namedBelow("Services"),
        axisLabel: { ...AXIS.axisLabel, ...ticks, formatter: numberText },
        axisTick: { ...AXIS.axisTick, ...ticks },
        splitLine: { show: false },
      },
      yAxis: scaleFor(points.flatMap((each) => each.flatMap(({ low, high }) => [low, high]))),
      series: names.flatMap((name, index) => [
        whiskers(
          name,
          looks.get(name)!,
          "y",
          points[index]!.map((each) => [each.services, each.low, each.high]),
        ),
        {
          type: "line" as const,
          ...drawn(name, looks.get(name)!),
          data: points[index]!.map(({ services: at, median }) => [at, median]),
        },
      ]),
    },
  };
}
