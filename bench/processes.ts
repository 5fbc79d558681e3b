import type { ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { killGroup } from "../host/exec";

/** A line of standard output, with the seconds since the start of the command. */
export interface TimedLine {
  readonly at: number;
  readonly text: string;
}

/** Duration, output and memory of a command. */
export interface Taken {
  readonly seconds: number;
  readonly lines: readonly TimedLine[];
  /** Peak of the resident memory of the command and its descendants; undefined without /proc. */
  readonly peakMiB?: number;
}

const SAMPLE_MILLISECONDS = 250;

/** Time for an interrupted command to clean up. */
const PATIENCE_MILLISECONDS = 90_000;

/** Run a command and wait for it. @throws Error if it fails, or the signal interrupts it */
export async function take(name: string, start: () => ChildProcess, signal: AbortSignal): Promise<Taken> {
  signal.throwIfAborted();
  const began = performance.now();
  const elapsed = () => (performance.now() - began) / 1000;
  const child = start();
  const lines: TimedLine[] = [];
  let output = "";
  const listen = (stream: NodeJS.ReadableStream, onLine: (line: string) => void) => {
    let rest = "";
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      output = (output + chunk).slice(-20_000);
      const parts = (rest + chunk).split("\n");
      rest = parts.pop()!;
      parts.forEach(onLine);
    });
  };
  listen(child.stdout!, (text) => lines.push({ at: elapsed(), text }));
  listen(child.stderr!, () => undefined);
  const memory = new MemorySampler(child.pid ?? 0);
  const sampling = setInterval(() => memory.sample(), SAMPLE_MILLISECONDS);
  let patience: NodeJS.Timeout | undefined;
  const interrupt = () => {
    killGroup(child.pid, "SIGINT"); // as a terminal does
    patience = setTimeout(() => memory.kill(), PATIENCE_MILLISECONDS);
  };
  signal.addEventListener("abort", interrupt, { once: true });
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject).once("close", (exit) => resolve(exit));
    });
    signal.throwIfAborted();
    if (code !== 0) throw new Error(`${name} failed with exit code ${String(code)}:\n${output}`);
    return { seconds: elapsed(), lines, ...(memory.peakMiB > 0 ? { peakMiB: memory.peakMiB } : {}) };
  } finally {
    clearInterval(sampling);
    clearTimeout(patience);
    signal.removeEventListener("abort", interrupt);
  }
}

/** A process in /proc. */
export interface ProcessFacts {
  readonly pid: number;
  readonly parent: number;
  /** Start time in clock ticks since boot, which tells processes with the same id apart. */
  readonly started: string;
}

/** Parse /proc/<pid>/stat. */
export function parseStat(text: string): ProcessFacts {
  // the program's name in parentheses can contain anything
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { pid: Number.parseInt(text, 10), parent: Number(fields[1]), started: fields[19]! };
}

/** A process and its descendants, including orphans that were known before; adds new ones to `known`. */
export function familyOf(root: number, processes: readonly ProcessFacts[], known: Map<number, string>): number[] {
  const alive = new Map(processes.map((facts) => [facts.pid, facts]));
  for (const [pid, started] of known) if (alive.get(pid)?.started !== started) known.delete(pid);
  const open = [root, ...known.keys()].filter((pid) => pid > 0);
  for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
    const facts = alive.get(pid);
    if (facts !== undefined) known.set(pid, facts.started);
    for (const child of processes) if (child.parent === pid && !known.has(child.pid)) open.push(child.pid);
  }
  return [...known.keys()];
}

class MemorySampler {
  peakMiB = 0;
  private readonly known = new Map<number, string>();

  constructor(private readonly root: number) {}

  sample(): void {
    const kibibytes = this.family().map((pid) => Number(/^VmRSS:\s+(\d+)/m.exec(readProc(pid, "status"))?.[1] ?? 0));
    const sum = kibibytes.reduce((total, value) => total + value, 0) / 1024;
    this.peakMiB = Math.max(this.peakMiB, sum);
  }

  /** Kill the command's remaining processes. */
  kill(): void {
    for (const pid of this.family()) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // has exited
      }
    }
  }

  private family(): number[] {
    const stats = listProcesses().map((pid) => readProc(pid, "stat"));
    return familyOf(this.root, stats.filter(Boolean).map(parseStat), this.known);
  }
}

function listProcesses(): number[] {
  try {
    return readdirSync("/proc").map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

/** Read a file of a process; empty if it has exited. */
function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}
