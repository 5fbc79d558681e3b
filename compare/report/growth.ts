import type { Analysis, GrowthRow } from "../analyse/analysis";
import { listed, numberText } from "../analyse/words";
import { GROWTH_METRICS, type Comparison, type GrowthMetricId } from "../results";
import type { Block, Section } from "./blocks";
import { AXIS, drawn, namedAbove, namedBelow, scaleFor, whiskers, type Chart } from "./charts";
import { capitalized, cellsOf } from "./format";
import type { Look } from "./looks";

/** Every metric by the number of Services. */
export function growthSection(
  { subjects, method }: Comparison,
  { growth, reference }: Analysis,
  looks: ReadonlyMap<string, Look>,
): Section | undefined {
  if (growth.length === 0) return undefined;
  const names = subjects.map(({ name }) => name);
  const blocks = (Object.keys(GROWTH_METRICS) as GrowthMetricId[]).flatMap((metric): Block[] => {
    const rows = growth.filter((row) => row.metric === metric).sort((left, right) => left.services - right.services);
    if (rows.length === 0) return [];
    const { title, unit, better } = GROWTH_METRICS[metric];
    return [
      { kind: "heading", text: capitalized(title) },
      {
        kind: "pair",
        table: {
          caption: better === "neither" ? unit : `${unit}, ${better} is better`,
          heads: ["Services", ...names],
          rows: rows.map((row) => ({ head: numberText(row.services), cells: cellsOf(row, names) })),
        },
        chart: growthChart(metric, rows, looks),
      },
    ];
  });
  const summary = `The same clusters with ${listed(method.services.map(numberText))} more Services. Only the measured Services have real endpoints.${names.length > 1 ? ` Ratios refer to ${reference} with the same number of Services.` : ""}`;
  return {
    id: "growth",
    title: "Growth with the number of Services",
    blocks: [
      {
        kind: "text",
        text: `${summary} In charts, symbols show medians, and whiskers the quartiles.`,
        brief: summary,
      },
      ...blocks,
    ],
  };
}

/** A metric by the number of Services, one line per subject; undefined for fewer than two numbers. */
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
    description: `${title} in ${unit} by the number of Services, one line per subject, with quartiles; the table has the numbers`,
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
