import type { TimedLine } from "./processes";

/** From when to when something lasted, in seconds since the command was started. */
export interface Span {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** A resource's creation. */
export interface ResourceSpan extends Span {
  readonly type: string;
}

/** The parts of an installation that contestants share, in their usual order. */
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

/** What `pulumi up --json` tells of the resources that it creates: after the preview's summary an event a line. */
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

/** When the engine began to change things, after its preview. */
function updateStart(lines: readonly TimedLine[]): number | undefined {
  return lines.find(({ text }) => parseEvent(text)?.sequence !== undefined)?.at;
}

function parseEvent(text: string): EngineEvent | undefined {
  return text.startsWith('{"') ? (JSON.parse(text) as EngineEvent) : undefined;
}

/** Which resources make a part: by type, or by the end of the name where a type does several things. */
const PART_OF: readonly (readonly [part: Part, isPart: (span: ResourceSpan) => boolean])[] = [
  ["kind cluster", ({ type }) => type === "kind:index:Cluster"],
  ["image build", ({ type }) => type === "docker:index/image:Image"],
  ["images to nodes", ({ type }) => type === "kind:index:NodeImages"],
  ["Cilium", ({ type, name }) => type.includes(":Release") || name === "cilium-ready"],
  ["workload", ({ type }) => /^kubernetes:(apps|core)\/v1:(DaemonSet|Service|Pod)$/.test(type)],
  ["verification", ({ name }) => name === "verification-checks"],
];

/** The parts of an `up`. */
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

/** The parts of a script that says "stage <name>" when one begins. */
export function partsOfScript(lines: readonly TimedLine[], seconds: number): Span[] {
  const stages = lines.flatMap(({ at, text }) => (text.startsWith("stage ") ? [{ at, name: text.slice(6) }] : []));
  return stages.map(({ at, name }, index) => ({ name, from: at, to: stages[index + 1]?.at ?? seconds }));
}
