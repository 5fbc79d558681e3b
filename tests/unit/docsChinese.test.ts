import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readMarkdown } from "../support/markdown";

const ROOT = join(__dirname, "../..");
/** Tables of settings and outputs are generated; the Chinese ones have fewer rows. */
const GENERATED = /^<!-- (settings|outputs) -->$[^]*?^<!-- \/\1 -->$/gm;
const [english, chinese] = ["README.md", "README.zh-CN.md"].map((page) =>
  readMarkdown(readFileSync(join(ROOT, page), "utf8").replace(GENERATED, "")),
) as [ReturnType<typeof readMarkdown>, ReturnType<typeof readMarkdown>];
const CHINESE = /\p{Script=Han}/u;

describe("the Chinese README", () => {
  it("has the headings of the English one, in Chinese", () => {
    expect(chinese.headings.map(({ level }) => level)).toEqual(english.headings.map(({ level }) => level));
    expect(chinese.headings.slice(1).filter(({ text }) => !CHINESE.test(text))).toEqual([]);
  });

  it("has the same code", () => {
    expect(chinese.blocks).toEqual(english.blocks);
  });

  it("has the same tables: rows, columns, and what is no prose in the first one", () => {
    const shape = (tables: typeof english.tables) => tables.map((rows) => rows.map((cells) => cells.length));
    expect(shape(chinese.tables)).toEqual(shape(english.tables));
    const names = (tables: typeof english.tables, also: typeof english.tables) =>
      tables.map((rows, table) =>
        rows.flatMap(([first], row) => (/^(`[^`]+`|\d+)$/.test(also[table]![row]![0]!) ? [first] : [])),
      );
    expect(names(chinese.tables, english.tables)).toEqual(names(english.tables, english.tables));
  });

  it("leads to the same places, and each leads to the other", () => {
    const elsewhere = (links: readonly string[]) => links.filter((link) => !/^README/.test(link));
    expect(elsewhere(chinese.links)).toEqual(elsewhere(english.links));
    expect([english.links[0], chinese.links[0]]).toEqual(["README.zh-CN.md", "README.md"]);
  });

  it("names the same settings, outputs, commands and files", () => {
    const sorted = (code: readonly string[]) => [...new Set(code)].sort();
    expect(sorted(chinese.code)).toEqual(sorted(english.code));
  });

  it("has Chinese punctuation between Chinese words, and no line that ends in the middle of a paragraph", () => {
    const page = readFileSync(join(ROOT, "README.zh-CN.md"), "utf8").replace(/^```[^]*?^```$/gm, "");
    expect(page.match(/\p{Script=Han}[,;:!?]\s*\p{Script=Han}/gu) ?? []).toEqual([]);
    // a browser makes a space of the line's end
    expect(page.match(/[\p{Script=Han}，。；：、]\n\p{Script=Han}/gu) ?? []).toEqual([]);
  });
});
