/** A fenced block of code. */
export interface CodeBlock {
  readonly language: string;
  readonly text: string;
}

/** What a page of Markdown consists of, in its order; prose is left out. */
export interface MarkdownPage {
  readonly headings: readonly { readonly level: number; readonly text: string }[];
  readonly blocks: readonly CodeBlock[];
  /** Each table's rows with their cells, the head first, without the line of dashes. */
  readonly tables: readonly (readonly (readonly string[])[])[];
  /** Where links and pictures lead. */
  readonly links: readonly string[];
  /** What stands in backquotes, outside of blocks. */
  readonly code: readonly string[];
}

export function readMarkdown(page: string): MarkdownPage {
  const blocks: CodeBlock[] = [];
  const prose = page.replace(/^```(\w*)\n([^]*?)^```$/gm, (_, language: string, text: string) => {
    blocks.push({ language, text });
    return "";
  });
  const tables: string[][][] = [];
  let before = "";
  for (const line of prose.split("\n")) {
    if (line.startsWith("|") && !/^\|( ?-+ ?\|)+$/.test(line)) {
      if (!before.startsWith("|")) tables.push([]);
      tables.at(-1)!.push(cellsOf(line));
    }
    before = line;
  }
  const code = [...prose.matchAll(/`([^`\n]+)`/g)].map(([, text]) => text!.replaceAll("\\|", "|"));
  const withoutCode = prose.replace(/`[^`\n]+`/g, "`");
  return {
    headings: [...prose.matchAll(/^(#+) (.+)$/gm)].map(([, level, text]) => ({ level: level!.length, text: text! })),
    blocks,
    tables,
    links: [...withoutCode.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!),
    code,
  };
}

/** A heading's anchor, as GitHub makes it. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .replace(/ /g, "-");
}

function cellsOf(line: string): string[] {
  return line
    .replace(/^\||\|$/g, "")
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim());
}
