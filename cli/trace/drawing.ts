import type { Station, Trace, TraceNode } from "../../datapath/trace/result";
import { plain } from "../../render/terminal";
import { missingHops, stationKey, stepsOf } from "./steps";

/** Width of a drawing with two nodes, in columns. */
const COLUMNS = 100;
/** Width of boxes below each other. */
const STACKED = 64;
/** Width of an interface's name. */
const NAMES = 22;
const GAP = "────";

/** Draw nodes as boxes with their pods and interfaces; each interface shows the steps that it saw. */
export function traceDrawing(trace: Trace): readonly string[] {
  const marks = marksOf(trace);
  const beside = trace.nodes.length === 2;
  const width = beside ? (COLUMNS - GAP.length) / 2 : STACKED;
  const boxes = trace.nodes.map((node) => nodeBox(node, marks, width));
  if (!beside) return boxes.flatMap(({ pods: above, node }) => [...above, ...node]);
  const [left, right] = boxes as [NodeBox, NodeBox];
  const above = Math.max(left.pods.length, right.pods.length);
  const below = Math.max(left.node.length, right.node.length);
  const filled = (box: NodeBox) => [
    ...box.pods,
    ...blank(above - box.pods.length, width),
    ...box.node.slice(0, -1),
    ...blank(below - box.node.length, width),
    box.node.at(-1)!,
  ];
  const wire = hasCrossed(trace) ? above : -1;
  const rights = filled(right);
  return filled(left).map((line, index) => `${line}${index === wire ? GAP : " ".repeat(GAP.length)}${rights[index]!}`);
}

/** Legend of the drawing. */
export function drawingLegend(trace: Trace): string {
  const steps = stepsOf(trace);
  const range = (leg: "request" | "reply") => {
    const numbers = steps.filter((step) => step.leg === leg).map(({ number }) => number);
    return numbers.length === 0
      ? []
      : [numbers.length === 1 ? `step ${numbers[0]}: ${leg}` : `steps ${numbers[0]} to ${numbers.at(-1)}: ${leg}`];
  };
  return [...range("request"), ...range("reply"), "→n: enters, n→: leaves, ·: saw nothing"].join("; ");
}

interface NodeBox {
  /** Upper edge and pods. */
  readonly pods: readonly string[];
  /** Interfaces, those towards other nodes first, and lower edge. */
  readonly node: readonly string[];
}

function nodeBox(node: TraceNode, marks: ReadonlyMap<string, readonly string[]>, width: number): NodeBox {
  const inner = width - 4;
  const own = node.stations.filter(({ pod }) => pod === undefined);
  const veths = own.filter(({ role }) => role === "veth");
  const rest = own.filter(({ role }) => role !== "veth").sort((left, right) => wiring(left) - wiring(right));
  const rows = (stations: readonly Station[], columns: number) =>
    stations.flatMap((station) => stationRows(station, marks.get(stationKey(station)), columns));
  return {
    pods: [
      edge("┌", `${node.name} ${node.address}`, "┐", width),
      ...node.pods.flatMap(({ name, address }) =>
        [
          edge("┌", `${name} ${address}`, "┐", inner),
          ...framed(
            rows(
              node.stations.filter(({ pod }) => pod === name),
              inner - 4,
            ),
            inner,
          ),
          edge("└", "", "┘", inner),
        ].map((line) => `│ ${line} │`),
      ),
      ...framed(rows(veths, inner), width),
    ],
    node: [...framed(rows(rest, inner), width), edge("└", "", "┘", width)],
  };
}

/** Order from the wire inwards. */
function wiring({ role }: Station): number {
  return ["device", "tunnel", "cilium_host", "cilium_net", "loopback"].indexOf(role) >>> 0;
}

function stationRows(station: Station, marks: readonly string[] | undefined, columns: number): readonly string[] {
  const { interface: own, vethOf } = station;
  const name = shortened(vethOf === undefined ? own : `${own} of ${vethOf}`, NAMES);
  const lines: string[] = [];
  for (const mark of marks ?? ["·"]) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 3 + mark.length <= columns) lines[lines.length - 1] = `${line}   ${mark}`;
    else lines.push(`${(line === undefined ? name : "").padEnd(NAMES)} ${mark}`);
  }
  return lines;
}

function marksOf(trace: Trace): ReadonlyMap<string, readonly string[]> {
  const marks = new Map<string, string[]>();
  const add = (station: Station, mark: string) =>
    marks.set(stationKey(station), [...(marks.get(stationKey(station)) ?? []), mark]);
  for (const { number, hop, unexpected } of stepsOf(trace))
    add(hop.station, `${hop.direction === "in" ? `→${number}` : `${number}→`}${unexpected ? " unexpected" : ""}`);
  for (const { expected, station } of missingHops(trace))
    if (station !== undefined) add(station, expected.direction === "in" ? "→missing" : "missing→");
  return marks;
}

function hasCrossed(trace: Trace): boolean {
  return trace.legs.some(({ hops }) =>
    hops.some(({ station }, index) => station.node !== (hops[index + 1] ?? { station }).station.node),
  );
}

function shortened(text: string, columns: number): string {
  const letters = [...plain(text)];
  if (letters.length <= columns) return letters.join("");
  const head = Math.ceil((columns - 1) / 2);
  return [...letters.slice(0, head), "…", ...letters.slice(letters.length - (columns - 1 - head))].join("");
}

function edge(left: string, title: string, right: string, width: number): string {
  const text = title === "" ? "" : `─ ${shortened(title, width - 6)} `;
  return `${left}${text}${"─".repeat(width - 2 - [...text].length)}${right}`;
}

function framed(lines: readonly string[], width: number): readonly string[] {
  return lines.map(
    (line) => `│ ${shortened(line, width - 4)}${" ".repeat(Math.max(0, width - 4 - [...line].length))} │`,
  );
}

function blank(count: number, width: number): readonly string[] {
  return Array.from({ length: Math.max(0, count) }, () => `│${" ".repeat(width - 2)}│`);
}
