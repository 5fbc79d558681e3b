import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { endingBy, untilEnded } from "../../cluster/podExec";
import { describeIf, missingPrograms } from "../support/project";

/** Run a command as a session would, and do something as soon as it has said its first word. */
async function run(command: string, act: (stdin: NodeJS.WritableStream) => void) {
  const child = spawn("sh", ["-c", untilEnded(command)]);
  child.stdout.once("data", () => act(child.stdin));
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, "close")]);
  return { output, code: code as number };
}

describe("a command that runs until it is ended", () => {
  const PATIENT = `sh -c 'echo begun; exec sleep 60'`;

  it("ends when it can read a line", async () => {
    expect(await run(PATIENT, (stdin) => stdin.write("\n"))).toEqual({ output: "begun\n", code: 0 });
  });

  it("ends when its input closes", async () => {
    expect(await run(PATIENT, (stdin) => stdin.end())).toEqual({ output: "begun\n", code: 0 });
  });

  it("can end by itself", async () => {
    expect(await run("echo begun", () => undefined)).toEqual({ output: "begun\n", code: 0 });
  });
});

describeIf(missingPrograms("timeout"), "a command in an agent", () => {
  it("is killed with all that it started, and has its own exit code before", () => {
    const ended = (seconds: number, script: string) => {
      const [program, ...args] = endingBy(seconds, ["sh", "-c", script]);
      const { status, signal, stdout } = spawnSync(program!, args, { encoding: "utf8" });
      return { isKilled: signal === "SIGKILL" || status === 137, status, stdout };
    };
    expect(ended(0.2, "echo begun; sleep 60 | cat")).toMatchObject({ isKilled: true, stdout: "begun\n" });
    expect(ended(60, "echo done; exit 3")).toEqual({ isKilled: false, status: 3, stdout: "done\n" });
  });
});
