import type { Analysis } from "../../datapath/compare/analysis";
import type { BaselineAnalysis } from "../../datapath/compare/baseline";
import type { Comparison } from "../../datapath/compare/results";
import { escaped, page, themeColors } from "../../render/html";
import { COMPARISON_STYLE } from "./comparisonStyle";
import { htmlBlocks } from "./htmlBlocks";
import { LOOK_COLOURS } from "./looks";
import { reportOf } from "./report";

/** A page about a comparison that needs nothing else; loads the library of charts. */
export function comparisonHtml(comparison: Comparison, analysis: Analysis, baseline?: BaselineAnalysis): string {
  const { title, subtitle, alarms, verdicts, looks, sections } = reportOf(comparison, analysis, baseline);
  return page({
    title: `${title}: ${subtitle}`,
    style: `${themeColors(":root")}${LOOK_COLOURS}${COMPARISON_STYLE}`,
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
