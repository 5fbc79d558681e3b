import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import type { Exec, V1Status } from "@kubernetes/client-node";
import type { Conversation, Session } from "../host/exec";
import { within } from "./within";

export type { Conversation, Session } from "../host/exec";

/** Result of a command in a pod. */
export interface ExecResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Shell script that runs a command until it can read a line, or its input closes. */
export const untilEnded = (command: string) => `exec 3<&0
${command} &
running=$!
(read -r line <&3; kill $running) 2>/dev/null &
wait $running
kill $! 2>/dev/null
exit 0`;

/** Everything a session prints until it ends. @throws Error on timeout, or if it prints only errors */
export async function readToEnd(session: Session, name: string, seconds: number): Promise<string> {
  const answer = Promise.all([text(session.stdout), text(session.stderr)]);
  answer.catch(() => undefined); // arrives after the timeout
  const [output, errors] = await within(seconds, answer, `${name} does not answer`).catch((error: unknown) => {
    session.end();
    throw error;
  });
  if (output === "" && errors !== "") throw new Error(`${name}: ${lastLine(errors)}`);
  return output;
}

/** The last line of a failed command's output; undefined if it printed nothing. */
export function lastLine(output: string): string | undefined {
  return output.trim().split("\n").at(-1) || undefined;
}

/**
 * A command that `timeout` kills after some seconds, together with every process it started. Kubernetes does not end a
 * command when its caller gives up, and Cilium 1.13 can list connections for minutes and use gigabytes of memory.
 */
export function endingBy(seconds: number, command: readonly string[]): string[] {
  return ["timeout", "-s", "KILL", String(seconds), ...command];
}

/** Run a command in a pod's container and wait for it. @param seconds after which it is killed. Default: never */
export async function execIn(
  exec: Pick<Exec, "exec">,
  namespace: string,
  pod: string,
  container: string,
  command: readonly string[],
  seconds?: number,
): Promise<ExecResult> {
  const limited = seconds === undefined ? command : endingBy(seconds, command);
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const status = new Promise<V1Status>((resolve, reject) => {
    exec
      .exec(namespace, pod, container, [...limited], stdout, stderr, null, false, resolve)
      // the status, if any, arrives before this
      .then((socket) => socket.on("close", () => reject(new Error(`the connection to ${pod} was closed`))))
      .catch(reject);
  });
  const [{ status: outcome, details, message }, out, err] = await Promise.all([
    status.finally(() => {
      stdout.end();
      stderr.end();
    }),
    text(stdout),
    text(stderr),
  ]);
  const code = details?.causes?.find(({ reason }) => reason === "ExitCode")?.message;
  // the URL of the failed request holds the whole command
  if (outcome !== "Success" && code === undefined)
    throw new Error(message?.replace(/\b\w+ "https?:\/\/[^"]*": /, "") ?? `${pod} did not run the command`);
  return { exitCode: outcome === "Success" ? 0 : Number(code), stdout: out, stderr: err };
}

/** Start a command in a pod's container. */
export function startIn(
  exec: Exec,
  namespace: string,
  pod: string,
  container: string,
  command: readonly string[],
): Conversation {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  exec
    .exec(namespace, pod, container, [...command], stdout, stderr, stdin, false)
    .then((socket) =>
      socket.on("close", () => {
        stdout.end();
        stderr.end();
      }),
    )
    .catch((error: Error) => {
      stdout.destroy(error);
      stderr.destroy();
    });
  const send = (line: string) => void stdin.write(`${line}\n`);
  return { stdout, stderr, send, end: () => send("") };
}
