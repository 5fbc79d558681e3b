import { createHash } from "node:crypto";

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Escape a text for XML and HTML, between tags and in quoted attributes. */
export function escaped(text: string): string {
  return (
    text
      // XML allows neither control characters nor lone surrogates nor noncharacters, not even escaped
      .replace(/[^\t\n\r\u{20}-\u{7E}\u{A0}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, "\u{FFFD}")
      .replace(/[&<>"']/g, (character) => ENTITIES[character]!)
  );
}

/** Parts of a page. */
export interface Page {
  readonly title: string;
  readonly style: string;
  /** Lines of markup. */
  readonly main: readonly string[];
  readonly script?: string;
}

/** A self-contained page, whose content security policy allows no other script and no loading. */
export function page({ title, style, main, script }: Page): string {
  const hash = script === undefined ? undefined : createHash("sha256").update(script).digest("base64");
  const scripts = hash === undefined ? "" : `; script-src 'sha256-${hash}'`;
  return [
    "<!doctype html>",
    '<html lang="en">',
    "<head>",
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'${scripts}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escaped(title)}</title>`,
    `<style>${style}</style>`,
    "</head>",
    "<body>",
    "<main>",
    ...main,
    "</main>",
    ...(script === undefined ? [] : [`<script>${script}</script>`]),
    "</body>",
    "</html>",
    "",
  ].join("\n");
}

const LIGHT = `--paper: #ffffff; --ground: #f4f6f8; --ink: #1b1f24; --muted: #57606a; --line: #8c959f;
  --request: #0b57d0; --reply: #7a3e00; --different: #b3261e; --current: #ffe08a;`;
const DARK = `--paper: #14181d; --ground: #1e242b; --ink: #e6e9ed; --muted: #a3adb8; --line: #6b7681;
  --request: #8ab4f8; --reply: #f0b072; --different: #ff8f85; --current: #463800;`;

/** Base style of all pages, with {@link themeColors}. */
export const PAGE_STYLE = `
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; overflow-wrap: anywhere; }
main { max-width: 84rem; margin: 0 auto; padding: 1rem; }
h3 { font-size: 1.05rem; margin: 1.5rem 0 0.5rem; }
code, pre { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: 0.875rem; }
:focus-visible { outline: 3px solid var(--request); outline-offset: 2px; }
.scroll { overflow-x: auto; max-width: 100%; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-size: 0.875rem; }
caption { text-align: left; padding: 0.4rem 0.6rem; color: var(--muted); }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 0.6rem; border-top: 1px solid var(--line); font-variant-numeric: tabular-nums; }
thead th { background: var(--ground); }
@media print { .scroll { overflow: visible; border: 0; } }
`;

/** CSS variables of the colors of all pages and pictures, light and dark; text has a contrast of at least 4.5:1. */
export function themeColors(selector: string): string {
  return `
${selector} { color-scheme: light dark; ${LIGHT} }
@media screen and (prefers-color-scheme: dark) { ${selector} { ${DARK} } }
`;
}
