import { randomUUID } from "node:crypto";
import { PassThrough } from "node:stream";
import type { Exec, V1Status } from "@kubernetes/client-node";
import { execIn, type ExecResult } from "./podExec";

/**
 * Runs one script after the other: a line with seconds (0: no limit), length and mark, then the script. Its output ends
 * with the mark and the exit code, its errors with the mark; a length of 0 ends the shell, as the end of its input does.
 */
const SHELL = `command -v head >/dev/null && command -v timeout >/dev/null || exit 127
while read -r seconds bytes mark && [ "$bytes" != 0 ]; do
  script=$(head -c "$bytes")
  if [ "$seconds" = 0 ]; then sh -c "$script" </dev/null; else timeout -s KILL "$seconds" sh -c "$script" </dev/null; fi
  code=$?
  printf '\\n%s %s\\n' "$mark" "$code"
  printf '\\n%s\\n' "$mark" >&2
done`;

/** Shells that stay open at the same time: each is a connection, and a process in its container. */
const MOST_OPEN = 60;

/** The part of the Kubernetes client that starts commands in containers. */
type Starter = Pick<Exec, "exec">;

/**
 * Shells that stay open in containers, so that each container starts one process for many scripts: a command of its own
 * takes a node a tenth of a second of processor time. For scripts that may run twice: one whose shell ends meanwhile runs
 * again, as a command of its own.
 */
export class PodShells {
  private readonly idle = new Map<string, Shell[]>();
  private readonly open = new Set<Shell>();
  private hasEnded = false;

  constructor(private readonly exec: Starter) {}

  /** Run a script in a container. @param seconds after which it is killed. Default: never */
  async run(namespace: string, pod: string, container: string, script: string, seconds?: number): Promise<ExecResult> {
    const where = [namespace, pod, container].join("/");
    const shells = this.idle.get(where) ?? [];
    this.idle.set(where, shells);
    const shell = shells.pop() ?? new Shell(this.exec, namespace, pod, container);
    this.open.add(shell);
    try {
      const result = await shell.run(script, seconds ?? 0);
      if (this.open.size > MOST_OPEN) this.close(shell);
      else shells.push(shell);
      return result;
    } catch (error) {
      this.open.delete(shell);
      if (this.hasEnded) throw error;
      return execIn(this.exec, namespace, pod, container, ["sh", "-c", script], seconds);
    }
  }

  /** End all shells. Scripts that still run may fail then, and do not run again: their callers have given up. */
  end(): void {
    this.hasEnded = true;
    this.open.forEach((shell) => this.close(shell));
    this.idle.clear();
  }

  private close(shell: Shell): void {
    shell.end();
    this.open.delete(shell);
  }
}

/** One shell. It runs one script at a time. */
class Shell {
  private readonly stdin = new PassThrough();
  private readonly stdout = new PassThrough({ encoding: "utf8" });
  private readonly stderr = new PassThrough({ encoding: "utf8" });
  private readonly ended: Promise<never>;

  constructor(exec: Starter, namespace: string, pod: string, container: string) {
    const { stdin, stdout, stderr } = this;
    this.ended = new Promise<never>((_, reject) => {
      const end = (status?: V1Status) => reject(new Error(status?.message ?? `the shell in ${pod} ended`));
      exec
        .exec(namespace, pod, container, ["sh", "-c", SHELL], stdout, stderr, stdin, false, end)
        .then((socket) => socket.on("close", () => end()))
        .catch(reject);
    });
    this.ended.catch(() => undefined);
  }

  async run(script: string, seconds: number): Promise<ExecResult> {
    const mark = `@@@ ${randomUUID()}`;
    const both = Promise.all([upTo(this.stdout, `\n${mark} `), upTo(this.stderr, `\n${mark}`)]);
    this.stdin.write(`${seconds} ${Buffer.byteLength(script)} ${mark}\n${script}`);
    const [[stdout, code], [stderr]] = await Promise.race([both, this.ended]);
    return { exitCode: Number(code), stdout, stderr };
  }

  end(): void {
    this.stdin.end("0 0\n");
  }
}

/** What a stream brings before a mark, and what follows the mark in its line. */
function upTo(stream: PassThrough, mark: string): Promise<[before: string, after: string]> {
  return new Promise((resolve) => {
    const chunks: string[] = [];
    let tail = "";
    const read = (chunk: string) => {
      chunks.push(chunk);
      // the mark may come in two pieces, at the end of megabytes
      const last = tail + chunk;
      tail = last.slice(-(mark.length + 8));
      const found = last.indexOf(mark);
      // what the script left running may print more after the mark's line
      if (found < 0 || !last.includes("\n", found + mark.length)) return;
      stream.off("data", read);
      stream.pause();
      const text = chunks.join("");
      const at = text.lastIndexOf(mark);
      resolve([text.slice(0, at), text.slice(at + mark.length).split("\n", 1)[0]!]);
    };
    stream.on("data", read);
    stream.resume();
  });
}
