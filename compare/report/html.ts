import { init } from "echarts";
import { escaped, page, PAGE_STYLE, themeColors } from "../../render/html";
import type { Block, Card, Cell, Fact, Table, TableRow } from "./blocks";
import { CHART_WIDTH, type Chart } from "./charts";
import { MARKS } from "./format";
import { REPORT_STYLE } from "./htmlStyle";
import { LOOK_COLORS, type Look } from "./looks";
import type { Report } from "./report";

/** A report as a self-contained page; loads the chart library. */
export function reportHtml({ title, subtitle, alarms, verdicts, looks, sections }: Report): string {
  return page({
    title: `${title}: ${subtitle}`,
    style: `${themeColors(":root")}${PAGE_STYLE}${LOOK_COLORS}${REPORT_STYLE}`,
    main: [
      "<header>",
      `<h1>${escaped(title)}</h1>`,
      `<p class="muted">${escaped(subtitle)}</p>`,
      "</header>",
      `<section id="verdict" class="verdict${alarms.length > 0 ? " bad" : ""}" aria-labelledby="verdict-title">`,
      `<h2 id="verdict-title">${alarms.length > 0 ? "Verdict: failed" : "Verdict"}</h2>`,
      ...(alarms.length > 0 ? [sentences(alarms, ' class="alarms"')] : []),
      ...(verdicts.length > 0 ? [sentences(verdicts)] : []),
      "</section>",
      `<nav aria-label="Contents">${sections.map(({ id, title: text }) => `<a href="#${id}">${escaped(text)}</a>`).join(" ")}</nav>`,
      ...sections.flatMap(({ id, title: text, blocks }) => [
        `<section id="${id}" aria-labelledby="${id}-title">`,
        `<h2 id="${id}-title">${escaped(text)}</h2>`,
        htmlBlocks(blocks, looks, id),
        "</section>",
      ]),
    ],
  });
}

function sentences(lines: readonly string[], attributes = ""): string {
  return `<ul${attributes}>${lines.map((line) => `<li>${escaped(line)}</li>`).join("")}</ul>`;
}

type Looks = ReadonlyMap<string, Look>;

/** Blocks of a page; their ids start with a prefix. */
function htmlBlocks(blocks: readonly Block[], looks: Looks, prefix: string): string {
  return blocks.map((block, index) => htmlBlock(block, looks, `${prefix}-${index + 1}`)).join("\n");
}

function htmlBlock(block: Block, looks: Looks, prefix: string): string {
  switch (block.kind) {
    case "text":
      return `<p>${escaped(block.text)}</p>`;
    case "heading":
      return `<h3>${escaped(block.text)}</h3>`;
    case "list":
      return `<ul>${block.items.map((item) => `<li>${escaped(item)}</li>`).join("")}</ul>`;
    case "command":
      return `<pre tabindex="0"><code>${escaped(block.text)}</code></pre>`;
    case "facts":
      return factsOf(block.facts);
    case "cards":
      return `<div class="cards">${block.cards.map((card) => cardOf(card, looks)).join("\n")}</div>`;
    case "table":
      return htmlTable(block.table, looks);
    case "charts":
      return `${block.title === undefined ? "" : `<h3>${escaped(block.title)}</h3>`}<p>${escaped(block.text)}</p><div class="charts">${block.charts.map((chart, index) => figureOf(chart, looks, `${prefix}-${index + 1}`)).join("\n")}</div>`;
    case "pair": {
      const figure = block.chart === undefined ? "" : figureOf(block.chart, looks, prefix);
      return `<div class="pair">${htmlTable(block.table, looks)}${figure}</div>`;
    }
    case "folded":
      return `<details><summary>${escaped(block.summary)}</summary>${htmlBlocks(block.blocks, looks, prefix)}</details>`;
  }
}

function cardOf({ title, text, tag, bad, facts }: Card, looks: Looks): string {
  const tagged = `<span class="tag${bad ? " bad" : ""}">${escaped(tag)}</span>`;
  return `<article><h3>${named(title, looks)} ${tagged}</h3><p>${escaped(text)}</p>${factsOf(facts)}</article>`;
}

