import type { Command } from "commander";
import { parse as parseYaml } from "yaml";
import { z } from "zod";
import { conditionOf } from "../../cli/drillText";
import { program } from "../../cli/main";
import { planStack } from "../../cli/stackPlan";
import { readStackFile } from "../../cli/stackFile";
import { summary } from "../../cli/planText";
import { FAULT_CLASSES } from "../../datapath/causes";
import { FAULTS } from "../../datapath/faults/catalogue";
import { CHECKS } from "../../datapath/checks/all";
import { COVERAGE, SHAPES, type Flow } from "../../datapath/evidence/coverage";
import { DEFAULT_RELEASE, RELEASES } from "../../modes/releases";
import { SCENARIOS } from "../../modes/tracePaths";
import { OUTPUT_DESCRIPTIONS } from "../../outputs";
import { defaultOf, knownKeys, metaOf, schemaAt, settingPaths, unwrap } from "../../settings/schema";
import { stackSchema } from "../../settings/stackSchema";
import { DEFAULTS_IN_CHINESE, OUTPUTS_IN_CHINESE, SETTINGS_IN_CHINESE } from "./chinese";
import { COMMANDS_IN_CHINESE, EXIT_CODES } from "./commands";
import { continuityRows } from "./continuity";
import type { Language, Words } from "./words";

/** The pages with parts that are written from the code, and their languages. */
export const PAGES: Readonly<Record<string, Language>> = {
  "README.md": "en",
  "README.zh-CN.md": "zh",
  "docs/commands.md": "en",
  "docs/continuity.md": "en",
  "docs/drill.md": "en",
  "docs/settings.md": "en",
};

/** What a page has between `<!-- name -->` and `<!-- /name -->`, by name. */
type Parts = Readonly<Record<string, (language: Language) => string>>;

/** The parts of pages that are written from the code. */
const PARTS: Parts = {
  settings: settingsTable,
  outputs: outputsTable,
  commands: commandsTable,
  "exit-codes": exitCodesTable,
  releases: releasesTable,
  reference,
  checks: () =>
    table(
      ["check", "asks"],
      CHECKS.map(({ id, question }) => [code(id), question]),
    ),
  coverage: () =>
    table(
      ["from", "to", ...SHAPES.map((shape) => shape.replace("/", " ")), "why not the others"],
      Object.values(COVERAGE as Readonly<Record<string, Flow>>).map(({ from, to, shapes, omitted }) => [
        from,
        to.replaceAll("-", " "),
        ...SHAPES.map((shape) => (shapes.includes(shape) ? "yes" : "–")),
        omitted ?? "",
      ]),
    ),
  scenarios: () =>
    table(
      ["scenario", ""],
      Object.entries(SCENARIOS).map(([id, words]) => [code(id), words]),
    ),
  continuity: () => table(["change", "flow", "probes lost", "longest gap", "kept connection broken"], continuityRows()),
  faults: faultTables,
  "faults-count": () => `The catalogue has ${FAULTS.length} faults in ${FAULT_CLASSES.length} classes.`,
  plan: () => fence("text", `$ npx cilium-modes plan ebpf\n${planned("ebpf")}`),
};

/** A page with its parts written anew. @throws Error when it has a part that is not known, or one without an end */
export function withParts(page: string, language: Language, parts: Parts = PARTS): string {
  const named = page.match(/^<!-- \/?[a-z-]+ -->$/gm) ?? [];
  for (let index = 0; index < named.length; index += 2) {
    const name = /[a-z-]+/.exec(named[index]!.slice(4))![0];
    if (parts[name] === undefined)
      throw new Error(`There is no part ${name}; known are ${Object.keys(parts).join(", ")}`);
    if (named[index + 1] !== `<!-- /${name} -->`) throw new Error(`The part ${name} has no end`);
  }
  return page.replace(
    /^<!-- ([a-z-]+) -->\n[^]*?^<!-- \/\1 -->$/gm,
    (_, name: string) => `<!-- ${name} -->\n\n${parts[name]!(language)}\n\n<!-- /${name} -->`,
  );
}

/** The JSON Schema of stack files, as the repository has it. */
export function stackSchemaText(): string {
  return `${JSON.stringify(stackSchema("cilium-modes"), undefined, 2)}\n`;
}

function settingsTable(language: Language): string {
  const rows = leafSettings().flatMap((path) => (language === "en" ? settingRows(path) : chineseRows(path)));
  return table({ en: ["setting", "default", "meaning"], zh: ["设置", "默认值", "含义"] }[language], rows);
}

/** A setting, and the fields of its elements. */
function settingRows(path: string, shownPath = path): string[][] {
  const steps = path.split(".");
  const { description, defaultText } = metaOf(steps);
  // any step leads to a list's or a record's elements
  const fields = knownKeys([...steps, ELEMENT]);
  const elements = `${shownPath}${unwrap(schemaAt(steps)!) instanceof z.ZodRecord ? ".<host>" : "[]"}`;
  return [
    [code(shownPath), defaultText ?? code(settingText(defaultOf(steps))), description],
    ...fields.flatMap((field) => settingRows(`${path}.${ELEMENT}.${field}`, `${elements}.${field}`)),
  ];
}

const ELEMENT = "0";

