import { spawn } from "node:child_process";
import { constants } from "node:os";
import { text } from "node:stream/consumers";
import { stripVTControlCharacters } from "node:util";
import type { Session } from "../../cluster/podExec";

/** How a command runs. */
export interface RunOptions {
  /** Text for standard input; nothing by default. */
  readonly stdin?: string;
  /** Ends the command and everything that it started. */
  readonly signal?: AbortSignal | undefined;
  /** How long it may take to end by itself then. Default: 5 */
  readonly patienceSeconds?: number;
  /** Called with every line of standard error as it comes. */
  readonly onLine?: (line: string) => void;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** How many of a command's last lines an error repeats. */
const LAST_LINES = 20;

/** How long a command may take to end after it was told to. */
const PATIENCE_SECONDS = 5;

/** A command that could not be started, failed or was cancelled. */
export class CommandError extends Error {
  constructor(
    readonly reason: string,
    /** The command as one could paste it into a shell. */
    readonly command: string,
    readonly stderr: string,
  ) {
    super([`${reason}: ${command}`, ...lastLines(stderr).map((line) => `    ${line}`)].join("\n"));
    this.name = "CommandError";
  }
}

/**
 * Run a command to its end and return its standard output.
 * @throws CommandError when it cannot start, exits with another code than 0, or is cancelled.
 */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const shown = [command, ...args].map(quote).join(" ");
  if (options.signal?.aborted) throw new CommandError("Cancelled before it started", shown, "");
  // a group of its own, so that cancelling reaches what the command starts
  const child = spawn(command, args, { detached: true, env: { ...process.env, ...options.env } });
  let patience: NodeJS.Timeout | undefined;
  const abort = () => {
    killGroup(child.pid);
    patience = setTimeout(() => killGroup(child.pid, "SIGKILL"), (options.patienceSeconds ?? PATIENCE_SECONDS) * 1000);
  };
  options.signal?.addEventListener("abort", abort, { once: true });
  try {
    child.stdin.on("error", () => undefined); // a command may end without reading its input
    child.stdin.end(options.stdin ?? "");
    const [code, stdout, stderr] = await Promise.all([
      new Promise<number | NodeJS.Signals>((resolve, reject) => {
        child.once("error", reject);
        child.once("close", (exit, signal) => resolve(exit ?? signal ?? -1));
      }),
      text(child.stdout),
      collect(child.stderr, options.onLine),
    ]);
    if (options.signal?.aborted) throw new CommandError("Cancelled", shown, stderr);
    if (code !== 0)
      throw new CommandError(
        `Command failed with ${typeof code === "number" ? `exit code ${code}` : code}`,
        shown,
        stderr || stdout,
      );
    return stdout;
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(`Command could not be started (${(error as Error).message})`, shown, "");
  } finally {
    clearTimeout(patience);
    options.signal?.removeEventListener("abort", abort);
  }
}

/** Start a command that runs until it is told to end; Ctrl-C does not reach it, so that it can be ended in order. */
export function start(command: string, args: readonly string[]): Session {
  const child = spawn(command, args, { detached: true });
  const { stdin, stdout, stderr } = child.once("error", (error) => stdout.destroy(error));
  stdin.on("error", () => undefined); // a command may end by itself
  return { stdout, stderr, end: () => void stdin.end("\n") };
}

/** Run a shell command that shares this process's terminal. @returns its exit code; 128 and more after a signal, as shells do */
export function runInShell(command: string): Promise<number> {
  const child = spawn(command, { shell: true, stdio: ["inherit", 2, "inherit"] });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}

/** The last non-empty lines of a text, without colours. */
export function lastLines(output: string, count = LAST_LINES): string[] {
  return stripVTControlCharacters(output)
    .split("\n")
    .map((line) => line.trimEnd())
    .filter((line) => line !== "")
    .slice(-count);
}

/** End a detached child and everything in its group; one that has ended already is no error. */
export function killGroup(pid: number | undefined, signal: NodeJS.Signals = "SIGTERM"): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // gone already
  }
}

async function collect(stream: NodeJS.ReadableStream, onLine?: (line: string) => void): Promise<string> {
  stream.setEncoding("utf8"); // a character may come in two chunks
  let all = "";
  let rest = "";
  for await (const chunk of stream) {
    all += chunk;
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    for (const line of lines) onLine?.(line);
  }
  if (rest !== "") onLine?.(rest);
  return all;
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
