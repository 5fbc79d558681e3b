const NAME = "[A-Za-z_][\\w.:-]*";
const ATTRIBUTE = `\\s+${NAME}\\s*=\\s*(?:"[^"<]*"|'[^'<]*')`;
const TOKENS = new RegExp(`<\\?[^]*?\\?>|</(${NAME})\\s*>|<(${NAME})((?:${ATTRIBUTE})*)\\s*(/?)>|[^<]+`, "gy");
const QUOTED = /"[^"]*"|'[^']*'/g;
const NAMED = new RegExp(`\\s(${NAME})\\s*=`, "g");
const ENTITY = /&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[\da-fA-F]+);)/;
const FORBIDDEN = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u;

/** Why a text is not well-formed XML (without comments, CDATA and document types); undefined when it is. */
export function xmlProblem(text: string): string | undefined {
  if (FORBIDDEN.test(text)) return `a character that XML cannot hold, at ${text.search(FORBIDDEN)}`;
  if (ENTITY.test(text)) return `an ampersand of its own: ${text.slice(text.search(ENTITY)).slice(0, 40)}`;
  const open: string[] = [];
  let roots = 0;
  let position = 0;
  for (const token of text.matchAll(TOKENS)) {
    const [whole, closing, opening, attributes = "", selfClosing] = token;
    position = token.index + whole.length;
    if (closing !== undefined) {
      if (open.pop() !== closing) return `</${closing}> closes nothing`;
    } else if (opening !== undefined) {
      if (open.length === 0) roots++;
      const names = [...attributes.replace(QUOTED, '""').matchAll(NAMED)].map(([, name]) => name);
      if (new Set(names).size < names.length) return `<${opening}> has an attribute twice: ${names.join(", ")}`;
      if (selfClosing !== "/") open.push(opening);
    } else if (open.length === 0 && !whole.startsWith("<?") && whole.trim() !== "")
      return `text outside: ${whole.slice(0, 40)}`;
  }
  if (position < text.length) return `no markup: ${text.slice(position, position + 60)}`;
  if (open.length > 0) return `<${open.at(-1)}> stays open`;
  return roots === 1 ? undefined : `${roots} roots`;
}
