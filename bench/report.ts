import { max, median, min } from "simple-statistics";
import { PARTS, type ResourceSpan, type Span } from "./parts";

export type Section = "up" | "preview" | "destroy" | "load" | "memory";
export const SECTIONS: readonly Section[] = ["up", "preview", "destroy", "load", "memory"];

/** Contestants: this project, the articles' commands, kind with the Helm CLI, an empty Pulumi program, kind's own command. */
export type Contestant = "project" | "articles" | "helm" | "empty" | "kind";

/** `unpack`: images loaded and unpacked on every node. */
export type Measurement = "up" | "preview" | "destroy" | "load" | "unpack";

/** One measurement of one contestant. */
export interface Sample {
  readonly measurement: Measurement;
  readonly contestant: Contestant;
  readonly round: number;
  readonly seconds: number;
  readonly peakMiB?: number;
  readonly parts?: readonly Span[];
  /** Created resources, for `up`. */
  readonly resources?: readonly ResourceSpan[];
  /** Share of the CPUs that other processes used just before. */
  readonly busyBefore: number;
}

/** Machine, versions and settings. */
export interface Subject {
  readonly date: string;
  readonly machine: string;
  readonly kernel: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly nodes: number;
  readonly nodeImage: string;
  readonly mode: string;
  readonly cilium: string;
  /** Sizes of the loaded images. */
  readonly imagesMiB: Readonly<Record<string, number>>;
  /** The rate of the line over which nodes pulled images, and their unpacked sizes. */
  readonly line?: string;
  readonly pulledMiB?: Readonly<Record<string, number>>;
  /** Running nodes of other clusters. */
  readonly otherNodes: number;
  readonly rounds: number;
}

export interface Results {
  readonly subject: Subject;
  readonly samples: readonly Sample[];
}

interface Comparison {
  readonly section: Section;
  readonly title: string;
  readonly measurement: Measurement;
  readonly value: "seconds" | "peakMiB";
  readonly than: Contestant;
  /** Target ratio, and whether reaching it exactly counts. */
  readonly aim?: { readonly ratio: number; readonly inclusive: boolean };
}

const UP = "from nothing to a verified NodePort answer";
const MEMORY = "peak memory of the processes";
const COMPARISONS: readonly Comparison[] = [
  {
    section: "up",
    title: UP,
    measurement: "up",
    value: "seconds",
    than: "articles",
    aim: { ratio: 0.75, inclusive: true },
  },
  { section: "up", title: UP, measurement: "up", value: "seconds", than: "helm" },
  {
    section: "preview",
    title: "preview without changes",
    measurement: "preview",
    value: "seconds",
    than: "empty",
    aim: { ratio: 2, inclusive: false },
  },
  { section: "destroy", title: "destroy", measurement: "destroy", value: "seconds", than: "kind" },
  {
    section: "load",
    title: "load images into all nodes",
    measurement: "load",
    value: "seconds",
    than: "kind",
    aim: { ratio: 0.5, inclusive: false },
  },
  { section: "load", title: "… and unpack them", measurement: "unpack", value: "seconds", than: "kind" },
  { section: "memory", title: MEMORY, measurement: "up", value: "peakMiB", than: "articles" },
  { section: "memory", title: MEMORY, measurement: "up", value: "peakMiB", than: "helm" },
];

const NAMES: Readonly<Record<Contestant, string>> = {
  project: "this project",
  articles: "the articles' commands",
  helm: "kind and the Helm CLI",
  empty: "an empty program",
  kind: "kind",
};

/** From this share on, other processes affect the results. */
const NOISY_SHARE = 0.2;

/** A median with the lowest and the highest value. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** One line of the table. */
export interface Row {
  readonly title: string;
  readonly than: Contestant;
  readonly unit: "s" | "MiB";
  readonly own: Spread;
  readonly other: Spread;
  /** Ratio of the medians; lowest and highest ratio of a round. */
  readonly ratio: Spread;
  readonly aim?: string;
  readonly isMet?: boolean;
}

/** Rows of these sections that were measured. */
export function rowsOf(samples: readonly Sample[], sections: readonly Section[]): Row[] {
  return COMPARISONS.flatMap(({ section, title, measurement, value, than, aim }): Row[] => {
    const valuesOf = (contestant: Contestant, round?: number) =>
      samples
        .filter((sample) => sample.measurement === measurement && sample.contestant === contestant)
        .filter((sample) => round === undefined || sample.round === round)
        .flatMap((sample) => sample[value] ?? []);
    const [own, other] = [valuesOf("project"), valuesOf(than)];
    if (!sections.includes(section) || own.length === 0 || other.length === 0) return [];
    const rounds = [...new Set(samples.map(({ round }) => round))];
    const byRound = rounds.flatMap((round) => {
      const [ownOfRound, otherOfRound] = [valuesOf("project", round), valuesOf(than, round)];
      return ownOfRound.length === 0 || otherOfRound.length === 0 ? [] : [median(ownOfRound) / median(otherOfRound)];
    });
    const ratio = median(own) / median(other);
    const judged = aim && {
      aim: `${aim.inclusive ? "≤" : "<"} ${aim.ratio}`,
      isMet: aim.inclusive ? ratio <= aim.ratio : ratio < aim.ratio,
    };
    return [
      {
        title,
        than,
        unit: value === "seconds" ? "s" : "MiB",
        own: spread(own),
        other: spread(other),
        ratio: { median: ratio, low: min([ratio, ...byRound]), high: max([ratio, ...byRound]) },
        ...judged,
      },
    ];
  });
}

