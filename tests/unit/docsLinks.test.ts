import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { markedTranslation, outdatedSections } from "../../scripts/readme/translation";
import { anchorOf, readMarkdown } from "../support/markdown";

const ROOT = join(__dirname, "../..");
const read = (file: string) => readFileSync(join(ROOT, file), "utf8");
const namesIn = (folder: string) => readdirSync(join(ROOT, folder));
const PAGES = [
  ...namesIn("").filter((file) => file.endsWith(".md")),
  ...namesIn("docs").flatMap((file) => (file.endsWith(".md") ? [`docs/${file}`] : [])),
  ...namesIn("examples").map((name) => `examples/${name}/README.md`),
];

/** Every file and folder of the project. */
const PATHS = namesIn("")
  .filter((name) => !["node_modules", ".git", ".cilium-modes", "dist"].includes(name))
  .flatMap((name) => [
    name,
    ...(statSync(join(ROOT, name)).isDirectory()
      ? readdirSync(join(ROOT, name), { recursive: true, encoding: "utf8" }).map((path) => join(name, path))
      : []),
  ]);

describe("links", () => {
  it.each(PAGES)("every link of %s leads to a file, and to a heading in it", (page) => {
    const broken = readMarkdown(read(page)).links.filter((link) => {
      if (/^https?:/.test(link)) return false;
      const [path, anchor] = link.split("#") as [string, string?];
      const target = path === "" ? page : join(dirname(page), path);
      if (!existsSync(join(ROOT, target))) return true;
      return anchor !== undefined && !readMarkdown(read(target)).headings.some(({ text }) => anchorOf(text) === anchor);
    });
    expect(broken).toEqual([]);
  });

  it.each(["ARCHITECTURE.md", "CONTRIBUTING.md"])("every path in %s exists, or is the end of one", (page) => {
    const paths = readMarkdown(read(page))
      .code.filter((code) => /^[\w.-]+(\/[\w.-]+)*\/?$/.test(code) && !code.startsWith("."))
      .filter((code) => code.includes("/") || /\.(ts|mjs|jsonc?|ya?ml|md)$/.test(code));
    expect(paths.length).toBeGreaterThan(15);
    expect(paths.filter((path) => !PATHS.some((each) => `/${each}/`.endsWith(`/${path.replace(/\/$/, "")}/`)))).toEqual(
      [],
    );
  });

  it("every name that CONTRIBUTING.md says to change is in its file", () => {
    const rows = readMarkdown(read("CONTRIBUTING.md")).tables.flatMap((table) =>
      table.flatMap(([file, names]) => {
        const path = /^`([\w/]+\.ts)`$/.exec(file!)?.[1];
        return path === undefined ? [] : [...names!.matchAll(/`(\w+)`/g)].map(([, name]) => [path, name!] as const);
      }),
    );
    expect(rows.length).toBeGreaterThan(15);
    expect(rows.filter(([file, name]) => !new RegExp(`\\b${name}\\b`).test(read(file)))).toEqual([]);
  });
});

describe("README.md", () => {
  it("has at most 130 lines", () => {
    expect(read("README.md").trimEnd().split("\n").length).toBeLessThanOrEqual(130);
  });
});

describe("README.zh-CN.md", () => {
  const original = "# A\n\none\n\n## B\n\ntwo\n\n## C\n\nthree\n";
  const translation = "# 一\n\n1\n\n## 二\n\n2\n\n## 三\n\n3\n";
  const outdated = outdatedSections(read("README.md"), read("README.zh-CN.md"));

  // whoever changes the README need not write Chinese: the test's name says which sections are left for the next release
  it(`outdated sections are found; now there are ${outdated.join(", ") || "none"}`, () => {
    expect(outdatedSections(original, translation)).toEqual(["A", "B", "C"]);
    const marked = markedTranslation(original, translation);
    expect(marked.replace(/^<!-- .* -->\n/gm, "")).toBe(translation);
    expect(outdatedSections(original, marked)).toEqual([]);
    expect(markedTranslation(original, marked)).toBe(marked);
    expect(outdatedSections(original.replace("two", "2").replace("## C", "## D"), marked)).toEqual(["B", "D", "C"]);
    expect(() => markedTranslation(original, "# 一\n")).toThrow(
      "The original has 3 sections, and the translation has 1",
    );
  });
});