/** The row of a setting, or of the section with its Chinese text, before the section's first setting. */
function chineseRows(path: string): string[][] {
  const known = Object.keys(SETTINGS_IN_CHINESE).find((each) => `${path}.`.startsWith(`${each}.`));
  if (known === undefined) return settingRows(path);
  if (leafSettings().find((leaf) => leaf.startsWith(`${known}.`) || leaf === known) !== path) return [];
  const { defaultText } = metaOf(known.split("."));
  const fallback = defaultText === undefined ? code(settingText(defaultOf(known.split(".")))) : defaultText;
  return [[code(known), DEFAULTS_IN_CHINESE[fallback] ?? fallback, SETTINGS_IN_CHINESE[known]!]];
}

/** The settings that hold values, without the sections. */
function leafSettings(): string[] {
  const all = settingPaths();
  return all.filter((path) => !all.some((other) => other.startsWith(`${path}.`)));
}

/** A value as `Pulumi.<stack>.yaml` has it. */
function settingText(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value);
  return typeof parseYaml(value) === "string" ? value : JSON.stringify(value);
}

function outputsTable(language: Language): string {
  const rows =
    language === "en"
      ? Object.entries(OUTPUT_DESCRIPTIONS)
      : Object.entries(OUTPUT_DESCRIPTIONS)
          .filter(([path]) => /^\w+$/.test(path))
          .map(([path, description]) => [path, OUTPUTS_IN_CHINESE[path] ?? description] as const);
  return table(
    { en: ["output", "meaning"], zh: ["输出", "含义"] }[language],
    rows.map(([path, description]) => [code(path), description]),
  );
}

/** A command that users call, with the words before its arguments. */
export interface Verb {
  readonly words: string;
  readonly command: Command;
}

/** The commands that can be called, those of groups by both words. */
export function verbs(command = program(), words = ""): Verb[] {
  // a command that is hidden has no other sign of it
  const visible = command.createHelp().visibleCommands(command);
  return visible
    .filter((each) => each.name() !== "help")
    .flatMap((each) => {
      const whole = `${words} ${each.name()}`.trim();
      return each.commands.length > 0 ? verbs(each, whole) : [{ words: whole, command: each }];
    });
}

/** The verb with its arguments, as `--help` shows them. */
function usage({ words, command }: Verb): string {
  const named = command.registeredArguments.map((argument) => {
    const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  return [words, ...named].join(" ");
}

function commandsTable(language: Language): string {
  const rows = verbs().map((verb) => {
    const words = language === "en" ? verb.command.description() : COMMANDS_IN_CHINESE[verb.words];
    if (words === undefined) throw new Error(`scripts/readme/commands.ts has no Chinese words for ${verb.words}`);
    return [code(usage(verb)), words];
  });
  return table({ en: ["`npx cilium-modes …`", "what it does"], zh: ["`npx cilium-modes …`", "用途"] }[language], rows);
}

function exitCodesTable(language: Language): string {
  const rows = Object.entries(EXIT_CODES).map(([number, words]) => [number, words[language]]);
  return table({ en: ["exit code", "meaning"], zh: ["退出码", "含义"] }[language], rows);
}

function releasesTable(language: Language): string {
  const notes: Readonly<Record<string, Words>> = {
    [DEFAULT_RELEASE]: { en: "default", zh: "默认" },
    "1.13": { en: "as in the articles", zh: "与文章相同" },
    "1.12": { en: "as in the articles", zh: "与文章相同" },
  };
  const rows = Object.entries(RELEASES).map(([name, { cilium, kubernetes }]) => [
    code(`"${name}"`),
    cilium,
    kubernetes,
    notes[name]?.[language] ?? "",
  ]);
  return table(["`release`", "Cilium", "Kubernetes", ""], rows);
}

/** Every command with its arguments and options. */
function reference(): string {
  return verbs()
    .map((verb) => {
      const { command } = verb;
      const rows = [
        ...command.registeredArguments.map((argument) => [
          code(argument.name()),
          argument.defaultValue === undefined ? "" : code(String(argument.defaultValue)),
          argument.description,
        ]),
        ...command.options.map((option) => [
          code(option.flags),
          option.defaultValue === undefined || option.negate ? "" : code(String(option.defaultValue)),
          option.description,
        ]),
      ];
      return [
        `### ${verb.words}`,
        "",
        fence("text", `npx cilium-modes ${usage(verb)} [options]`),
        "",
        `${sentence(command.description())}.`,
        "",
        table(["argument or option", "default", "meaning"], rows),
      ].join("\n");
    })
    .join("\n\n");
}

/** The faults of every class, with what a user sees of them and the causes that explain them. */
function faultTables(): string {
  return FAULT_CLASSES.map((kind) => {
    const rows = FAULTS.filter((fault) => fault.class === kind).map((fault) => [
      code(fault.name),
      fault.title,
      fault.teaches,
      fault.expect.map(code).join(", "),
      conditionOf(fault),
    ]);
    return `### ${kind}\n\n${table(["fault", "broken", "what you see", "expected cause", "only with"], rows)}`;
  }).join("\n\n");
}

function planned(stack: string): string {
  return summary(stack, planStack(readStackFile(stack).settings));
}

const sentence = (words: string) => `${words[0]!.toUpperCase()}${words.slice(1)}`;

/** Text as code in a cell of a table. */
const code = (text: string) => `\`${text.replaceAll("|", "\\|")}\``;

function fence(language: string, text: string): string {
  return `\`\`\`${language}\n${text}\n\`\`\``;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`.replace(/ +\|/g, " |"))
    .join("\n");
}
