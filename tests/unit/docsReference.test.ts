import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { PROOF_EXIT_CODES } from "../../cli/verificationText";
import { CHECKS } from "../../datapath/checks/all";
import chartKeys from "../../modes/chartKeys.json";
import { OUTPUT_DESCRIPTIONS } from "../../outputs";
import { EXIT_CODES } from "../../scripts/readme/commands";
import { PAGES, verbs, withParts } from "../../scripts/readme/tables";
import { defaultOf, knownKeys, metaOf, settingPaths } from "../../settings/schemaPaths";
import { cli } from "../support/cli";
import { readMarkdown } from "../support/markdown";
import { OUTPUTS } from "../support/outputs";
import { sources } from "./support/sources";

// it is an ES module, which jest cannot load here
jest.mock("@kubernetes/client-node", () => ({}));

const ROOT = join(__dirname, "../..");
const read = (file: string) => readFileSync(join(ROOT, file), "utf8");
const DOCS = readdirSync(join(ROOT, "docs")).flatMap((file) => (file.endsWith(".md") ? [`docs/${file}`] : []));

describe("generated parts", () => {
  it.each(PAGES)("the tables of %s are current; if not, run: npx tsx scripts/readme-tables.ts", (page) => {
    expect(read(page)).toBe(withParts(read(page)));
  });

  const parts = { one: () => "1", two: () => "2" };
  const page = (first: string, last = first) => `a\n\n<!-- ${first} -->\n\nold\n\n<!-- /${last} -->\n\nb\n`;

  it("parts are replaced between their marks, and a second time nothing changes", () => {
    const once = withParts(page("one") + page("two"), parts);
    expect(once).toBe(page("one").replace("old", "1") + page("two").replace("old", "2"));
    expect(withParts(once, parts)).toBe(once);
  });

  it("unknown parts and parts without an end are refused", () => {
    expect(() => withParts(page("three"), parts)).toThrow("There is no part three; known parts are one, two");
    expect(() => withParts(page("one", "two"), parts)).toThrow("The part one has no end");
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

  it("the pages name only settings and Helm values that exist", () => {
    const charts = new Set(Object.keys(chartKeys.read));
    const sections = knownKeys([]).filter((key) => knownKeys([key]).length > 0);
    // variables of programs have the names of sections
    const named = ["README.md", ...DOCS]
      .filter((name) => name !== "docs/programs.md")
      .flatMap((name) => readMarkdown(read(name)).code)
      .flatMap((code) => /^([a-z]+\.[\w.]+)(?::|=|$)/i.exec(code)?.[1] ?? [])
      .filter((path) => sections.includes(path.split(".")[0]!));
    expect(named.length).toBeGreaterThan(20);
    const unknown = named.filter(
      (path) => !settingPaths().includes(path) && !charts.has(path) && !path.startsWith("cilium.values."),
    );
    expect(unknown.filter((path) => !(path in OUTPUT_DESCRIPTIONS))).toEqual([]);
  });
});

describe("the documentation of outputs", () => {
  it("describes every output and every field", () => {
    const described = Object.keys(OUTPUT_DESCRIPTIONS);
    expect(described.filter((path) => /^\w+$/.test(path)).sort()).toEqual(Object.keys(OUTPUTS).sort());
    expect(described.filter((path) => OUTPUT_DESCRIPTIONS[path] === "")).toEqual([]);
  });
});

describe("commands", () => {
  const all = verbs();
  const { headings, tables } = readMarkdown(read("docs/commands.md"));

  it("every command has a section, and a description", () => {
    const sections = headings.flatMap(({ level, text }) => (level === 2 ? [text] : []));
    const missing = all.filter(({ words }) => !sections.includes(words.split(" ")[0]!));
    expect(missing.map(({ words }) => words)).toEqual([]);
    for (const { command } of all) expect(command.description()).not.toBe("");
  });

  it("the pages name only options that exist", () => {
    const own = all.flatMap(({ command }) => command.options.map(({ long }) => long));
    const spoken = ["README.md", "docs/commands.md", "docs/settings.md", "docs/drill.md"].flatMap((page) =>
      readMarkdown(read(page)).code.flatMap((code) => /^(--[a-z\d-]+)/.exec(code)?.[1] ?? []),
    );
    expect(spoken.filter((option) => ![...own, "--help"].includes(option))).toEqual([]);
  });

  it("the README's output shows checks that exist", () => {
    const shown = readMarkdown(read("README.md")).blocks.flatMap(({ text }) =>
      [...text.matchAll(/^PASS +([a-z-]+) /gm)].map(([, id]) => id!),
    );
    expect(shown.length).toBeGreaterThan(2);
    expect(shown.filter((id) => CHECKS.every((check) => check.id !== id))).toEqual([]);
  });

  it("every environment variable that the code reads is documented", () => {
    /** Of the system, npm and the engine, and inputs of the commands that a stack's resources run. */
    const internal = /^(PATH|HOME|INIT_CWD|PULUMI_CONFIG_SECRET_KEYS|CILIUM_MODES_(?!KIND_URL|TIMINGS$).*)$/;
    const table = tables.find(([head]) => head![0] === "variable")!.slice(1);
    const documented = table.flatMap(([names]) => [...names!.matchAll(/`(\w+)`/g)].map(([, name]) => name!));
    const inCode = [...sources()].flatMap(([file, text]) =>
      file === "scripts/test.mjs"
        ? []
        : [...text.matchAll(/process\.env(?:\.|\[")([A-Z][A-Z_]+)/g)].map(([, name]) => name!),
    );
    expect(inCode.filter((name) => !internal.test(name) && !documented.includes(name))).toEqual([]);
  });
});

describe("exit codes", () => {
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

  it.each(cases)("the exit code is %i, as documented: cilium-modes %j", async (code, args) => {
    expect((await cli(...args)).code).toBe(code);
  });

  it("every exit code of verify is documented", () => {
    const documented = Object.keys(EXIT_CODES).map(Number);
    expect(Object.values(PROOF_EXIT_CODES).filter((code) => !documented.includes(code))).toEqual([]);
  });
});

describe("messages", () => {
  it("docs/troubleshooting.md quotes only messages that the code has", () => {
    const [own] = read("docs/troubleshooting.md").split("## Messages of other tools");
    const quoted = readMarkdown(own!).tables.flatMap((table) =>
      table.slice(1).flatMap(([cell]) => /^`([^`]+)`$/.exec(cell!)?.[1] ?? []),
    );
    expect(quoted.length).toBeGreaterThan(20);
    const code = [...sources().values()];
    const partsOf = (message: string) => message.split("…").filter((part) => /\w\w/.test(part));
    // the parts of a message are in one file
    const isKnown = (message: string) =>
      code.some((text) => partsOf(message).every((part) => text.includes(part.trim())));
    expect(quoted.filter((message) => !isKnown(message))).toEqual([]);
  });
});
