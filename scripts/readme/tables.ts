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
import { defaultOf, knownKeys, metaOf, schemaAt, settingPaths, unwrap } from "../../settings/schemaPaths";
import { stackSchema } from "../../settings/stackSchema";
import { EXIT_CODES } from "./commands";
import { continuityRows } from "./continuity";
import { readScale, scaleSubject, scaleTable } from "./scale";

/** The pages that have parts generated from the code. */
export const PAGES = [
  "docs/alternatives.md",
  "docs/commands.md",
  "docs/continuity.md",
  "docs/drill.md",
  "docs/programs.md",
  "docs/settings.md",
];

/** What generates the text between `<!-- name -->` and `<!-- /name -->`, by name. */
type Parts = Readonly<Record<string, () => string>>;

const PARTS: Parts = {
  settings: settingsTable,
  outputs: outputsTable,
  commands: commandsTable,
  "exit-codes": exitCodesTable,
  releases: releasesTable,
  reference,
  checks: () =>
    table(
      ["check", "question"],
      CHECKS.map(({ id, question }) => [code(id), question]),
    ),
  coverage: () =>
    table(
      ["from", "to", ...SHAPES.map((shape) => shape.replace("/", " ")), "why not every kind"],
      Object.values(COVERAGE as Readonly<Record<string, Flow>>).map(({ from, to, shapes, omitted }) => [
        from,
        to.replaceAll("-", " "),
        ...SHAPES.map((shape) => (shapes.includes(shape) ? "yes" : "–")),
        omitted ?? "",
      ]),
    ),
  scenarios: () =>
    table(
      ["scenario", "traffic"],
      Object.entries(SCENARIOS).map(([id, words]) => [code(id), words]),
    ),
  continuity: () => table(["change", "flow", "probes lost", "longest gap", "kept connection broken"], continuityRows()),
  scale,
  faults: faultTables,
  "faults-count": () => `The catalogue has ${FAULTS.length} faults in ${FAULT_CLASSES.length} classes.`,
  plan: () => fence("text", `$ npx cilium-modes plan ebpf\n${planned("ebpf")}`),
};

/** The published run of `bench/scale.ts`. */
function scale(): string {
  const results = readScale();
  if (results === undefined) return "Not measured yet.";
  const { head, rows } = scaleTable(results);
  return [scaleSubject(results), table(head, rows), "![Time by the number of nodes](scale.svg)"].join("\n\n");
}

/** A page with its generated parts up to date. @throws Error for an unknown part, and for one without an end */
export function withParts(page: string, parts: Parts = PARTS): string {
  const named = page.match(/^<!-- \/?[a-z-]+ -->$/gm) ?? [];
  for (let index = 0; index < named.length; index += 2) {
    const name = /[a-z-]+/.exec(named[index]!.slice(4))![0];
    if (parts[name] === undefined)
      throw new Error(`There is no part ${name}; known parts are ${Object.keys(parts).join(", ")}`);
    if (named[index + 1] !== `<!-- /${name} -->`) throw new Error(`The part ${name} has no end`);
  }
  return page.replace(
    /^<!-- ([a-z-]+) -->\n[^]*?^<!-- \/\1 -->$/gm,
    (_, name: string) => `<!-- ${name} -->\n\n${parts[name]!()}\n\n<!-- /${name} -->`,
  );
}

/** The JSON Schema of stack files, as the repository has it. */
export function stackSchemaText(): string {
  return `${JSON.stringify(stackSchema("cilium-modes"), undefined, 2)}\n`;
}

function settingsTable(): string {
  return table(
    ["setting", "default", "meaning"],
    leafSettings().flatMap((path) => settingRows(path)),
  );
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

/** The settings that hold values, without the sections. */
function leafSettings(): string[] {
  const all = settingPaths();
  return all.filter((path) => !all.some((other) => other.startsWith(`${path}.`)));
}

/** A value as it is written in `Pulumi.<stack>.yaml`. */
function settingText(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value);
  return typeof parseYaml(value) === "string" ? value : JSON.stringify(value);
}

function outputsTable(): string {
  const rows = Object.entries(OUTPUT_DESCRIPTIONS).map(([path, description]) => [code(path), description]);
  return table(["output", "meaning"], rows);
}

/** A command for users, with the words before its arguments. */
export interface Verb {
  readonly words: string;
  readonly command: Command;
}

/** All commands for users; those of a group have two words. */
export function verbs(command = program(), words = ""): Verb[] {
  // commander does not show in another way which commands are hidden
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

function commandsTable(): string {
  const rows = verbs().map((verb) => [code(usage(verb)), sentence(verb.command.description())]);
  return table(["`npx cilium-modes …`", "purpose"], rows);
}

function exitCodesTable(): string {
  return table(["exit code", "meaning"], Object.entries(EXIT_CODES));
}

function releasesTable(): string {
  const notes: Readonly<Record<string, string>> = {
    [DEFAULT_RELEASE]: "default",
    "1.13": "as in articles 000 and 001",
    "1.12": "as in article 002",
  };
  const rows = Object.entries(RELEASES).map(([name, { cilium, kubernetes }]) => [
    code(`"${name}"`),
    cilium,
    kubernetes,
    notes[name] ?? "",
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

/** The faults of each class, with their visible effects and the causes that explain them. */
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
