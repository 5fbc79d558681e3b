import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { program } from "../../cli/main";
import { knownStacks } from "../../cli/stackFile";
import { CHECKS } from "../../datapath/checks/all";
import { ALL_MODES, TUNNELS } from "../../modes/contract";
import { SCENARIOS } from "../../modes/tracePaths";
import { verbs } from "../../scripts/readme/tables";
import { readMarkdown } from "../support/markdown";
import { shellCommands, type ShellCommand } from "./support/shell";

const ROOT = join(__dirname, "../..");
const read = (file: string) => readFileSync(join(ROOT, file), "utf8");
const PAGES = [
  "README.md",
  "README.zh-CN.md",
  ...readdirSync(join(ROOT, "docs")).flatMap((file) => (file.endsWith(".md") ? [`docs/${file}`] : [])),
  ...readdirSync(join(ROOT, "examples")).map((name) => `examples/${name}/README.md`),
];

/** A block that a reader would paste into a shell. */
interface Block {
  readonly page: string;
  readonly first: string;
  readonly text: string;
}

const BLOCKS: readonly Block[] = PAGES.flatMap((page) =>
  readMarkdown(read(page)).blocks.flatMap(({ language, text }) =>
    language === "sh" ? [{ page, first: withoutComment(text.split("\n")[0]!), text }] : [],
  ),
);