function spread(values: readonly number[]): Spread {
  return { median: median([...values]), low: min([...values]), high: max([...values]) };
}

/** The results as Markdown: comparison, parts, environment, noise. */
export function markdown({ subject, samples }: Results, sections: readonly Section[]): string {
  const { versions, nodes, imagesMiB, line, pulledMiB = {} } = subject;
  const sizes = (of: Readonly<Record<string, number>>) =>
    Object.entries(of).map(([image, size]) => `${image} (${size.toFixed(0)} MiB)`);
  const images = [
    ...sizes(imagesMiB),
    ...(line === undefined ? [] : [`${sizes(pulledMiB).join(", ")} pulled over a line of ${line}`]),
  ];
  return [
    comparisonTable(rowsOf(samples, sections)),
    ...(sections.includes("up") ? [partsTable(samples)] : []),
    [
      `${subject.date.slice(0, 10)}, ${subject.machine}, kernel ${subject.kernel};`,
      `${Object.entries(versions)
        .map(([program, version]) => `${program} ${version}`)
        .join(", ")};`,
      `${nodes} nodes of ${subject.nodeImage}, Cilium ${subject.cilium} in mode ${subject.mode}, images ${images.join(", ")};`,
      `${subject.rounds} rounds with all contestants in turn; medians, with lowest and highest in parentheses.`,
    ].join("\n"),
    ...noise(subject, samples),
  ].join("\n\n");
}

function comparisonTable(rows: readonly Row[]): string {
  const lines = rows.map(({ title, than, unit, own, other, ratio, aim, isMet }) => {
    const digits = unit === "s" ? 1 : 0;
    const met = aim === undefined ? "" : `${aim} ${isMet ? "met" : "missed"}`;
    const cells = [
      title,
      figure(own, digits, unit),
      `${NAMES[than]} ${figure(other, digits, unit)}`,
      figure(ratio, 2),
      met,
    ];
    return `| ${cells.join(" | ")} |`;
  });
  return ["| | this project | compared with | ratio | target |", "| --- | --- | --- | --- | --- |", ...lines].join(
    "\n",
  );
}

function figure({ median: middle, low, high }: Spread, digits: number, unit?: string): string {
  const [value, from, to] = [middle, low, high].map((number) => number.toFixed(digits));
  const shown = unit === undefined ? value! : `${value} ${unit}`;
  return from === to ? shown : `${shown} (${from}–${to})`;
}

/** Start and end of each contestant's parts. */
function partsTable(samples: readonly Sample[]): string {
  const contestants: readonly Contestant[] = ["project", "articles", "helm"];
  const cell = (contestant: Contestant, part: string) => {
    const runs = samples.filter((sample) => sample.measurement === "up" && sample.contestant === contestant);
    const spans = runs.flatMap(({ parts = [] }) => parts.filter(({ name }) => name === part));
    if (spans.length === 0) return "";
    const [from, to] = [median(spans.map((span) => span.from)), median(spans.map((span) => span.to))];
    return `${from.toFixed(1)}–${to.toFixed(1)}`;
  };
  const rows = PARTS.map((part) => [part, ...contestants.map((contestant) => cell(contestant, part))]);
  return [
    `| seconds from the start | ${contestants.map((contestant) => NAMES[contestant]).join(" | ")} |`,
    "| --- | --- | --- | --- |",
    ...rows.filter(([, ...cells]) => cells.some(Boolean)).map((cells) => `| ${cells.join(" | ")} |`),
  ].join("\n");
}

function noise({ otherNodes }: Subject, samples: readonly Sample[]): string[] {
  const noisy = samples.filter(({ busyBefore }) => busyBefore > NOISY_SHARE);
  const busiest = max([0, ...samples.map(({ busyBefore }) => busyBefore)]);
  return [
    ...(noisy.length === 0
      ? []
      : [
          `Noisy: before ${noisy.length} of ${samples.length} measurements, other processes used up to ${(busiest * 100).toFixed(0)} % of the CPUs.`,
        ]),
    ...(otherNodes === 0 ? [] : [`Noisy: ${otherNodes} nodes of other clusters were running.`]),
  ];
}
