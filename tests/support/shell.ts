/** A command of a shell script: its words without quotes; `$(…)` stands as it is written. */
export type ShellCommand = readonly string[];

/** What ends a command. */
const SEPARATORS = new Set(["|", "&", ";", "\n", "(", ")"]);

/**
 * The commands of a script as documentation has them, those in `$(…)`, `<(…)` and `( … )` too. Assignments before a
 * command and redirections are left out. @throws Error where a quote or a parenthesis stays open
 */
export function shellCommands(script: string): ShellCommand[] {
  const commands: string[][] = [];
  const nested: string[] = [];
  let words: string[] = [];
  let word: string | undefined;
  const endWord = () => {
    if (word !== undefined) words.push(word);
    word = undefined;
  };
  const endCommand = () => {
    endWord();
    commands.push(words);
    words = [];
  };
  for (let index = 0; index < script.length; index++) {
    const sign = script[index]!;
    const inner = /^[$<]\(/.test(script.slice(index));
    if (inner) {
      const end = closing(script, index + 1);
      nested.push(script.slice(index + 2, end));
      word = (word ?? "") + script.slice(index, end + 1);
      index = end;
    } else if (sign === "\\") {
      if (script[++index] !== "\n") word = (word ?? "") + script[index];
    } else if (sign === "'" || sign === '"') {
      const end = endOfQuote(script, index);
      const quoted = script.slice(index + 1, end);
      if (sign === '"') nested.push(...substitutions(quoted));
      word = (word ?? "") + quoted;
      index = end;
    } else if (sign === "#" && word === undefined) {
      index = (script.indexOf("\n", index) + 1 || script.length + 1) - 2;
    } else if (SEPARATORS.has(sign)) {
      endCommand();
    } else if (/\s/.test(sign)) {
      endWord();
    } else word = (word ?? "") + sign;
  }
  endCommand();
  const own = commands.map(withoutExtras).filter((command) => command.length > 0);
  return [...own, ...nested.flatMap(shellCommands)];
}

function withoutExtras(words: readonly string[]): string[] {
  const first = words.findIndex((word) => !/^\w+=/.test(word));
  const kept: string[] = [];
  for (let index = Math.max(first, 0); index < words.length; index++) {
    if (/^\d?[<>]+$/.test(words[index]!)) index++;
    else if (first >= 0 && !/^\d?>/.test(words[index]!)) kept.push(words[index]!);
  }
  return kept;
}

function substitutions(text: string): string[] {
  const found: string[] = [];
  for (let at = text.indexOf("$("); at >= 0; at = text.indexOf("$(", at)) {
    const end = closing(text, at + 1);
    found.push(text.slice(at + 2, end));
    at = end;
  }
  return found;
}

/** Where the parenthesis that opens at a position is closed. */
function closing(text: string, open: number): number {
  let depth = 0;
  for (let index = open; index < text.length; index++) {
    const sign = text[index]!;
    if (sign === "'" || sign === '"') index = endOfQuote(text, index);
    else if (sign === "(") depth++;
    else if (sign === ")" && --depth === 0) return index;
  }
  throw new Error(`a parenthesis stays open: ${text.slice(open)}`);
}

/** Where a quote ends; what is substituted in double quotes has quotes of its own. */
function endOfQuote(text: string, open: number): number {
  for (let index = open + 1; index < text.length; index++) {
    if (text[index] === text[open]) return index;
    if (text[open] === '"' && text.startsWith("$(", index)) index = closing(text, index + 1);
  }
  throw new Error(`a quote stays open: ${text.slice(open)}`);
}
