import { instance, type Viz } from "@viz-js/viz";
import type { Trace } from "../../datapath/trace/result";
import { escaped, themeColors } from "../../render/html";
import { traceGraph } from "./graph";
import { verdictText } from "./sentences";
import { TRACE_SVG_STYLE } from "./svgStyle";

/** Traces per row. */
const BESIDE = 3;
const SPACE = 24;
const LEGEND_HEIGHT = 56;

/** A self-contained SVG of traces, in rows, labelled with their modes. */
export async function tracesSvg(traces: readonly Trace[]): Promise<string> {
  const style = `<style>${themeColors(".trace")}${TRACE_SVG_STYLE}</style>`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n${await tracesPicture(traces, { prefix: "trace", style })}\n`;
}

/** The same for a page that has the style; its interfaces can be focused. */
export async function tracesPicture(traces: readonly Trace[], { prefix, style = "" }: PictureOptions): Promise<string> {
  const drawings: Drawing[] = [];
  for (const [index, trace] of traces.entries())
    drawings.push(await drawing(trace, `${prefix}-${index + 1}`, style === ""));
  const placed = laidOut(drawings);
  const width = Math.max(420, ...placed.map(({ x, width: own }) => x + own));
  const height = Math.max(0, ...placed.map(({ y, height: own }) => y + own)) + LEGEND_HEIGHT;
  const title = traces
    .map(({ mode, title: scenario, verdict }) => `${scenario}, mode ${mode}: ${verdictText(verdict)}`)
    .join("; ");
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="trace" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="${style === "" ? "group" : "img"}" aria-label="${escaped(title)}">`,
    `<title>${escaped(title)}</title>`,
    style,
    `<rect class="paper" width="${width}" height="${height}"/>`,
    ...placed.map(({ x, y, body }) => `<g transform="translate(${x} ${y})">${body}</g>`),
    `<g transform="translate(8 ${height - LEGEND_HEIGHT})">${LEGEND}</g>`,
    "</svg>",
  ].join("\n");
}

/** Ids start with the prefix; a picture without its own style is part of a page. */
export interface PictureOptions {
  readonly prefix: string;
  readonly style?: string;
}

const LEGEND = [
  '<g class="hop request"><path d="M0,16 H36"/></g><text x="44" y="20">request</text>',
  '<g class="hop reply"><path stroke-dasharray="5,2" d="M110,16 H146"/></g><text x="154" y="20">reply</text>',
  '<g class="station unseen"><rect x="204" y="8" width="36" height="16" rx="4"/><text x="248" y="20">saw nothing</text></g>',
  '<text x="0" y="42">A number marks the step in which the packet reached the interface at the arrowhead.</text>',
].join("");

let started: Promise<Viz> | undefined;

/** Graphviz, started once: its start takes longer than most drawings. */
function graphviz(): Promise<Viz> {
  return (started ??= instance());
}

interface Drawing {
  readonly width: number;
  readonly height: number;
  readonly body: string;
}

async function drawing(trace: Trace, prefix: string, focusable: boolean): Promise<Drawing> {
  const { graph, titles } = traceGraph(trace, prefix);
  const svg = (await graphviz()).renderString(graph, { format: "svg" });
  const size = /viewBox="[\d.]+ [\d.]+ ([\d.]+) ([\d.]+)"/.exec(svg);
  if (size === null) throw new Error("Graphviz's SVG has no size");
  const body = svg
    .slice(svg.indexOf("<g id="), svg.lastIndexOf("</svg>"))
    .replace(/<!--[^]*?-->\n?/g, "")
    .replace(/<g id="([^"]*)" class="([^"]*)">\n?<title>[^<]*<\/title>/g, (_, drawn: string, kind: string) => {
      const id = drawn.replaceAll("&#45;", "-");
      const title = titles.get(id);
      if (title === undefined) throw new Error(`Graphviz drew the unknown element ${id}`);
      const reached =
        focusable && /\bstation\b/.test(kind) ? ` tabindex="0" role="img" aria-label="${escaped(title)}"` : "";
      return `<g id="${id}" class="${kind}"${reached}><title>${escaped(title)}</title>`;
    });
  // one point in Graphviz is one pixel here
  return { width: Math.ceil(Number(size[1])), height: Math.ceil(Number(size[2])), body };
}

function laidOut(drawings: readonly Drawing[]): readonly (Drawing & { readonly x: number; readonly y: number })[] {
  let [x, y, rowHeight] = [0, 0, 0];
  return drawings.map((each, index) => {
    if (index > 0 && index % BESIDE === 0) [x, y, rowHeight] = [0, y + rowHeight + SPACE, 0];
    const placed = { ...each, x, y };
    x += each.width + SPACE;
    rowHeight = Math.max(rowHeight, each.height);
    return placed;
  });
}
