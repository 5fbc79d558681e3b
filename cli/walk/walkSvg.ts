import { instance, type Viz } from "@viz-js/viz";
import type { Walk } from "../../datapath/trace/walk";
import { escaped } from "./markup";
import { walkGraph } from "./walkGraph";
import { WALK_SVG_STYLE, walkColours } from "./walkSvgStyle";

/** How many walks stand beside each other before the next begin a row below. */
const BESIDE = 3;
const SPACE = 24;
const LEGEND_HEIGHT = 56;

/** A picture of a walk: an SVG that needs nothing else. */
export async function walkSvg(walk: Walk): Promise<string> {
  return walksSvg([walk]);
}

/** A picture of several walks, beside and below each other, labelled with their modes. */
export async function walksSvg(walks: readonly Walk[]): Promise<string> {
  const style = `<style>${walkColours(".walk")}${WALK_SVG_STYLE}</style>`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n${await walksPicture(walks, { prefix: "walk", style })}\n`;
}

/** The same for a page that has the style already; interfaces and hops can be focused there. */
export async function walksPicture(walks: readonly Walk[], { prefix, style = "" }: PictureOptions): Promise<string> {
  const drawings: Drawing[] = [];
  for (const [index, walk] of walks.entries())
    drawings.push(await drawing(walk, `${prefix}-${index + 1}`, style === ""));
  const placed = laidOut(drawings);
  const width = Math.max(420, ...placed.map(({ x, width: own }) => x + own));
  const height = Math.max(0, ...placed.map(({ y, height: own }) => y + own)) + LEGEND_HEIGHT;
  const title = walks.map(({ mode, title: scenario, verdict }) => `${scenario}, mode ${mode}: ${verdict}`).join("; ");
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="walk" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="${style === "" ? "group" : "img"}" aria-label="${escaped(title)}">`,
    `<title>${escaped(title)}</title>`,
    style,
    `<rect class="paper" width="${width}" height="${height}"/>`,
    ...placed.map(({ x, y, body }) => `<g transform="translate(${x} ${y})">${body}</g>`),
    `<g transform="translate(8 ${height - LEGEND_HEIGHT})">${LEGEND}</g>`,
    "</svg>",
  ].join("\n");
}

/** Where a picture goes: ids start with the prefix; without a style of its own it is part of a page. */
export interface PictureOptions {
  readonly prefix: string;
  readonly style?: string;
}

const LEGEND = [
  '<g class="hop request"><path d="M0,16 H36"/></g><text x="44" y="20">request</text>',
  '<g class="hop reply"><path stroke-dasharray="5,2" d="M110,16 H146"/></g><text x="154" y="20">reply</text>',
  '<g class="station unseen"><rect x="204" y="8" width="36" height="16" rx="4"/><text x="248" y="20">saw nothing</text></g>',
  '<text x="0" y="42">A number stands where the packet came to the interface at the arrow’s head.</text>',
].join("");

let started: Promise<Viz> | undefined;

/** Graphviz, whose start takes longer than most drawings. */
function graphviz(): Promise<Viz> {
  return (started ??= instance());
}

interface Drawing {
  readonly width: number;
  readonly height: number;
  readonly body: string;
}

async function drawing(walk: Walk, prefix: string, focusable: boolean): Promise<Drawing> {
  const { graph, titles } = walkGraph(walk, prefix);
  const svg = (await graphviz()).renderString(graph, { format: "svg" });
  const size = /viewBox="[\d.]+ [\d.]+ ([\d.]+) ([\d.]+)"/.exec(svg);
  if (size === null) throw new Error("Graphviz's SVG has no size");
  const body = svg
    .slice(svg.indexOf("<g id="), svg.lastIndexOf("</svg>"))
    .replace(/<!--[^]*?-->\n?/g, "")
    .replace(/<g id="([^"]*)" class="([^"]*)">\n?<title>[^<]*<\/title>/g, (_, drawn: string, kind: string) => {
      const id = drawn.replaceAll("&#45;", "-");
      const title = titles.get(id);
      if (title === undefined) throw new Error(`Graphviz drew ${id}, of which the walk's graph knows nothing`);
      const reached =
        focusable && /\bstation\b/.test(kind) ? ` tabindex="0" role="img" aria-label="${escaped(title)}"` : "";
      return `<g id="${id}" class="${kind}"${reached}><title>${escaped(title)}</title>`;
    });
  // a point of Graphviz's is a pixel here
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
