import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { max, median, min } from "simple-statistics";
import { chartSvg } from "../../compare/report/html";
import { AXIS, drawn, namedAbove, namedBelow, type Chart } from "../../compare/report/charts";
import { LOOK_COLORS, looksOf } from "../../compare/report/looks";
import { escaped, themeColors } from "../../render/html";

/** One measurement of `bench/scale.ts`. */
export interface ScaleSample {
  /** Of each stack's cluster. */
  readonly nodes: number;
  /** That ran at the same time. */
  readonly stacks: number;
  readonly round: number;
  /** Cilium's version. */
  readonly cilium: string;
  /** `pulumi up` from nothing, its verification included, until all stacks were up. */
  readonly upSeconds: number;
  /** Sum of the peaks of the resident memory of each stack's processes. */
  readonly upPeakMiB?: number;
  readonly previewSeconds: number;
  readonly verifySeconds: number;
  readonly destroySeconds: number;
}

/** A run of `bench/scale.ts`, as `docs/scale/clusters.json` has it. */
export interface ScaleResults {
  readonly startedAt: string;
  readonly machine: string;
  /** Running nodes of other clusters. */
  readonly otherNodes: number;
  readonly samples: readonly ScaleSample[];
}

const TIMES = {
  up: ({ upSeconds }: ScaleSample) => upSeconds,
  preview: ({ previewSeconds }: ScaleSample) => previewSeconds,
  verify: ({ verifySeconds }: ScaleSample) => verifySeconds,
  destroy: ({ destroySeconds }: ScaleSample) => destroySeconds,
} as const;

/** The published run; undefined before the first one. */
export function readScale(): ScaleResults | undefined {
  const file = join(__dirname, "../../docs/scale/clusters.json");
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as ScaleResults) : undefined;
}

/** Head and rows of the table: a size of cluster or a number of stacks in each row. */
export function scaleTable({ samples }: ScaleResults): { head: string[]; rows: string[][] } {
  const sizes = [...new Set(samples.map(({ nodes, stacks }) => `${stacks} ${nodes}`))];
  return {
    head: [
      "stacks",
      "nodes of each",
      "`up` from nothing",
      "preview without changes",
      "`verify`",
      "`destroy`",
      "peak memory of `up`",
    ],
    rows: sizes.map((size) => {
      const own = samples.filter(({ nodes, stacks }) => `${stacks} ${nodes}` === size);
      const memory = own.flatMap(({ upPeakMiB }) => upPeakMiB ?? []);
      return [
        ...size.split(" "),
        ...Object.values(TIMES).map((time) => figure(own.map(time), 1, "s")),
        memory.length === 0 ? "" : figure(memory, 0, "MiB"),
      ];
    }),
  };
}

/** When and on which machine the published run was made. */
export function scaleSubject({ startedAt, machine, otherNodes, samples }: ScaleResults): string {
  const versions = [...new Set(samples.map(({ cilium }) => cilium))].join(", ");
  const rounds = max(samples.map(({ round }) => round));
  const noise = otherNodes === 0 ? "" : `; ${otherNodes} nodes of other clusters were running`;
  const method = rounds === 1 ? "one round" : `${rounds} rounds: medians, with the lowest and highest in parentheses`;
  return `${startedAt.slice(0, 10)}, ${machine}, Cilium ${versions} in mode \`ebpf\`; ${method}${noise}.`;
}

/** The times of one stack by the number of its nodes, as a picture of its own. */
export function scaleSvg({ samples }: ScaleResults): string {
  const names = Object.keys(TIMES) as (keyof typeof TIMES)[];
  const looks = looksOf({ subjects: names.map((name) => ({ name })) }, names[0]!);
  const alone = samples.filter(({ stacks }) => stacks === 1);
  const sizes = [...new Set(alone.map(({ nodes }) => nodes))].sort((a, b) => a - b);
  const lines = names.map((name) => ({
    name,
    points: sizes.map((nodes) => [nodes, median(alone.filter((each) => each.nodes === nodes).map(TIMES[name]))]),
  }));
  const chart: Chart = {
    title: "Time by the number of nodes",
    description: lines
      .map(
        ({ name, points }) =>
          `${name}: ${points.map(([nodes, s]) => `${nodes} ${nodes === 1 ? "node" : "nodes"} ${s!.toFixed(1)} s`).join(", ")}`,
      )
      .join("; "),
    subjects: names,
    height: 300,
    option: {
      title: { ...namedAbove("seconds, on a logarithmic axis"), top: 8 },
      grid: { left: 50, right: 80, top: 40, bottom: 50 },
      xAxis: { type: "value", min: 0, ...AXIS, ...namedBelow("nodes of one stack's cluster") },
      yAxis: { type: "log", min: 1, ...AXIS },
      series: lines.map(({ name, points }) => ({
        type: "line" as const,
        ...drawn(name, looks.get(name)!),
        data: points,
        labelLayout: { moveOverlap: "shiftY" as const },
        endLabel: { show: true, formatter: name, color: "var(--ink)", fontSize: 12 },
      })),
    },
  };
  const style = `${themeColors("svg")}${LOOK_COLORS.replaceAll(":root", "svg")}svg { background: var(--paper); --grid: color-mix(in srgb, var(--line) 30%, var(--paper)); }`;
  return `${chartSvg(chart, "scale")
    .replace(/^<svg /, `<svg xmlns="http://www.w3.org/2000/svg" width="420" height="${chart.height}" `)
    .replace(">", () => `><title>${escaped(chart.title)}</title><style>${style}</style>`)}\n`;
}

function figure(values: readonly number[], digits: number, unit: string): string {
  const [low, middle, high] = [min, median, max].map((of) => of([...values]).toFixed(digits));
  return low === high ? `${middle} ${unit}` : `${middle} ${unit} (${low}–${high})`;
}
