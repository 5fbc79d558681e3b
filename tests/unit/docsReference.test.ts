import { PROOF_EXIT_CODES } from "../../cli/verificationText";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { main, program } from "../../cli/main";
import { CHECKS } from "../../datapath/checks/all";
import chartKeys from "../../modes/chartKeys.json";
import { parseStackOutputs, SCHEMA_VERSION } from "../../outputs";
import { COMMANDS_IN_CHINESE, EXIT_CODES } from "../../scripts/readme/commands";
import { OUTPUT_WORDS } from "../../scripts/readme/outputs";
import { SETTING_WORDS } from "../../scripts/readme/settings";
import { leafSettings, PAGES, verbs, withParts } from "../../scripts/readme/tables";
import { LANGUAGES } from "../../scripts/readme/words";
import { knownKeys, schemaFor, settingPaths } from "../../settings/schema";
import { OUTPUTS } from "../support/outputs";
import { anchorOf, readMarkdown } from "../support/markdown";
import { sources } from "./support/sources";

// it is an ES module, which jest cannot load here
jest.mock("@kubernetes/client-node", () => ({}));

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
  const documented = Object.keys(SETTING_WORDS);
  const covers = (path: string, leaf: string) => `${leaf}.`.startsWith(`${path}.`);

  it("has each setting once, and none that there is not", () => {
    expect(documented.filter((path) => !settingPaths().includes(path))).toEqual([]);
    const times = leafSettings().map((leaf) => [leaf, documented.filter((path) => covers(path, leaf)).length]);
    expect(times).toEqual(leafSettings().map((leaf) => [leaf, 1]));
  });

  it.each(documented)("names everything that %s holds", (path) => {
    const steps = path.split(".");
    // of a list or a table of one's own names, what each of its members holds
    for (const key of [...knownKeys(steps), ...knownKeys([...steps, "0"])]) {
      for (const language of LANGUAGES) expect(SETTING_WORDS[path]![language]).toMatch(new RegExp(`\\b${key}\\b`));
    }
  });

  it.each(documented)("has a word for the default of %s exactly where the schema has no value", (path) => {
    const parsed = schemaFor({ project: "p", stack: "s" }).parse({}) as unknown;
    const value = path
      .split(".")
      .reduce((inner, step) => (inner as Record<string, unknown> | undefined)?.[step], parsed);
    const isOpen = value === undefined || knownKeys(path.split(".")).length > 0;
    expect([path, SETTING_WORDS[path]!.otherwise !== undefined]).toEqual([path, isOpen]);
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
      .filter((path) => !settingPaths().includes(path) && !charts.has(path) && !path.startsWith("cilium.values."));
    expect(wrong).toEqual([]);
  });
});

describe("the documentation of outputs", () => {
  it("has each output, and none that there is not", () => {
    let missing: string[] = [];
    try {
      parseStackOutputs("s", { schemaVersion: SCHEMA_VERSION, mode: "ebpf" });
    } catch (error) {
      missing = [...(error as Error).message.matchAll(/^ {2}- (\w+): is missing$/gm)].map(([, name]) => name!);
    }
    expect([...missing, "schemaVersion", "mode"].sort()).toEqual(Object.keys(OUTPUT_WORDS).sort());
  });

  it.each(Object.entries(OUTPUT_WORDS))("names what %s holds", (name, words) => {
    const value = [OUTPUTS[name as keyof typeof OUTPUTS]].flat()[0];
    const keys = typeof value === "object" && value !== null ? Object.keys(value) : [];
    for (const language of LANGUAGES) {
      const named = readMarkdown(words[language]).code;
      expect(keys.filter((key) => !named.includes(key))).toEqual([]);
    }
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
    [2, ["plan", "ebpf", "kubeproxy"]],
    [2, ["plan", "ebpf", "--set", "tunnel"]],
    [2, ["trace", "ebpf", "--scenario", "nosuch"]],
    [2, ["verify", "ebpf", "--only", "nosuch"]],
    [2, ["verify", "--kubeconfig", "nosuch", "--expect", "nosuch"]],
    [2, ["verify"]],
    [2, ["observe", "ebpf", "--last", "many"]],
    [2, ["watch", "ebpf", "--interval-ms", "1"]],
    [2, ["compare", "--rounds", "0"]],
    [2, ["hubble-ui", "ebpf", "--port", "-1"]],
    [2, ["env", "ebpf", "--shell", "nosuch"]],
    [2, ["up"]],
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
      "error instanceof CommanderError ? error.exitCode && 2 : error instanceof UsageError ? 2 : 1",
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
