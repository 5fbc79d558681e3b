import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { bash } from "./bash";

const ROOT = resolve(__dirname, "../..");

/** The PATH without npm's own folders: there `pulumi` is a package that would download the CLI. */
const PATH = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => !folder.endsWith("node_modules/.bin"));

/** What a finished Pulumi command left. */
export interface Finished {
  readonly code: number | null;
  /** Standard output and error as a user sees them. */
  readonly output: string;
}

/** Settings of a stack, as they stand below its project in Pulumi.<stack>.yaml. */
export type StackSettings = Readonly<Record<string, unknown>>;

/** A copy of the project in a folder of its own, with an own state, so that tests leave the checkout alone. */
export class TestProject {
  readonly directory = mkdtempSync(join(tmpdir(), "cilium-modes-test-"));
  private readonly environment: NodeJS.ProcessEnv;

  constructor(environment: NodeJS.ProcessEnv = {}) {
    for (const entry of readdirSync(ROOT)) {
      if (["node_modules", ".git", ".cilium-modes", "dist"].includes(entry)) continue;
      // with their times, by which npm start knows that the dependencies are installed
      cpSync(join(ROOT, entry), join(this.directory, entry), { recursive: true, preserveTimestamps: true });
    }
    symlinkSync(join(ROOT, "node_modules"), join(this.directory, "node_modules"));
    const state = join(this.directory, ".state");
    mkdirSync(state);
    this.environment = {
      ...process.env,
      PATH: PATH.join(delimiter),
      PULUMI_BACKEND_URL: `file://${state}`,
      PULUMI_CONFIG_PASSPHRASE: "",
      PULUMI_SKIP_UPDATE_CHECK: "true",
      ...environment,
    };
  }

  /** Build the package, and let an example use it as if it were installed there. */
  linkPackage(example: string): void {
    if (!existsSync(join(this.directory, "dist"))) {
      execFileSync(process.execPath, ["scripts/build.mjs"], { cwd: this.directory });
    }
    mkdirSync(join(this.directory, example, "node_modules"));
    symlinkSync(this.directory, join(this.directory, example, "node_modules", "cilium-modes"));
  }

  /** Add settings to a stack's own file; dotted keys as `pulumi config set` takes them. */
  configure(stack: string, settings: StackSettings): void {
    const file = join(this.directory, `Pulumi.${stack}.yaml`);
    const text = existsSync(file) ? readFileSync(file, "utf8") : "";
    const lines = Object.entries(settings).map(([key, value]) => `  cilium-modes:${key}: ${JSON.stringify(value)}\n`);
    writeFileSync(file, `config:\n${lines.join("")}${text.replace(/^config:\n/m, "")}`);
  }

  /** Run a Pulumi command to its end. */
  async pulumi(...args: string[]): Promise<Finished> {
    const child = this.start(...args);
    let output = "";
    child.stdout!.on("data", (chunk) => (output += chunk));
    child.stderr!.on("data", (chunk) => (output += chunk));
    const code = await new Promise<number | null>((done) => child.once("close", (exit) => done(exit)));
    return { code, output };
  }

  /** Run a Pulumi command that must succeed, and return what it printed. */
  async succeed(...args: string[]): Promise<string> {
    const { code, output } = await this.pulumi(...args);
    if (code !== 0) throw failureOf(args, code, output);
    return output;
  }

  /** The standard output of a Pulumi command, parsed as JSON. */
  json<T>(...args: string[]): T {
    const { stdout, stderr, status } = spawnSync("pulumi", args, {
      cwd: this.directory,
      env: this.environment,
      encoding: "utf8",
      maxBuffer: 64 * 1024 * 1024,
    });
    if (status !== 0) throw failureOf(args, status, stderr + stdout);
    return JSON.parse(stdout) as T;
  }

  /** Run a program of the project by Node.js to its end, with the same Pulumi. */
  node(...args: string[]): Finished {
    const options = { cwd: this.directory, env: this.environment, encoding: "utf8" } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, args, options);
    return { code: status, output: stdout + stderr };
  }

  /** Run the shell script that follows these words on a page of the documentation, for another stack than the page's. */
  documented(page: string, words: string, stack: string): string {
    const text = readFileSync(join(this.directory, page), "utf8");
    const at = text.indexOf(words);
    if (at < 0) throw new Error(`${page} does not contain ${JSON.stringify(words)}`);
    const block = text.slice(at).match(/```sh\n(.*?)```/s)![1]!;
    const script = block.replaceAll("-s ebpf", `-s ${stack}`);
    const { code, output } = this.bash(script);
    if (code !== 0) throw new Error(`${page}: exit code ${String(code)} of:\n${script}\n${output}`);
    return output;
  }

  /** Run a shell script in the project's folder, with the same Pulumi. */
  bash(script: string): Finished {
    const { status, stdout, stderr } = bash(script, this.directory, this.environment);
    return { code: status, output: stdout + stderr };
  }

  /** Start a Pulumi command in a process group of its own. */
  start(...args: string[]): ChildProcess {
    return spawn("pulumi", [...args, "--non-interactive"], {
      cwd: this.directory,
      env: this.environment,
      detached: true,
    });
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** The programs among these that are not on the PATH. */
export function missingPrograms(...programs: string[]): string[] {
  return programs.filter((program) => !PATH.some((folder) => existsSync(join(folder, program))));
}

/** What the engine tests need and what is missing of it; empty when they can run. */
export function engineMissing(): string[] {
  const installed = installedPlugins();
  const absent = ["kubernetes", "command", "docker"].filter(
    (name) => !installed.some((folder) => folder.startsWith(`resource-${name}-v`)),
  );
  return missingPrograms("pulumi", "pulumi-language-nodejs", ...absent.map((name) => `pulumi-resource-${name}`));
}

/** Folders of the plugins that the CLI has downloaded, such as `resource-kubernetes-v4.32.0`. */
function installedPlugins(): string[] {
  const folder = join(process.env["PULUMI_HOME"] || join(homedir(), ".pulumi"), "plugins");
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** `describe`, or a skipped one whose name says why. */
export function describeIf(missing: readonly string[], name: string, body: () => void): void {
  if (missing.length === 0) describe(name, body);
  else describe.skip(`${name} (skipped: no ${missing.join(", ")} here)`, body);
}

/** What a failed run says at its end, where the engine lists its errors: what is above repeats them as they came. */
function failureOf(args: readonly string[], code: number | null, output: string): Error {
  const lines = output.trimEnd().split("\n");
  const diagnostics = lines.findLastIndex((line) => line.startsWith("Diagnostics:"));
  const last = lines.slice(diagnostics === -1 ? -60 : diagnostics);
  return new Error(`pulumi ${args.join(" ")} ended with ${String(code)}:\n${last.join("\n")}`);
}
