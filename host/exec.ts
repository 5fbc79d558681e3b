import { spawn } from "node:child_process";
import { constants } from "node:os";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { stripVTControlCharacters } from "node:util";

/** Options of {@link run}. */
export interface RunOptions {
  /** Text for standard input. Default: none */
  readonly stdin?: string;
  /** Ends the command and all processes that it started. */
  readonly signal?: AbortSignal | undefined;
  /** Time between SIGTERM and SIGKILL after `signal` fired. Default: 5 */
  readonly patienceSeconds?: number;
  /** Called with each line of standard error as it arrives. */
  readonly onLine?: (line: string) => void;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A command that runs until it is ended. */
export interface Session {
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Send the line that the command waits for before it ends; it also ends when this process dies. */
  end(): void;
}

/** A command that reads lines until it is ended. */
export interface Conversation extends Session {
  /** Send a line to the command's input. */
  send(line: string): void;
}

/** How many of a command's last lines an error shows. */
const LAST_LINES = 20;

/** Default time between SIGTERM and SIGKILL. */
const PATIENCE_SECONDS = 5;

/** A command that did not start, failed or was cancelled. */
export class CommandError extends Error {
  constructor(
    readonly reason: string,
    /** The command, quoted for a shell. */
    readonly command: string,
    readonly stderr: string,
  ) {
    super([`${reason}: ${command}`, ...lastLines(stderr).map((line) => `    ${line}`)].join("\n"));
    this.name = "CommandError";
  }
}

/**
 * Run a command to its end and return its standard output.
 * @throws CommandError if it does not start, exits with another code than 0, or is cancelled
 */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const shown = [command, ...args].map(quote).join(" ");
  if (options.signal?.aborted) throw new CommandError("Cancelled before it started", shown, "");
  // own process group, so that cancelling also ends the processes that the command starts
  const child = spawn(command, args, { detached: true, env: { ...process.env, ...options.env } });
  let patience: NodeJS.Timeout | undefined;
  const abort = () => {
    killGroup(child.pid);
    patience = setTimeout(() => killGroup(child.pid, "SIGKILL"), (options.patienceSeconds ?? PATIENCE_SECONDS) * 1000);
  };
  options.signal?.addEventListener("abort", abort, { once: true });
  try {
    child.stdin.on("error", () => undefined); // the command may end without reading its input
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

/** Start a command that runs until it is ended. Ctrl-C does not reach it, so that it can be ended in order. */
export function start(command: string, args: readonly string[]): Conversation {
  const child = spawn(command, args, { detached: true });
  const { stdin, stdout, stderr } = child.once("error", (error) => stdout.destroy(error));
  stdin.on("error", () => undefined); // the command may end by itself
  return { stdout, stderr, send: (line) => void stdin.write(`${line}\n`), end: () => void stdin.end("\n") };
}

/** Run a shell command in this process's terminal. @returns its exit code; 128 plus the signal's number after a signal */
export function runInShell(command: string): Promise<number> {
  const child = spawn(command, { shell: true, stdio: ["inherit", 2, "inherit"] });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}

/** The last non-empty lines of a text, without control sequences. */
export function lastLines(output: string, count = LAST_LINES): string[] {
  return stripVTControlCharacters(output)
    .split("\n")
    .map((line) => line.trimEnd())
    .filter((line) => line !== "")
    .slice(-count);
}

/** Send a signal to a detached child's process group; ignored if it has ended. */
export function killGroup(pid: number | undefined, signal: NodeJS.Signals = "SIGTERM"): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // already ended
  }
}

async function collect(stream: NodeJS.ReadableStream, onLine?: (line: string) => void): Promise<string> {
  stream.setEncoding("utf8"); // a character may arrive in two chunks
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

/** A word as a shell takes it. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
