import type { Analysis } from "../../datapath/compare/analysis";
import { GROWTH_METRICS, type Comparison, type GrowthMetricId } from "../../datapath/compare/results";
import { listed, numberText } from "../../datapath/compare/words";
import type { Block, Section } from "./blocks";
import { capitalised } from "./format";
import { growthChart } from "./growthCharts";
import type { Look } from "./looks";
import { cellsOf } from "./measurementCells";

/** What becomes of each metric with more and more Services. */
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
      { kind: "heading", text: capitalised(title) },
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
  const said = `The same clusters with ${listed(method.services.map(numberText))} Services beside their own, with made-up endpoints but for those that are asked${names.length > 1 ? `; ratios are to ${reference} with as many Services` : ""}.`;
  return {
    id: "growth",
    title: "Growth with the number of Services",
    blocks: [
      {
        kind: "text",
        text: `${said} In charts, symbols are medians, and whiskers span the first to the third quartile.`,
        brief: said,
      },
      ...blocks,
    ],
  };
}