function withoutComment(line: string): string {
  return line.replace(/\s+# .*$/, "");
}

/**
 * What stands for a block that this test cannot run: words of the tests that run it, or the same commands for a stack of
 * their own; or why nothing runs it.
 */
type Place = { readonly by: readonly (readonly [file: string, words: string])[] } | { readonly parsedOnly: string };

/** Each block with a command that is not run here, by how it begins, with its page where that says more. */
const PLACES: Readonly<Record<string, Place>> = {
  "npm start": {
    by: [
      ["tests/lab/readme.test.ts", 'project.readme("## Start"'],
      ["tests/unit/scripts.test.ts", 'describe("npm start"'],
    ],
  },
  "npm run pulumi -- preview": {
    by: [
      ["tests/lab/readme.test.ts", 'project.readme("The same tools and the same state"'],
      ["tests/unit/scripts.test.ts", '.run("pulumi.mjs", "preview"'],
    ],
  },
  "README.md: npm ci": {
    by: [
      ["tests/support/lab.ts", 'this.succeed("stack", "init", stack)'],
      ["tests/lab/modes.test.ts", 'project.succeed("up", "--yes"'],
    ],
  },
  "(umask 077;": { by: [["tests/support/mode.ts", 'project.readme("After, look around"']] },
  "npx cilium-modes doctor": { by: [["tests/lab/readme.test.ts", 'project.readme("## Can this machine run it?"']] },
  "npx cilium-modes verify": { by: [["tests/lab/readme.test.ts", 'linesOf("npx cilium-modes verify")']] },
  "npx cilium-modes drill": { by: [["tests/lab/verify.test.ts", '["cli/cilium-modes.mjs", "drill", stack']] },
  "npx cilium-modes trace": {
    by: [
      ["tests/lab/readme.test.ts", 'linesOf("npx cilium-modes trace")'],
      ["tests/support/walks.ts", 'project.trace(stack, "--scenario", "all")'],
    ],
  },
  "npx cilium-modes observe": { by: [["tests/lab/readme.test.ts", 'linesOf("npx cilium-modes observe")']] },
  "npx cilium-modes watch": { by: [["tests/lab/watch.test.ts", 'project.node("cli/cilium-modes.mjs", "watch"']] },
  "npx cilium-modes compare": {
    by: [
      ["tests/support/lab.ts", '["cli/cilium-modes.mjs", "compare", ...stacks'],
      ["tests/lab/compare.test.ts", '"--baseline", before'],
    ],
  },
  "npx cilium-modes images save": {
    by: [
      ["tests/lab/registry.test.ts", "await saveImages(images, archive, say)"],
      ["tests/lab/registry.test.ts", "await loadImages(archive, cluster, say)"],
    ],
  },
  "npm test": { parsedOnly: "it is what runs this test" },
  "pulumi package add": {
    parsedOnly: "it writes into a program of one's own; tests/engine/plugin previews one with the plugin",
  },
  "examples/automation/README.md: npm ci": {
    by: [["tests/lab/examples.test.ts", '"examples/automation/index.ts"']],
  },
  "cp examples/ci/cilium-modes.yml": { by: [["tests/unit/examples.test.ts", 'describe("the workflow for CI"']] },
  "(cd ../.. && npm run build)": {
    by: [
      ["tests/support/examples.ts", 'runExample(project, "hello-app"'],
      ["tests/support/examples.ts", 'runExample(project, "compare-stacks"'],
      ["tests/support/examples.ts", 'runExample(project, "policy"'],
      ["tests/lab/existing.test.ts", 'runExample(project, "existing-cluster"'],
    ],
  },
  "(cd ../.. && npm ci)": { by: [["tests/lab/examples.test.ts", '"examples/yaml"']] },
};

/** Whether a line needs neither a cluster nor the network, and changes nothing. */
const runsHere = (line: string) => /^(source <\()?npx cilium-modes (plan|complete|compare --from) /.test(line);

const linesOf = ({ text }: Block) => text.trimEnd().split("\n").map(withoutComment);

const placesOf = ({ page, first }: Block) =>
  Object.keys(PLACES).filter((start) =>
    [first, `${page.replace(".zh-CN", "")}: ${first}`].some((name) => name.startsWith(start)),
  );

describe("the documentation's commands", () => {
  const elsewhere = BLOCKS.filter((block) => !linesOf(block).every(runsHere));

  it.each(elsewhere.map((block) => [block.page, block.first, block] as const))(
    "have one place where they are run, or a reason why not: %s, %s",
    (_page, _first, block) => {
      expect(placesOf(block)).toHaveLength(1);
    },
  );

  it("have no place without a block", () => {
    const used = new Set(elsewhere.flatMap(placesOf));
    expect(Object.keys(PLACES).filter((start) => !used.has(start))).toEqual([]);
  });

  it.each(Object.values(PLACES).flatMap((place) => ("by" in place ? place.by : [])))(
    "are run by %s, which says %s",
    (file, words) => {
      expect(read(file)).toContain(words);
    },
  );

  const here = [...new Set(BLOCKS.flatMap(linesOf).filter(runsHere))];
  it.each(here)("do what they say: %s", (line) => {
    const { status, stdout, stderr } = spawnSync("bash", ["-euo", "pipefail", "-c", line], {
      cwd: ROOT,
      encoding: "utf8",
      env: { ...process.env, NO_COLOR: "1" },
    });
    expect([status, stderr.replace(/^npm warn .*\n/gm, "")]).toEqual([0, ""]);
    if (!line.startsWith("source ")) expect(stdout.split("\n").length).toBeGreaterThan(5);
  });

  it("are run here where they can be", () => {
    expect(here.filter((line) => line.startsWith("npx cilium-modes plan")).length).toBeGreaterThan(3);
  });

  const commands = BLOCKS.flatMap((block) => shellCommands(block.text).map((command) => ({ ...block, command })));
  it.each([...new Map(commands.map((each) => [`${each.page}: ${each.command.join(" ")}`, each]))])(
    "exist: %s",
    (_name, { page, command }) => {
      expect(problemOf(command, page)).toBeUndefined();
    },
  );

  const named = PAGES.flatMap((page) =>
    readMarkdown(read(page)).code.flatMap((code) => {
      const script = code.replaceAll("<stack>", "ebpf").replace(/ <\w+>$/, "");
      return /^(npx cilium-modes|npm|pulumi) [a-z]/.test(script) && !script.includes("…")
        ? [[page, script] as const]
        : [];
    }),
  );
  it.each([...new Map(named.map((each) => [each.join(": "), each])).values()])(
    "exist in prose: %s, %s",
    (page, script) => {
      expect(shellCommands(script).map((command) => problemOf(command, page))).toEqual(
        shellCommands(script).map(() => undefined),
      );
    },
  );

  it("have an example in their own help that exists", () => {
    const shown = [program(), ...program().commands].flatMap(helpOf).flatMap(shellCommands);
    expect(shown.length).toBeGreaterThan(15);
    const called = shown.map((command) => (command[0] === "cilium-modes" ? ["npx", ...command] : command));
    expect(called.map((command) => [command, problemOf(command, "README.md")])).toEqual(
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
    ["helmm install", "nobody knows helmm"],
  ])("sees what is wrong with %s", (script, problem) => {
    expect(shellCommands(script).map((command) => problemOf(command, "README.md"))).toEqual([
      expect.stringContaining(problem),
    ]);
  });

  it("takes scripts apart as a shell does", () => {
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

/** Programs of the system, of which nothing more is known here. */
const OTHERS = ["cd", "cp", "curl", "docker", "export", "jq", "kubectl", "ls", "source", "umask"];

/** Stacks that somebody has, and this checkout has not. */
const SOMEBODYS_STACKS = ["vxlan"];

/** Pulumi's commands, with the options that the documentation uses. */
const PULUMI: Readonly<Record<string, readonly string[]>> = {
  cancel: ["-s"],
  "config set": ["-s", "--path", "--secret"],
  destroy: ["-s"],
  "package add": [],
  preview: ["-s", "--policy-pack", "--expect-no-changes"],
  refresh: ["-s"],
  "stack init": [],
  "stack output": ["-s", "--json", "--show-secrets"],
  "stack select": ["--create"],
  up: ["-s"],
};

const SCRIPTS = (JSON.parse(read("package.json")) as { scripts: Readonly<Record<string, string>> }).scripts;

/** What is wrong with a command of a page; undefined when it can be called. */
function problemOf([name, ...args]: ShellCommand, page: string): string | undefined {
  const gone = args.find(
    (word) => /^(docs|examples|policies|scripts|tests)\//.test(word) && !existsSync(join(ROOT, word)),
  );
  if (gone !== undefined) return `there is no ${gone}`;
  if (name === "npm") return npmProblem(args);
  if (name === "pulumi") return pulumiProblem(args);
  if (name === "npx" && args[0] === "cilium-modes") return ownProblem(args.slice(1));
  if (name === "npx") return args[0] === "tsx" ? undefined : `nobody knows npx ${args[0]}`;
  if (name === "cd" && !existsSync(join(ROOT, page, "..", args[0]!))) return `there is no ${args[0]}`;
  return OTHERS.includes(name!) ? undefined : `nobody knows ${name}`;
}

function npmProblem([verb, ...args]: readonly string[]): string | undefined {
  if (verb === "ci" || verb === "install" || verb === "pack") return undefined;
  const words = args.filter((word) => word !== "--silent");
  const script = verb === "run" ? words.shift()! : verb!;
  if (SCRIPTS[script] === undefined) return `there is no script ${script}`;
  const rest = words.slice(words.indexOf("--") + 1);
  return script === "pulumi" ? pulumiProblem(rest) : undefined;
}

function pulumiProblem(args: readonly string[]): string | undefined {
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

/** The commands, whose mistakes are thrown and not told. */
function silent(): Command {
  const command = program();
  const quiet = (each: Command) => {
    each.configureOutput({ writeErr: () => undefined });
    each.commands.forEach(quiet);
  };
  quiet(command);
  return command;
}

/** What is wrong with the names that a command is given. */
function valueProblem(command: Command, operands: readonly string[]): string | undefined {
  const options = command.opts<Readonly<Record<string, unknown>>>();
  const named = command.registeredArguments.flatMap((argument, index) =>
    /^stacks?$/.test(argument.name()) ? (argument.variadic ? operands.slice(index) : (operands[index] ?? [])) : [],
  );
  const compared = typeof options["compare"] === "string" ? options["compare"].split(",") : [];
  const stacks = [...knownStacks(), ...SOMEBODYS_STACKS];
  const unknown = [...named, ...compared].find((stack) => !stacks.includes(stack));
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

/** The commands that a command's help shows as examples. */
function helpOf(command: Command): string[] {
  let text = "";
  command.configureOutput({ writeOut: (part) => (text += part), getOutHasColors: () => false });
  command.outputHelp();
  const [, examples = ""] = text.split("\nExamples:\n");
  return examples.split("\n").filter((line) => line.trim() !== "");
}
