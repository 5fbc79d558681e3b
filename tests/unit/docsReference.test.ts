import { PROOF_EXIT_CODES } from "../../cli/verificationText";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { main, program } from "../../cli/main";
import { CHECKS } from "../../datapath/checks/all";
import chartKeys from "../../modes/chartKeys.json";
import { OUTPUT_DESCRIPTIONS } from "../../outputs";
import { COMMANDS_IN_CHINESE, EXIT_CODES } from "../../scripts/readme/commands";
import { DEFAULTS_IN_CHINESE, OUTPUTS_IN_CHINESE, SETTINGS_IN_CHINESE } from "../../scripts/readme/chinese";
import { PAGES, verbs, withParts } from "../../scripts/readme/tables";
import { defaultOf, knownKeys, metaOf, settingPaths } from "../../settings/schema";
import { OUTPUTS } from "../support/outputs";
import { anchorOf, readMarkdown } from "../support/markdown";
import { sources } from "./support/sources";

const ROOT = join(__dirname, "../..");
const read = (file: string) => readFileSync(join(ROOT, file), "utf8");
const DOCS = readdirSync(join(ROOT, "docs")).flatMap((file) => (file.endsWith(".md") ? [`docs/${file}`] : []));
const README = readMarkdown(read("README.md"));
const COMMANDS = readMarkdown(read("docs/commands.md"));

describe.each(Object.entries(PAGES))("the page %s", (page, language) => {
  it("has its parts as the code says", () => {
    // written anew with: npx tsx scripts/readme-tables.ts
    expect(read(page)).toBe(withParts(read(page), language));
  });
});

describe("a page's parts", () => {
  const parts = { one: () => "1", two: () => "2" };
  const page = (first: string, last = first) => `a\n\n<!-- ${first} -->\n\nold\n\n<!-- /${last} -->\n\nb\n`;

  it("are written between their marks, again and again the same", () => {
    const once = withParts(page("one") + page("two"), "en", parts);
    expect(once).toBe(page("one").replace("old", "1") + page("two").replace("old", "2"));
    expect(withParts(once, "en", parts)).toBe(once);
  });

  it("are refused where they are unknown, or do not end", () => {
    expect(() => withParts(page("three"), "en", parts)).toThrow("There is no part three; known are one, two");
    expect(() => withParts(page("one", "two"), "en", parts)).toThrow("The part one has no end");
  });
});

describe("the documentation of settings", () => {
  it("describes every setting and every field of its elements, with a default", () => {
    const fields = settingPaths().flatMap((path) =>
      knownKeys([...path.split("."), "0"]).map((key) => `${path}.0.${key}`),
    );
    for (const path of [...settingPaths(), ...fields].map((each) => each.split("."))) {
      const { description, defaultText } = metaOf(path);
      expect(description).not.toBe("");
      const isSection = knownKeys(path).length > 0;
      expect([path, isSection || defaultText !== undefined || defaultOf(path) !== undefined]).toEqual([path, true]);
    }
  });

  it("has Chinese texts only for settings and outputs that exist", () => {
    expect(Object.keys(SETTINGS_IN_CHINESE).filter((path) => !settingPaths().includes(path))).toEqual([]);
    expect(Object.keys(OUTPUTS_IN_CHINESE).filter((path) => !(path in OUTPUT_DESCRIPTIONS))).toEqual([]);
    const defaults = settingPaths().map((path) => metaOf(path.split(".")).defaultText);
    expect(Object.keys(DEFAULTS_IN_CHINESE).filter((words) => !defaults.includes(words))).toEqual([]);
  });

  it("speaks of no setting that there is not", () => {
    const charts = new Set(Object.keys(chartKeys.read));
    const sections = knownKeys([]).filter((key) => knownKeys([key]).length > 0);
    // a program's own variables are called like sections of the settings
    const pages = ["README.md", "README.zh-CN.md", ...DOCS].filter((page) => page !== "docs/programs.md");
    const spoken = pages.flatMap((page) =>
      readMarkdown(read(page)).code.flatMap((code) => /^([a-z]+\.[\w.]+)(?::|=|$)/i.exec(code)?.[1] ?? []),
    );
    const wrong = spoken
      .filter((path) => sections.includes(path.split(".")[0]!))
      .filter((path) => !settingPaths().includes(path) && !(path in OUTPUT_DESCRIPTIONS))
      .filter((path) => !charts.has(path) && !path.startsWith("cilium.values."));
    expect(wrong).toEqual([]);
  });
});

