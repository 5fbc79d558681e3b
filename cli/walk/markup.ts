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
