import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { program } from "../../cli/main";
import { knownStacks } from "../../cli/stackFile";
import { CHECKS } from "../../datapath/checks/all";
import { ALL_MODES, TUNNELS } from "../../modes/contract";
import { SCENARIOS } from "../../modes/tracePaths";
import { verbs } from "../../scripts/readme/tables";
import { bash } from "../support/bash";
import { cli } from "../support/cli";
import { readMarkdown } from "../support/markdown";
import { shellCommands, type ShellCommand } from "../support/shell";

const ROOT = join(__dirname, "../..");
const read = (file: string) => readFileSync(join(ROOT, file), "utf8");
const PAGES = [
  ...["README.md", "README.zh-CN.md", "CONTRIBUTING.md", "SECURITY.md"],
  ...readdirSync(join(ROOT, "docs")).flatMap((file) => (file.endsWith(".md") ? [`docs/${file}`] : [])),
  ...readdirSync(join(ROOT, "examples")).map((name) => `examples/${name}/README.md`),
];

/** The shell scripts that readers would paste, with their pages. */
const SCRIPTS = PAGES.flatMap((page) =>
  readMarkdown(read(page)).blocks.flatMap(({ language, text }) => (language === "sh" ? [{ page, text }] : [])),
);

/** The lines that need no cluster and no network, and change nothing. */
const RUNNABLE = new Set(
  SCRIPTS.flatMap(({ text }) => text.trimEnd().split("\n"))
    .map((line) => line.replace(/\s+# .*$/, ""))
    .filter((line) => /^(source <\()?npx cilium-modes (plan|complete|drill --list|compare --from)\b/.test(line)),
);

/** Whether a command has nothing for a shell to do. */
const isPlain = (line: string) => /^npx cilium-modes [\w ./=-]+$/.test(line);

describe("the commands of the documentation", () => {
  const [plain, others] = [[...RUNNABLE].filter(isPlain), [...RUNNABLE].filter((line) => !isPlain(line))];
  // what bash has no part in needs no process of its own
  it.each(plain)("a documented command succeeds: %s", async (line) => {
    const { code, out, err } = await cli(...line.split(" ").slice(2));
    expect([code, err]).toEqual([0, ""]);
    expect(out.split("\n").length).toBeGreaterThan(5);
  });
  it.each([...others, "npx cilium-modes plan ebpf"])("a documented command succeeds in bash: %s", (line) => {
    const { status, stdout, stderr } = bash(line, ROOT, { ...process.env, NO_COLOR: "1" });
    expect([status, stderr]).toEqual([0, ""]);
    if (!line.startsWith("source ")) expect(stdout.split("\n").length).toBeGreaterThan(5);
  });

  const commands = SCRIPTS.flatMap(({ page, text }) => shellCommands(text).map((command) => ({ page, command })));
  it.each([...new Map(commands.map((each) => [`${each.page}: ${each.command.join(" ")}`, each]))])(
    "a documented command is valid: %s",
    (_name, { command }) => {
      expect(problemOf(command)).toBeUndefined();
    },
  );

  // CONTRIBUTING.md names modes and checks that do not exist yet
  const named = PAGES.filter((page) => page !== "CONTRIBUTING.md").flatMap((page) =>
    readMarkdown(read(page)).code.flatMap((code) => {
      const script = code.replaceAll("<stack>", "ebpf");
      const isCommand = /^(npx cilium-modes|npx tsx|npm run|npm run pulumi --|pulumi) [a-z]/.test(script);
      return isCommand && script !== "npm run pulumi" && !/[…<]/.test(script) ? [[page, script] as const] : [];
    }),
  );
  it.each([...new Map(named.map((each) => [each.join(": "), each])).values()])(
    "a command in the text of %s is valid: %s",
    (_page, script) => {
      expect(shellCommands(script).map((command) => problemOf(command))).toEqual(
        shellCommands(script).map(() => undefined),
      );
    },
  );

  it("every example in the commands' help is valid", () => {
    const shown = [program(), ...program().commands].flatMap(helpOf).flatMap(shellCommands);
    expect(shown.length).toBeGreaterThan(15);
    const called = shown.map((command) => (command[0] === "cilium-modes" ? ["npx", ...command] : command));
    expect(called.map((command) => [command, problemOf(command)])).toEqual(
      called.map((command) => [command, undefined]),
    );
  });
});

describe("the check of the documentation's commands", () => {
  it.each([
    ["npx cilium-modes plna ebpf", "there is no verb plna"],
    ["npx cilium-modes plan", "takes 1 or more arguments, got 0"],
    ["npx cilium-modes trace ebpf kubeproxy", "takes 1 argument, got 2"],
    ["npx cilium-modes plan ebpf --valuse", "has no --valuse"],
    ["npx cilium-modes verify ebpf --only", "argument missing"],
    ["npx cilium-modes plan ebfp", "there is no stack ebfp"],
    ["npx cilium-modes trace ebpf --scenario clsuterip", "--scenario has no clsuterip"],
    ["npm run biuld", "there is no script biuld"],
    ["npm run pulumi -- stack otuput -s ebpf", "pulumi stack has no otuput"],
    ["pulumi up -s ebpf --skip-everything", "pulumi up has no --skip-everything"],
    ["npx tsx scripts/nosuch.ts", "there is no scripts/nosuch.ts"],
    ["helmm install", "there is no program helmm"],
  ])("an invalid command is refused: %s", (script, problem) => {
    expect(shellCommands(script).map((command) => problemOf(command))).toEqual([expect.stringContaining(problem)]);
  });

  it("a script is split into its commands", () => {
    expect(shellCommands(`(umask 077; a -s "b c" > f)\nX=1 d "$(e 'f | g' | h)" # i; j\nk && source <(l m)`)).toEqual([
      ["umask", "077"],
      ["a", "-s", "b c"],
      ["d", "$(e 'f | g' | h)"],
      ["k"],
      ["source", "<(l m)"],
      ["e", "f | g"],
      ["h"],
      ["l", "m"],
    ]);
    expect(() => shellCommands("a 'b")).toThrow("a quote stays open");
    expect(() => shellCommands("a $(b")).toThrow("a parenthesis stays open");
  });
});

/** Other programs, whose arguments are not checked. */
const OTHERS = [
  "cd",
  "cp",
  "curl",
  "docker",
  "echo",
  "eval",
  "export",
  "helm",
  "jq",
  "kubectl",
  "ls",
  "mkdir",
  "source",
  "umask",
];

/** Stacks in examples that this checkout does not have. */
const EXAMPLE_STACKS = ["dsr", "dual", "vxlan"];

/** Pulumi's commands, with the options that the documentation uses. */
const PULUMI: Readonly<Record<string, readonly string[]>> = {
  cancel: ["-s"],
  "config set": ["-s", "--path", "--secret"],
  destroy: ["-s", "--yes", "--remove"],
  "package add": [],
  preview: ["-s", "--policy-pack", "--expect-no-changes"],
  refresh: ["-s"],
  "stack init": [],
  "stack output": ["-s", "--json", "--show-secrets"],
  "stack select": ["--create"],
  up: ["-s"],
};

const NPM_SCRIPTS = (JSON.parse(read("package.json")) as { scripts: Readonly<Record<string, string>> }).scripts;

/** Why a command of a page cannot be called; undefined if it can. */
function problemOf([name, ...args]: ShellCommand): string | undefined {
  const gone = args.find(
    (word) => /^(docs|examples|policies|scripts|tests)\//.test(word) && !existsSync(join(ROOT, word)),
  );
  if (gone !== undefined) return `there is no ${gone}`;
  if (name === "npm") return npmProblem(args);
  if (name === "pulumi") return pulumiProblem(args);
  if (name === "npx" && args[0] === "cilium-modes") return ownProblem(args.slice(1));
  if (name === "npx") return args[0] === "tsx" ? undefined : `there is no program npx ${args[0]}`;
  return OTHERS.includes(name!) ? undefined : `there is no program ${name}`;
}

function npmProblem([verb, ...args]: readonly string[]): string | undefined {
  if (["ci", "init", "install", "pack"].includes(verb!)) return undefined;
  const words = args.filter((word) => word !== "--silent");
  const script = verb === "run" ? words.shift()! : verb!;
  if (NPM_SCRIPTS[script] === undefined) return `there is no script ${script}`;
  const rest = words.slice(words.indexOf("--") + 1);
  return script === "pulumi" ? pulumiProblem(rest) : undefined;
}

function pulumiProblem([...args]: readonly string[]): string | undefined {
  if (args[0] === "-C") args.splice(0, 2);
  const known = Object.keys(PULUMI);
  const verb = known.find((each) => `${args.join(" ")} `.startsWith(`${each} `));
  if (verb === undefined) return `pulumi ${args[0]} has no ${args[1]}`;
  const options = args.filter((word) => word.startsWith("-"));
  const unknown = options.filter((option) => !PULUMI[verb]!.includes(option));
  return unknown.length === 0 ? undefined : `pulumi ${verb} has no ${unknown.join(", ")}`;
}

function ownProblem(args: readonly string[]): string | undefined {
  const verb = verbs(silent()).find(({ words }) => `${args.join(" ")} `.startsWith(`${words} `));
  if (verb === undefined) return `there is no verb ${args[0]}`;
  const { command, words } = verb;
  let parsed: ReturnType<Command["parseOptions"]>;
  try {
    parsed = command.parseOptions(args.slice(words.split(" ").length) as string[]);
  } catch (error) {
    return (error as Error).message;
  }
  if (parsed.unknown.length > 0) return `${words} has no ${parsed.unknown.join(", ")}`;
  const { registeredArguments } = command;
  const least = registeredArguments.filter(({ required }) => required).length;
  const most = registeredArguments.some(({ variadic }) => variadic) ? Infinity : registeredArguments.length;
  const { operands } = parsed;
  if (operands.length < least || operands.length > most) {
    const counts = most === Infinity ? `${least} or more arguments` : `${most} argument${most === 1 ? "" : "s"}`;
    return `${words} takes ${counts}, got ${operands.length}`;
  }
  return valueProblem(command, operands);
}

/** The commands; their usage errors are thrown and not printed. */
function silent(): Command {
  const command = program();
  const quiet = (each: Command) => {
    each.configureOutput({ writeErr: () => undefined });
    each.commands.forEach(quiet);
  };
  quiet(command);
  return command;
}

/** Why a name among a command's arguments is wrong. */
function valueProblem(command: Command, operands: readonly string[]): string | undefined {
  const options = command.opts<Readonly<Record<string, unknown>>>();
  const named = command.registeredArguments.flatMap((argument, index) =>
    /^stacks?$/.test(argument.name()) ? (argument.variadic ? operands.slice(index) : (operands[index] ?? [])) : [],
  );
  const compared = typeof options["compare"] === "string" ? options["compare"].split(",") : [];
  const stacks = [...knownStacks(), ...EXAMPLE_STACKS];
  // verify takes evidence that was kept instead
  const isFile = (name: string) => command.name() === "verify" && /\.json\.gz$/.test(name);
  // compare takes variants
  const stackOf = (name: string) => (command.name() === "compare" ? name.split(":")[0]! : name);
  const unknown = [...named, ...compared].find((name) => !stacks.includes(stackOf(name)) && !isFile(name));
  if (unknown !== undefined) return `there is no stack ${unknown}`;
  const values: Readonly<Record<string, readonly string[]>> = {
    scenario: ["all", ...Object.keys(SCENARIOS)],
    expect: ALL_MODES,
    tunnel: TUNNELS,
    only: CHECKS.map(({ id }) => id),
    skip: CHECKS.map(({ id }) => id),
  };
  for (const [option, known] of Object.entries(values)) {
    const wrong = [options[option] ?? []].flat().find((value) => !known.includes(value as string));
    if (wrong !== undefined) return `--${option} has no ${String(wrong)}`;
  }
  return undefined;
}

/** The example commands in a command's help. */
function helpOf(command: Command): string[] {
  let text = "";
  command.configureOutput({ writeOut: (part) => (text += part), getOutHasColors: () => false });
  command.outputHelp();
  const [, examples = ""] = text.split("\nExamples:\n");
  return examples.split("\n").filter((line) => line.trim() !== "");
}
