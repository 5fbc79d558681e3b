import { escaped } from "../../render/html";
import type { Block, Card, Fact } from "./blocks";
import type { Chart } from "./charts";
import { chartSvg } from "./chartSvg";
import { htmlTable } from "./htmlTable";
import { lookMark, type Look } from "./looks";

type Looks = ReadonlyMap<string, Look>;

/** Blocks of a page; ids in them begin with a prefix. */
export function htmlBlocks(blocks: readonly Block[], looks: Looks, prefix: string): string {
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