describe("the documentation of outputs", () => {
  it("describes every output and every field", () => {
    const described = Object.keys(OUTPUT_DESCRIPTIONS);
    expect(described.filter((path) => /^\w+$/.test(path)).sort()).toEqual(Object.keys(OUTPUTS).sort());
    expect(described.filter((path) => OUTPUT_DESCRIPTIONS[path] === "")).toEqual([]);
  });
});

describe("the documentation of commands", () => {
  const all = verbs();

  it("has each command in Chinese, and a section of its own", () => {
    expect(Object.keys(COMMANDS_IN_CHINESE).sort()).toEqual(all.map(({ words }) => words).sort());
    const sections = COMMANDS.headings.flatMap(({ level, text }) => (level === 3 ? [text] : []));
    expect(sections).toEqual(all.map(({ words }) => words));
  });

  it("has each option that somebody could set", () => {
    const first = COMMANDS.tables.flatMap((rows) => rows.map(([cell]) => cell!.replaceAll("`", "")));
    for (const { command } of all) {
      for (const { flags } of command.options) expect(first).toContain(flags);
      expect(command.description()).not.toBe("");
    }
  });

  it("speaks of no option that there is not", () => {
    const own = all.flatMap(({ command }) => command.options.map(({ long }) => long));
    const spoken = ["README.md", "docs/commands.md", "docs/settings.md"].flatMap((page) =>
      readMarkdown(read(page)).code.flatMap((code) => /^(--[a-z-]+)/.exec(code)?.[1] ?? []),
    );
    expect(spoken.filter((option) => !own.includes(option))).toEqual([]);
  });

  it("shows checks that there are", () => {
    const shown = README.blocks.flatMap(({ text }) =>
      [...text.matchAll(/^ +([a-z-]+) +: "pass: /gm)].map(([, id]) => id!),
    );
    expect(shown.length).toBeGreaterThan(3);
    expect(shown.filter((id) => CHECKS.every((check) => check.id !== id))).toEqual([]);
  });
});

describe("the documentation of exit codes", () => {
  const cases: readonly (readonly [number, readonly string[]])[] = [
    [0, ["--help"]],
    [0, ["plan", "ebpf"]],
    [1, ["plan", "nosuch"]],
    [1, ["plan", "ebpf", "--set", "tunnel=gre"]],
    [2, ["plan"]],
    [2, ["nosuch"]],
    [2, ["plan", "ebpf", "--nosuch"]],
  ];
  const documented = Object.keys(EXIT_CODES).map(Number);

  it.each(cases)("is true of %i: cilium-modes %j", async (code, args) => {
    const silent = [
      jest.spyOn(console, "log").mockReturnValue(undefined),
      jest.spyOn(console, "error").mockReturnValue(undefined),
      jest.spyOn(process.stdout, "write").mockReturnValue(true),
      jest.spyOn(process.stderr, "write").mockReturnValue(true),
    ];
    const before = process.exitCode;
    try {
      process.exitCode = undefined;
      await main(args);
      expect(process.exitCode ?? 0).toBe(code);
    } finally {
      process.exitCode = before;
      for (const each of silent) each.mockRestore();
    }
  });

  it("has each that the command can have", () => {
    // an interruption is no case of its own here
    const own = [...cases.map(([code]) => code), ...Object.values(PROOF_EXIT_CODES), 130];
    expect([...new Set(own)].sort((left, right) => left - right)).toEqual(documented);
    const set = [...sources()].flatMap(([file, text]) =>
      file.startsWith("cli/") ? [...text.matchAll(/exitCode (?:\?\?)?= (.+);$/gm)].map(([, value]) => value!) : [],
    );
    expect(set.length).toBeGreaterThan(3);
    // commander's own codes other than 0 become 2
    expect([...new Set(set.filter((value) => !/^\d+$/.test(value)))]).toEqual([
      'await (await import("./verify")).verify(stack, options)',
      "error instanceof CommanderError ? error.exitCode && 2 : 1",
    ]);
    const numbers = set.filter((value) => /^\d+$/.test(value)).map(Number);
    expect([...new Set(numbers)].sort((left, right) => left - right)).toEqual([1, 130]);
  });

  it("says where it is part of a command's answer", () => {
    const telling = verbs(program()).filter(({ command }) => command.description().includes("exit code 1"));
    expect(telling.map(({ words }) => words)).toEqual(["doctor", "watch"]);
  });
});

describe("the figures of the READMEs", () => {
  const report = read("docs/comparisons/2026-11-22-modes.md");

  it("are those of the recorded comparison", () => {
    expect(report).toMatch(/25,116 rules in kubeproxy, 36 rules in replacement .* 31 rules in ebpf/);
    expect(report).toMatch(
      /a new Service answers a node after 2\.48 s in kubeproxy, 171 ms in replacement .* 197 ms in ebpf/,
    );
    for (const page of ["README.md", "README.zh-CN.md"]) {
      for (const figure of ["25,116", "36", "31", "2.48 s", "171 ms", "197 ms"]) expect(read(page)).toContain(figure);
    }
  });
});

describe("the documentation of the environment", () => {
  /** The system's, the engine's, and the inputs of the commands that a stack's resources run. */
  const OTHERS = /^(PATH|HOME|PULUMI_CONFIG_SECRET_KEYS|CILIUM_MODES_(?!KIND_URL).*)$/;
  const code = [...sources()].filter(([file]) => file !== "scripts/test.mjs");
  const table = COMMANDS.tables.find(([head]) => head![0] === "variable")!.slice(1);
  const documented = table.flatMap(([names]) => [...names!.matchAll(/`(\w+)`/g)].map(([, name]) => name!));

  it("has each variable that is read", () => {
    const reads = code.flatMap(([, text]) =>
      [...text.matchAll(/process\.env(?:\.|\[")([A-Z][A-Z_]+)/g)].map(([, name]) => name!),
    );
    expect(reads.filter((name) => !OTHERS.test(name) && !documented.includes(name))).toEqual([]);
  });

  it.each(documented)("has %s, which the code knows", (name) => {
    expect(code.filter(([, text]) => new RegExp(`\\b${name}\\b`).test(text)).length).toBeGreaterThan(0);
  });
});

describe("the messages in docs/troubleshooting.md", () => {
  const [own] = read("docs/troubleshooting.md").split("## What others say") as [string];
  const rows = readMarkdown(own).tables.flatMap((table) => table.slice(1));
  const code = [...sources().values()];

  it.each(rows.map(([message]) => message!))("are this project's: %s", (cell) => {
    const [, message] = /^`([^`]+)`$/.exec(cell) ?? [];
    const parts = message!.split("…").filter((part) => /\w\w/.test(part));
    // as they are composed somewhere: parts of one message stand in one file
    const found = code.some((text) => parts.every((part) => text.includes(part.trim())));
    expect([cell, found && parts.join("").length >= 10]).toEqual([cell, true]);
  });
});

describe.each(["README.md", "README.zh-CN.md", "SECURITY.md", "ARCHITECTURE.md", ...DOCS])(
  "the links of %s",
  (page) => {
    it("lead to what there is", () => {
      const broken = readMarkdown(read(page)).links.filter((link) => {
        if (/^https?:/.test(link)) return false;
        const [path, anchor] = link.split("#") as [string, string?];
        const target = path === "" ? page : join(dirname(page), path);
        if (!existsSync(join(ROOT, target))) return true;
        return (
          anchor !== undefined && !readMarkdown(read(target)).headings.some(({ text }) => anchorOf(text) === anchor)
        );
      });
      expect(broken).toEqual([]);
    });
  },
);
