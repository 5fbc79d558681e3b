import { spawn, type ChildProcess } from "node:child_process";
import { EventEmitter } from "node:events";
import type { Readable, Writable } from "node:stream";
import type { Exec } from "@kubernetes/client-node";
import { PodShells } from "../../cluster/podShells";
import { describeIf, missingPrograms } from "../support/project";

/** Containers that are processes of this machine. */
class Containers {
  readonly started: string[][] = [];
  readonly processes: ChildProcess[] = [];
  path = process.env["PATH"];
  /** The connection ends with its input, as before Kubernetes 1.30. */
  closesWithInput = false;

  readonly exec = {
    exec: async (
      _namespace: string,
      _pod: string,
      _container: string,
      command: string[],
      stdout: Writable,
      stderr: Writable,
      stdin: Readable | null,
      _tty: boolean,
      done: (status: object) => void,
    ) => {
      this.started.push(command);
      const child = spawn(command[0]!, command.slice(1), { env: { PATH: this.path } });
      this.processes.push(child);
      const socket = new EventEmitter();
      child.stdout.pipe(stdout, { end: false });
      child.stderr.pipe(stderr, { end: false });
      if (stdin === null) child.stdin.end();
      else stdin.pipe(child.stdin);
      if (this.closesWithInput) stdin?.once("end", () => socket.emit("close"));
      child.stdin.on("error", () => undefined);
      child.on("close", (code) => {
        const causes = [{ reason: "ExitCode", message: String(code ?? 137) }];
        done(code === 0 ? { status: "Success" } : { status: "Failure", details: { causes } });
        socket.emit("close");
      });
      return socket;
    },
  } as unknown as Pick<Exec, "exec">;

  /** Wait until every process has ended. */
  async ended(): Promise<void> {
    const running = this.processes.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
    await Promise.all(running.map((child) => new Promise((done) => child.once("close", done))));
  }
}

describeIf(missingPrograms("timeout", "head"), "shells that stay open in containers", () => {
  let containers: Containers;
  let shells: PodShells;
  beforeEach(() => {
    containers = new Containers();
    shells = new PodShells(containers.exec);
  });
  afterEach(async () => {
    shells.end();
    await containers.ended();
  });
  const run = (script: string, seconds?: number, pod = "a") => shells.run("n", pod, "c", script, seconds);

  it("run one script after the other in one process, each with its own output, errors and exit code", async () => {
    expect(await run("echo one; echo wrong >&2; exit 3")).toEqual({ exitCode: 3, stdout: "one\n", stderr: "wrong\n" });
    expect(await run("printf two", 5)).toEqual({ exitCode: 0, stdout: "two", stderr: "" });
    expect(await run("cat; cd /; x=1; set -e")).toEqual({ exitCode: 0, stdout: "", stderr: "" });
    expect((await run('echo "${x:-unset}"')).stdout).toBe("unset\n");
    expect(containers.started).toHaveLength(1);
  });

  it("bring megabytes and characters of several bytes whole", async () => {
    const { stdout } = await run(`head -c 3000000 /dev/zero | tr '\\0' x; printf 'ü→\\n\\n@@@ 0\\n'`);
    expect([stdout.length, stdout.slice(3_000_000)]).toEqual([3_000_010, "ü→\n\n@@@ 0\n"]);
    const long = `# ${"é".repeat(40_000)}\necho "$(echo 'quoted "text"' | cat)"`;
    expect((await run(long)).stdout).toBe('quoted "text"\n');
  });

  it("are as many for each container as scripts run at once", async () => {
    await Promise.all([run("sleep 0.2"), run("sleep 0.2"), run("true", undefined, "b")]);
    await Promise.all([run("true"), run("true"), run("true", undefined, "b")]);
    expect(containers.started).toHaveLength(3);
  });

  it("stay open in some containers only", async () => {
    await Promise.all(Array.from({ length: 70 }, (_, index) => run("sleep 0.1", undefined, String(index))));
    await run("sleep 0.3");
    expect(containers.processes.filter(({ exitCode }) => exitCode === null).length).toBeLessThanOrEqual(61);
  });

  it("end a script at its time, and serve the next one", async () => {
    expect((await run("echo begun; sleep 60", 0.2)).exitCode).toBe(137);
    expect((await run("echo next")).stdout).toBe("next\n");
    expect(containers.started).toHaveLength(1);
  });

  it("run a script whose shell ended as a command of its own", async () => {
    await run("true");
    const again = run("sleep 0.3; echo done");
    containers.processes[0]!.kill("SIGKILL");
    expect(await again).toEqual({ exitCode: 0, stdout: "done\n", stderr: "" });
    expect(containers.started[1]).toEqual(["sh", "-c", "sleep 0.3; echo done"]);
  });

  it("answer although a script leaves something running that prints", async () => {
    for (let time = 0; time < 20; time += 1)
      expect((await run("(for n in $(seq 1000); do echo more; done) & exit 3")).exitCode).toBe(3);
  });

  it("do not run a script again after their end", async () => {
    containers.closesWithInput = true;
    const given = run("sleep 0.3");
    shells.end();
    await expect(given).rejects.toThrow("the shell in a ended");
    expect(containers.started).toHaveLength(1);
  });

  it("are not used where the container lacks what they need", async () => {
    containers.path = "/none";
    containers.exec.exec = ((original) =>
      ((...args: Parameters<typeof original>) => {
        const [, , , command] = args;
        if ((command as string[]).join(" ") === "sh -c echo plain") containers.path = process.env["PATH"];
        (command as string[])[0] = "/bin/sh";
        return original(...args);
      }) as typeof original)(containers.exec.exec.bind(containers.exec));
    expect((await run("echo plain")).stdout).toBe("plain\n");
  });

  it("end on request, and when their input closes", async () => {
    await run("true");
    shells.end();
    await containers.ended();
    expect(containers.processes[0]!.exitCode).toBe(0);
  });
});
