import type { TimedLine } from "./processes";

/** A span in seconds since the start of the command. */
export interface Span {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** The creation of a resource. */
export interface ResourceSpan extends Span {
  readonly type: string;
}

/** Parts of an installation that all contestants have, in the usual order. */
export const PARTS = [
  "preview",
  "kind cluster",
  "image build",
  "images to nodes",
  "Cilium",
  "workload",
  "verification",
  "answer",
] as const;
export type Part = (typeof PARTS)[number];

interface EngineEvent {
  readonly sequence?: number;
  readonly resourcePreEvent?: {
    readonly metadata: { readonly op: string; readonly urn: string; readonly type: string };
  };
  readonly resOutputsEvent?: { readonly metadata: { readonly urn: string } };
}

/** Parse the created resources from `pulumi up --json`, which prints an event per line after the preview's summary. */
export function resourceSpans(lines: readonly TimedLine[]): ResourceSpan[] {
  const open = new Map<string, { type: string; from: number }>();
  const spans: ResourceSpan[] = [];
  for (const { at, text } of lines) {
    const event = parseEvent(text);
    const pre = event?.resourcePreEvent?.metadata;
    if (pre?.op === "create") open.set(pre.urn, { type: pre.type, from: at });
    const urn = event?.resOutputsEvent?.metadata.urn;
    const start = urn === undefined ? undefined : open.get(urn);
    if (urn !== undefined && start !== undefined) spans.push({ name: urn.split("::").at(-1)!, ...start, to: at });
  }
  return spans.sort((a, b) => a.from - b.from);
}

/** When the update started, after the preview. */
function updateStart(lines: readonly TimedLine[]): number | undefined {
  return lines.find(({ text }) => parseEvent(text)?.sequence !== undefined)?.at;
}

function parseEvent(text: string): EngineEvent | undefined {
  return text.startsWith('{"') ? (JSON.parse(text) as EngineEvent) : undefined;
}

/** Resources of each part, by type or name. */
const PART_OF: readonly (readonly [part: Part, isPart: (span: ResourceSpan) => boolean])[] = [
  ["kind cluster", ({ type }) => type === "kind:index:Cluster"],
  ["image build", ({ type }) => type === "docker:index/image:Image"],
  ["images to nodes", ({ type }) => type === "kind:index:NodeImages"],
  ["Cilium", ({ type }) => type.includes(":Release") || type === "kind:index:CiliumReadiness"],
  [
    "workload",
    ({ type }) => /^(kubernetes:(apps|core)\/v1:(DaemonSet|Service|Pod)|kind:index:WorkloadReadiness)$/.test(type),
  ],
  ["verification", ({ name }) => name === "verification-checks"],
];

/** The parts of `pulumi up`. */
export function partsOfUp(lines: readonly TimedLine[]): Span[] {
  const resources = resourceSpans(lines);
  const parts = PART_OF.flatMap(([name, isPart]) => {
    const own = resources.filter((span) => isPart(span));
    return own.length === 0
      ? []
      : [{ name, from: Math.min(...own.map(({ from }) => from)), to: Math.max(...own.map(({ to }) => to)) }];
  });
  const preview = updateStart(lines);
  return preview === undefined ? parts : [{ name: "preview", from: 0, to: preview }, ...parts];
}

/** The parts of a script that prints "stage <name>" at the start of each. */
export function partsOfScript(lines: readonly TimedLine[], seconds: number): Span[] {
  const stages = lines.flatMap(({ at, text }) => (text.startsWith("stage ") ? [{ at, name: text.slice(6) }] : []));
  return stages.map(({ at, name }, index) => ({ name, from: at, to: stages[index + 1]?.at ?? seconds }));
}