function factsOf(facts: readonly Fact[]): string {
  const items = facts.map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(value)}</dd>`);
  return `<dl>${items.join("")}</dl>`;
}

function figureOf(chart: Chart, looks: Looks, prefix: string): string {
  const legend = chart.subjects.map((subject) => `<li>${named(subject, looks)}</li>`).join("");
  return `<figure><figcaption>${escaped(chart.title)}</figcaption><ul class="legend">${legend}</ul>${chartSvg(chart, prefix)}</figure>`;
}

function named(subject: string, looks: Looks): string {
  const look = looks.get(subject);
  return `${look === undefined ? "" : lookMark(look)}${escaped(subject)}`;
}

/** A subject's line and symbol, shown before its name. */
function lookMark({ color, symbol, dash }: Look): string {
  return `<svg class="look" viewBox="0 0 30 12" aria-hidden="true"><path d="M0 6H30" fill="none" stroke="${color}" stroke-width="2" stroke-dasharray="${dash.join(" ")}"/><path d="${symbol}" transform="translate(10 1)" fill="${color}"/></svg>`;
}

/** A table that scrolls if it is wider than the page. */
function htmlTable({ caption, heads, rows }: Table, looks: Looks): string {
  const head = heads.map((text) => {
    const look = looks.get(text);
    return text === ""
      ? "<td></td>"
      : `<th scope="col">${look === undefined ? "" : lookMark(look)}${escaped(text)}</th>`;
  });
  return [
    `<div class="scroll" tabindex="0" role="region" aria-label="${escaped(caption)}">`,
    `<table><caption>${escaped(caption)}</caption>`,
    `<thead><tr>${head.join("")}</tr></thead><tbody>`,
    ...rows.map(rowOf),
    "</tbody></table></div>",
  ].join("\n");
}

function rowOf({ head, note, cells, bad = false }: TableRow): string {
  const explained = note === undefined ? "" : `<small>${escaped(note)}</small>`;
  const row = `<th scope="row">${escaped(head)}${explained}</th>${cells.map(cellOf).join("")}`;
  return `<tr${bad ? ' class="bad"' : ""}>${row}</tr>`;
}

function cellOf({ text, strong = false, unit, spread, ratio, outcome, noisy = false, alarm }: Cell): string {
  if (unit === undefined) return strong ? `<td><strong>${escaped(text)}</strong></td>` : `<td>${escaped(text)}</td>`;
  const compared =
    ratio === undefined || outcome === undefined
      ? ""
      : `<div class="ratio ${outcome.replaceAll(" ", "-")}"><span role="img" aria-label="${outcome}">${MARKS[outcome]}</span> ${escaped(ratio)}</div>`;
  return [
    `<td class="measured"><b>${escaped(text)}</b> ${escaped(unit)}`,
    spread === undefined ? "" : ` <small>${escaped(spread)}</small>`,
    noisy ? ' <span class="noisy">noisy</span>' : "",
    compared,
    alarm === undefined ? "" : `<strong class="alarm">${escaped(alarm)}</strong>`,
    "</td>",
  ].join("");
}

const FONT = 'system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif'.replaceAll('"', "");

/** A chart as an SVG for a page with this project's colors; its ids start with a prefix. */
export function chartSvg({ option, height, description }: Chart, prefix: string): string {
  const chart = init(null, null, { renderer: "svg", ssr: true, width: CHART_WIDTH, height });
  try {
    chart.setOption({ animation: false, textStyle: { fontFamily: FONT }, ...option });
    return (
      chart
        .renderToSVGString()
        // pointer styles, and attributes for scripts
        .replace(/<style[^]*?<\/style>/g, "")
        .replace(/ (?:class|ecmeta_\w+|pointer-events|xmlns(?::\w+)?|baseProfile|version)="[^"]*"/g, "")
        // the library numbers its charts
        .replace(/\bzr\d+-/g, `${prefix}-`)
        .replace(/<svg width="\d+" height="\d+"/, () => `<svg role="img" aria-label="${escaped(description)}"`)
        .replace(/\n\s*/g, "")
    );
  } finally {
    chart.dispose();
  }
}
