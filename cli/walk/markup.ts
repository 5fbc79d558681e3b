import { createHash } from "node:crypto";

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** A text as XML and HTML can hold it, between tags and in quoted attributes. */
export function escaped(text: string): string {
  return (
    text
      // what XML cannot hold in any form: control characters, lone surrogates, noncharacters
      .replace(/[^\t\n\r\u{20}-\u{7E}\u{A0}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, "\u{FFFD}")
      .replace(/[&<>"']/g, (character) => ENTITIES[character]!)
  );
}

/** What a page consists of. */
export interface Page {
  readonly title: string;
  readonly style: string;
  /** Lines of markup. */
  readonly main: readonly string[];
  readonly script?: string;
}

/** A page that needs nothing else, and whose browser lets it load nothing and run no script but its own. */
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
