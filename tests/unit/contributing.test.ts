import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { program } from "../../cli/main";

const ROOT = join(__dirname, "../..");
const LEFT_OUT = new Set(["node_modules", ".git", ".cilium-modes", ".state", "dist"]);
const SCRIPTS = (JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: Record<string, string> })
  .scripts;
/** npm's own, beside the scripts. */
const OF_NPM = ["ci", "pack"];

/** Every file and folder of the project, folders with a slash at the end. */
function pathsBelow(folder: string): string[] {
  return readdirSync(join(ROOT, folder))
    .filter((name) => !LEFT_OUT.has(name))
    .flatMap((name) => {
      const path = join(folder, name);
      return statSync(join(ROOT, path)).isDirectory() ? [`${path}/`, ...pathsBelow(path)] : [path];
    });
}

const PATHS = pathsBelow("");
const CODE = PATHS.filter((path) => /\.(ts|mjs|js)$/.test(path) && !path.endsWith("contributing.test.ts"));
const codeOf = (path: string) => readFileSync(join(ROOT, path), "utf8").replace(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, "");
const WORDS = new Set(CODE.flatMap((path) => codeOf(path).match(/\w+/g) ?? []));

/** Whether a path, or the end of one, is there; `*` and `<name>` stand for anything in a name. */
function isPath(text: string): boolean {
  const pattern = text
    .split(/(\*|<[^>]+>)/)
    .map((part, index) => (index % 2 === 1 ? "[^/]+" : part.replace(/[.+?^${}()|[\]\\]/g, "\\$&")))
    .join("");
  const wanted = new RegExp(`(^|/)${pattern.replace(/\/$/, "")}/?$`);
  return PATHS.some((path) => wanted.test(path));
}

const looksLikePath = (text: string) =>
  /^[\w.<>*-]*(\/[\w.<>*-]*)*$/.test(text) &&
  (text.includes("/") || /\.(ts|mjs|js|jsonc?|ya?ml|md|sh)$/.test(text)) &&
  !text.startsWith(".git/") &&
  !text.startsWith(".cilium-modes/");

/** What a command asks for that is not in the project. */
function missingOf(command: string): string[] {
  const words = command.replace(/^(?:\w+=\S+ )+/, "").split(/\s+/);
  const [first, second, third] = words;
  const paths = words.filter((word) => looksLikePath(word) && !word.startsWith("/"));
  const missing = paths.filter((path) => !isPath(path));
  if (first === "npm") {
    const script = second === "run" ? third : second;
    if (!(script! in SCRIPTS) && !OF_NPM.includes(script!)) missing.push(`the script ${script}`);
  }
  const verb = first === "npx" && second === "cilium-modes" ? third : first === "cilium-modes" ? second : undefined;
  if (verb !== undefined) {
    const found = program().commands.find((each) => each.name() === verb);
    const known = found?.options.map(({ long }) => long) ?? [];
    if (found === undefined) missing.push(`the verb ${verb}`);
    missing.push(...(command.match(/(?<= )--[a-z-]+/g) ?? []).filter((option) => !known.includes(option)));
  }
  return missing;
}

/** What a text between backticks names that is not in the project. */
function missingIn(text: string): string[] {
  if (/^(npm|npx|node|cilium-modes) /.test(text) || /^[A-Z_]+=\S+ npm /.test(text)) return missingOf(text);
  if (looksLikePath(text)) return isPath(text) ? [] : [text];
  // names of code have a capital or an underscore inside; other words are settings' and tools'
  const isName = /^\w*([a-z][A-Z]|[A-Z]{2}|_)\w*$/.test(text) || /^[A-Z][a-z]\w+$/.test(text);
  return isName && !WORDS.has(text) ? [text] : [];
}

interface Doc {
  readonly name: string;
  readonly lines: readonly string[];
  /** Between backticks, out of blocks. */
  readonly spans: readonly string[];
  /** Lines of blocks of shell commands. */
  readonly commands: readonly string[];
}

function read(name: string): Doc {
  const text = readFileSync(join(ROOT, name), "utf8");
  const prose = text.replace(/^```[^]*?^```$/gm, "");
  return {
    name,
    lines: prose.split("\n"),
    spans: [...new Set([...prose.matchAll(/`([^`]+)`/g)].map(([, span]) => span!))],
    commands: [...text.matchAll(/^```sh\n([^]*?)^```$/gm)].flatMap(([, block]) => block!.trim().split("\n")),
  };
}

const CONTRIBUTING = read("CONTRIBUTING.md");
const ARCHITECTURE = read("ARCHITECTURE.md");

describe.each([CONTRIBUTING, ARCHITECTURE])("$name", ({ spans, commands, lines }) => {
  it("names paths, scripts, verbs and names of code that there are", () => {
    expect(spans.length).toBeGreaterThan(50);
    expect(spans.flatMap(missingIn)).toEqual([]);
  });

  it("has commands that there are", () => {
    const parts = commands.flatMap((line) => line.replace(/\s+#.*$/, "").split(/ && | > /));
    expect(parts.flatMap(missingOf)).toEqual([]);
  });

  it("links to files that there are", () => {
    const links = lines.flatMap((line) => [...line.matchAll(/\]\(([^)#]+)\)/g)].map(([, link]) => link!));
    expect(links.filter((link) => !/^https:/.test(link) && !PATHS.includes(link))).toEqual([]);
  });
});

describe("CONTRIBUTING.md", () => {
  const rows = CONTRIBUTING.lines.flatMap((line) => {
    const [, file, names] = /^\| `([\w/]+\.ts)` \| ([^|]+) \|/.exec(line) ?? [];
    return file === undefined ? [] : [...names!.matchAll(/`(\w+)`/g)].map(([, name]) => [file, name!] as const);
  });

  it.each(rows)("finds in %s the name %s", (file, name) => {
    expect(codeOf(file)).toMatch(
      new RegExp(
        `^(export )?(const|type|interface|function|async function|class) ${name}\\b|^export async function ${name}\\b`,
        "m",
      ),
    );
  });
});

describe("ARCHITECTURE.md", () => {
  it("tells the command's verbs", () => {
    const row = ARCHITECTURE.lines.find((line) => line.startsWith("| `cli/` |"))!;
    const told = [...row.slice(row.indexOf("`cilium-modes`:")).matchAll(/`([a-z-]+)`/g)].map(([, word]) => word!);
    const verbs = program().commands.map((command) => command.name());
    expect(told.length).toBeGreaterThan(5);
    expect(told.filter((word) => word !== "cilium-modes" && !verbs.includes(word))).toEqual([]);
  });
});
