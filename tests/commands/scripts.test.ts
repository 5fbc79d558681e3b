import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { readTimings, spansOf } from "../support/timings";

const ROOT = resolve(__dirname, "../..");
const LOCK = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
  packages: Record<string, { version: string }>;
};
/** Where the npm package `pulumi` puts the CLI that it downloads, below the home folder. */
const PULUMI_CACHE = join(".pulumi", "versions", LOCK.packages["node_modules/pulumi"]!.version, "bin");
const KIND = "the program kind";

/** A finished script; `output` is standard output and error as a user sees them. */
interface Run {
  readonly code: number | null;
  readonly output: string;
  readonly stdout: string;
}

/** A simulated machine: a copy of the scripts, and a PATH that holds only what a test puts there. */
class Machine {
  readonly project = mkdtempSync(join(tmpdir(), "cilium-modes-test-"));
  private readonly bin = join(this.project, "bin");

  constructor(private readonly kindUrl: string) {
    cpSync(join(ROOT, "scripts"), join(this.project, "scripts"), { recursive: true });
    for (const file of [
      "Pulumi.yaml",
      "Pulumi.ebpf.yaml",
      "Pulumi.replacement.yaml",
      "package-lock.json",
      "cli/npmPath.mjs",
      "cli/ownEnvironment.mjs",
      "host/timings.cjs",
    ])
      cpSync(join(ROOT, file), join(this.project, file));
    mkdirSync(join(this.project, "node_modules"));
    writeFileSync(join(this.project, "node_modules", ".package-lock.json"), "{}");
    mkdirSync(this.bin);
    this.cli('echo "the plan of $2"');
    for (const tool of ["/bin/sh", "/bin/cat"]) symlinkSync(tool, join(this.bin, tool.split("/").pop()!));
  }

  /** Put a shell script on the PATH, or into another folder of this machine. */
  install(program: string, script: string, folder = "bin"): this {
    mkdirSync(join(this.project, folder), { recursive: true });
    writeFileSync(join(this.project, folder, program), `#!/bin/sh\n${script}\n`);
    chmodSync(join(this.project, folder, program), 0o755);
    return this;
  }

  /** Replace this project's own command by a shell script, whose first argument is the verb. */
  cli(script: string): this {
    mkdirSync(join(this.project, "cli"), { recursive: true });
    writeFileSync(
      join(this.project, "cli", "cilium-modes.mjs"),
      `import { spawnSync } from "node:child_process";
      process.exit(spawnSync("sh", ["-c", ${JSON.stringify(script)}, "sh", ...process.argv.slice(2)], { stdio: "inherit" }).status);`,
    );
    return this;
  }

  /** The user's home folder. */
  home = this.project;

  /** More variables of the environment. */
  variables: Readonly<Record<string, string>> = {};

  /** Whether errors have a stream of their own; through one stream, all lines come in their order. */
  separateErrors = false;

  run(script: string, ...args: string[]): Promise<Run> {
    return this.interrupt(undefined, script, ...args);
  }

  /** Run a script, and press Ctrl-C when it prints these words. */
  async interrupt(words: string | undefined, script: string, ...args: string[]): Promise<Run> {
    const environment = { PATH: this.bin, HOME: this.home, CILIUM_MODES_KIND_URL: this.kindUrl, ...this.variables };
    const program = [process.execPath, join(this.project, "scripts", script), ...args];
    const shell = this.separateErrors ? 'exec "$0" "$@"' : 'exec "$0" "$@" 2>&1';
    const child = spawn("/bin/sh", ["-c", shell, ...program], {
      env: environment,
      cwd: this.project,
      detached: true,
    });
    let output = "";
    let stdout = "";
    const take = (chunk: Buffer) => {
      output += chunk;
      if (words === undefined || !output.includes(words)) return;
      words = undefined;
      process.kill(-child.pid!, "SIGINT"); // a terminal sends it to every process of the group
    };
    child.stdout.on("data", take).on("data", (chunk) => (stdout += chunk));
    child.stderr.on("data", take);
    return { code: await new Promise((done) => child.once("close", done)), output, stdout };
  }
}

const DOCKER = "echo 28.0.0";
const OUTPUTS = { clusterName: "cilium-modes-ebpf", nodes: [{}, {}, {}], cilium: { version: "1.20.2" } };
/** A Pulumi CLI with a stack whose last verification is this one. */
const verifiedPulumi = (verification: object) => `case "$1 $2 $3" in
"stack output --json") echo '${JSON.stringify({ ...OUTPUTS, verification })}'; exit ;;
"config get verify") exit 1 ;;
esac
echo "pulumi $* | $PULUMI_BACKEND_URL | passphrase=\${PULUMI_CONFIG_PASSPHRASE-unset}"`;
/** A Pulumi CLI whose `up` verifies, in the far future. */
const RECORDING_PULUMI = verifiedPulumi({ verdict: "pass", proof: "proven", verifiedAt: "2999-01-01T00:00:00.000Z" });
/** A Pulumi CLI whose `up` changes nothing, with an earlier run's verdict in the stack's output. */
const UNCHANGED_PULUMI = verifiedPulumi({ verdict: "pass", verifiedAt: "2026-11-26T05:40:00.000Z" });
/** A Pulumi CLI that cleans up when it is interrupted, and prints each interruption. */
const PATIENT_PULUMI = `exec ${process.execPath} -e '
  process.on("SIGINT", () => {
    console.log("interrupted");
    setTimeout(() => { console.log("cleaned up"); process.exit(9); }, 500);
  });
  console.log("running");
  setTimeout(() => {}, 30_000);
'`;

describe("npm start", () => {
  let releases: Server;
  let sum = createHash("sha256").update(KIND).digest("hex");
  const machines: Machine[] = [];
  const machine = (path = ""): Machine => {
    const made = new Machine(`http://127.0.0.1:${(releases.address() as AddressInfo).port}${path}`);
    machines.push(made);
    return made;
  };
  beforeAll(async () => {
    releases = createServer((request, response) => {
      if (request.url!.startsWith("/gone/")) response.writeHead(404).end();
      else response.end(request.url!.endsWith(".sha256sum") ? `${sum}  kind\n` : KIND);
    });
    await new Promise<void>((listening) => releases.listen(0, "127.0.0.1", listening));
  });
  afterAll(() => {
    releases.close();
    for (const { project } of machines) rmSync(project, { recursive: true, force: true });
  });

  it("npm start lists everything that is missing with its fix, and starts nothing", async () => {
    const { code, output } = await machine("/gone").install("pulumi", RECORDING_PULUMI).run("start.mjs", "ebfp");
    expect(code).toBe(1);
    const [headline, ...lines] = output.trim().split("\n");
    expect(headline).toBe("Nothing was started, because this machine lacks:");
    expect(lines).toEqual([
      '  - the stack "ebfp": there is no Pulumi.ebfp.yaml; known stacks are ebpf, replacement',
      "  - Docker: the docker command is not on the PATH; install it from https://docs.docker.com/get-docker/",
      expect.stringMatching(
        /^ {2}- kind: the program is not on the PATH, and http:\/\/127\.0\.0\.1:\d+\/gone answers 404; install it from /,
      ),
    ]);
  });

  it("npm start starts nothing where kind would create nodes in Podman", async () => {
    const fresh = machine().install("docker", DOCKER).install("kind", "").install("pulumi", RECORDING_PULUMI);
    fresh.variables = { KIND_EXPERIMENTAL_PROVIDER: "podman" };
    const { code, output } = await fresh.run("start.mjs");
    expect(code).toBe(1);
    expect(output).toContain(
      "  - kind: KIND_EXPERIMENTAL_PROVIDER is podman, and this project supports nodes in Docker only; run: unset KIND_EXPERIMENTAL_PROVIDER\n",
    );
    expect(output).not.toContain("pulumi up");
  });

  it.each([
    [
      "Cannot connect to the Docker daemon",
      "  - Docker: no daemon answers; start Docker Desktop, or run: sudo systemctl start docker",
    ],
    [
      "permission denied while trying to connect",
      "  - Docker: this user may not use the daemon; run: sudo usermod -aG docker $USER, and log in again",
    ],
  ])("npm start gives the fix when Docker answers: %s", async (words, line) => {
    const { code, output } = await machine()
      .install("docker", `echo "${words}" >&2; exit 1`)
      .install("kind", "")
      .install("pulumi", RECORDING_PULUMI)
      .run("start.mjs");
    // the plan needs none of it
    expect([code, output.trim().split("\n")]).toEqual([
      1,
      [
        ...["the plan of ebpf", "", "Nothing was started, because this machine lacks:", line],
        ...["", "Until then, this is what a running cluster looks like:", "", "the plan of --no-open"],
      ],
    ]);
  });

  it("npm start shows the plan and the problems of a machine that cannot run the stack", async () => {
    const { code, output } = await machine()
      .install("docker", DOCKER)
      .install("kind", "")
      .install("pulumi", RECORDING_PULUMI)
      .cli('if [ "$1" = doctor ]; then echo "inotify is full ($3)"; exit 1; fi; echo "the plan of $2"')
      .run("start.mjs");
    expect([code, output]).toEqual([
      1,
      "the plan of ebpf\n\ninotify is full (--quiet)\nSee what a running cluster looks like: npx cilium-modes demo\n",
    ]);
  });

  it("npm start leaves a stack with secret settings to Pulumi", async () => {
    const fresh = machine()
      .install("docker", DOCKER)
      .install("kind", "")
      .install("pulumi", UNCHANGED_PULUMI)
      .cli("exit 1");
    const file = join(fresh.project, "Pulumi.ebpf.yaml");
    writeFileSync(file, `${readFileSync(file, "utf8")}  cilium-modes:cluster.kubeconfig:\n    secure: AAAB\n`);
    const { code, output } = await fresh.run("start.mjs");
    expect([code, output.split("\n")[0]]).toEqual([
      0,
      "Pulumi.ebpf.yaml has secrets, so only Pulumi checks what the stack needs",
    ]);
    expect(output).toContain("pulumi up --yes --skip-preview --stack ebpf | ");
    // which verify cannot read either
    expect(output).toContain(
      "It was not verified in this run: only Pulumi can read its secrets. Set verifyWhen: always",
    );
  });

  it("npm start reports wrong settings, and starts nothing", async () => {
    const { code, output } = await machine()
      .install("docker", DOCKER)
      .install("kind", "")
      .install("pulumi", RECORDING_PULUMI)
      .cli('echo "tunel: did you mean tunnel?" >&2; exit 1')
      .run("start.mjs");
    expect([code, output]).toEqual([1, "tunel: did you mean tunnel?\n"]);
  });

  it("npm start downloads kind, creates a state of its own and brings the stack ebpf up", async () => {
    const fresh = machine().install("docker", DOCKER).install("pulumi", RECORDING_PULUMI);
    const { code, output } = await fresh.run("start.mjs");
    expect(code).toBe(0);
    const state = `file://${fresh.project}/.cilium-modes/state`;
    expect(output).toContain(
      `pulumi stack select --create ebpf | ${state} | passphrase=\npulumi up --yes --skip-preview --stack ebpf | ${state} | passphrase=\n`,
    );
    expect(output).toContain(
      [
        "The stack ebpf is up: cluster cilium-modes-ebpf, 3 nodes, Cilium 1.20.2.",
        "Verified at 2999-01-01 00:00 UTC by pulumi up. Mode in force: proven",
        "Next:",
        "  npx cilium-modes trace ebpf",
        '  eval "$(npx cilium-modes env ebpf)" && kubectl get pods -A',
        "  npm run pulumi -- destroy -s ebpf\n",
      ].join("\n"),
    );
    const kind = join(fresh.project, ".cilium-modes", "bin", "kind");
    expect(readFileSync(kind, "utf8")).toBe(KIND);
    expect(statSync(kind).mode & 0o111).toBe(0o111);
  });

  /** Which verbs of this project's own command run, and that verify fails. */
  const FAILING_VERIFY = 'echo "$1 $2"; [ "$1" != verify ] || exit 4';
  const started = (pulumi: string, cli: string) =>
    machine().install("docker", DOCKER).install("kind", "").install("pulumi", pulumi).cli(cli).run("start.mjs");

  it("npm start verifies the running cluster when pulumi up changed nothing", async () => {
    const { code, output } = await started(UNCHANGED_PULUMI, 'echo "$1 $2"');
    expect(code).toBe(0);
    expect(output).toMatch(
      /so pulumi up did not verify again\. Verifying the running cluster:\nverify ebpf\n\nThe stack ebpf is up: .*\nVerified at [-\d]+ [:\d]+ UTC by cilium-modes verify\. Mode in force: proven\n/,
    );
  });

  it("npm start exits with the code of verify when an unchanged cluster is not proven", async () => {
    const { code, output } = await started(UNCHANGED_PULUMI, FAILING_VERIFY);
    expect(code).toBe(4);
    expect(output).toMatch(/UTC by cilium-modes verify\. Mode in force: not proven, see above\n/);
  });

  it("npm start exits with 0 when the mode is not in force and the stack has verify: warn", async () => {
    const warning = UNCHANGED_PULUMI.replace("exit 1", "echo warn; exit");
    const { code, output } = await started(warning, FAILING_VERIFY);
    expect(code).toBe(0);
    expect(output).toContain("not proven, see above\n");
  });

  it("npm start does not verify again after a pulumi up that verified", async () => {
    const { code, output } = await started(RECORDING_PULUMI, FAILING_VERIFY);
    expect([code, output.includes("verify ebpf")]).toEqual([0, false]);
  });

  it("npm start does not verify a stack with verify: off", async () => {
    const { code, output } = await started(verifiedPulumi({ verdict: "off" }), FAILING_VERIFY);
    expect(code).toBe(0);
    expect(output).toContain("\nIt was not verified (verify: off). To verify it: npx cilium-modes verify ebpf\n");
  });

  it("npm start refuses a kind with another checksum", async () => {
    const right = sum;
    sum = "0".repeat(64);
    const fresh = machine().install("docker", DOCKER).install("pulumi", RECORDING_PULUMI);
    const { code, output } = await fresh.run("start.mjs");
    sum = right;
    expect(code).toBe(1);
    expect(output).toMatch(
      /kind could not be obtained: kind-\S+ has checksum [0-9a-f]{64}, expected 0{64}; nothing was installed/,
    );
    expect(output).not.toContain("pulumi ");
    expect(existsSync(join(fresh.project, ".cilium-modes", "bin", "kind"))).toBe(false);
  });

  it("npm start builds kind with go install when the download does not answer and Go is there", async () => {
    const fresh = machine("/gone")
      .install("docker", DOCKER)
      .install("pulumi", RECORDING_PULUMI)
      .install("go", 'echo "go $*"; echo "built" > "$GOBIN/kind"; /bin/chmod 755 "$GOBIN/kind"');
    mkdirSync(join(fresh.project, ".cilium-modes", "bin"), { recursive: true });
    const { code, output } = await fresh.run("start.mjs");
    expect(output).toMatch(/answers 404; building kind with: go install sigs\.k8s\.io\/kind@v[\d.]+\n/);
    expect(code).toBe(0);
    expect(readFileSync(join(fresh.project, ".cilium-modes", "bin", "kind"), "utf8")).toBe("built\n");
  });

  it("npm start ends with the reason when go install fails", async () => {
    const { code, output } = await machine("/gone")
      .install("docker", DOCKER)
      .install("pulumi", RECORDING_PULUMI)
      .install("go", "exit 1")
      .run("start.mjs");
    expect(code).toBe(1);
    expect(output).toMatch(/kind could not be obtained: go install \S+ failed with exit code 1\n$/);
  });

  it("npm start leaves the layers of the image's build out of what Pulumi prints to a file", async () => {
    const layer = `sha256:${"0123456789abcdef".repeat(4)}`;
    const { output } = await started(
      `case "$1" in up) echo " +  docker:index:Image nettool-image creating (1s) digest: ${layer}"; echo "created"; esac`,
      "",
    );
    expect([output.includes("created\n"), output.includes(layer)]).toEqual([true, false]);
  });

  describe("with --timings", () => {
    const timed = (pulumi = RECORDING_PULUMI) =>
      machine().install("docker", DOCKER).install("kind", "").install("pulumi", pulumi);

    it("npm start records its steps, and begins the file anew in every run", async () => {
      const fresh = timed().cli('echo "$1 $CILIUM_MODES_TIMINGS"');
      const file = join(fresh.project, "up.json");
      for (const [stack, ...args] of [
        ["ebpf", "--timings", "up.json"],
        ["replacement", "replacement", "--timings=up.json"],
      ]) {
        const { code, output } = await fresh.run("start.mjs", ...args);
        expect(code).toBe(0);
        expect(output).toContain(`doctor ${file}\n`);
        expect(output.endsWith(`\nTimings: ${file} (open it in https://ui.perfetto.dev)\n`)).toBe(true);
        const seen = readTimings(file);
        expect(seen.title).toBe(`npm start: ${stack}`);
        expect(spansOf(seen, "npm start")).toEqual([
          ...[
            "programs and network",
            "npm ci",
            "kind and Pulumi",
            "plan",
            "doctor",
            "pulumi stack select",
            "pulumi up",
          ],
          "pulumi stack output",
        ]);
      }
    });

    it("npm start takes the file from the folder where the user typed it, and the variable as well", async () => {
      const fresh = timed();
      const folder = join(fresh.project, "elsewhere");
      mkdirSync(folder);
      fresh.variables = { INIT_CWD: folder, CILIUM_MODES_TIMINGS: "a.json" };
      expect((await fresh.run("start.mjs")).code).toBe(0);
      expect((await fresh.run("start.mjs", "--timings", "b.json")).code).toBe(0);
      expect(readdirSync(folder)).toEqual(["a.json", "b.json"]);
      const pulumi = machine().install("pulumi", 'echo "$CILIUM_MODES_TIMINGS"');
      pulumi.variables = { INIT_CWD: folder, CILIUM_MODES_TIMINGS: "a.json" };
      expect((await pulumi.run("pulumi.mjs", "up")).output).toBe(`${folder}/a.json\n`);
    });

    it("npm start leaves a file that opens when it is interrupted", async () => {
      const fresh = timed(`[ "$1" = up ] || exit 0\n${PATIENT_PULUMI}`);
      const { code } = await fresh.interrupt("running", "start.mjs", "--timings", "up.json");
      expect(code).toBe(9);
      expect(spansOf(readTimings(join(fresh.project, "up.json")), "npm start").at(-1)).toBe("pulumi up");
    });

    it("npm start records nothing without it", async () => {
      const fresh = timed('echo "timings=$CILIUM_MODES_TIMINGS$CILIUM_MODES_TIMINGS_RUN"');
      const { output } = await fresh.run("start.mjs");
      expect(output).toContain("timings=\n");
      expect(output).not.toContain("Timings: ");
    });

    const RUN = "; run: npm start -- [stack] [--timings <file>]\n";
    it.each([
      [["--timings"], `Option '--timings <value>' argument missing${RUN}`],
      [["--timings", "ebpf"], `--timings needs a file (got "ebpf")${RUN}`],
      [["--timing", "up.json"], `Unknown option '--timing'${RUN}`],
      // npm start ebpf --timings up.json
      [["ebpf", "up.json"], `npm start takes one stack (got ebpf, up.json)${RUN}`],
      [
        ["--timings", "no/up.json"],
        "The timings cannot be written to ROOT/no/up.json: the folder ROOT/no does not exist; run: mkdir -p ROOT/no\n",
      ],
      [
        ["--timings", "Pulumi.yaml"],
        "The timings cannot be written to ROOT/Pulumi.yaml: it exists and holds no timings; name another file\n",
      ],
    ])("npm start refuses %j before it does anything", async (args, message) => {
      const fresh = timed();
      const { code, output } = await fresh.run("start.mjs", ...args);
      expect([code, output]).toEqual([2, message.replaceAll("ROOT", fresh.project)]);
    });

    it("npm start refuses an option that npm has taken", async () => {
      const fresh = timed();
      // npm start ebpf --timings=up.json
      fresh.variables = { npm_config_timings: "up.json" };
      const { code, output } = await fresh.run("start.mjs", "ebpf");
      expect([code, output]).toEqual([2, `npm has taken --timings for itself${RUN}`]);
    });
  });

  it("npm start tells Pulumi that doctor has given the warnings about this machine", async () => {
    const { output } = await started('[ "$1" != up ] || echo "examined=$CILIUM_MODES_EXAMINED"', "");
    expect(output).toContain("examined=true\n");
  });

  describe("after a killed run", () => {
    /** Start a stack that a process has locked. */
    async function locked(pid: number, host = hostname()): Promise<Run> {
      const fresh = machine().install("docker", DOCKER).install("kind", "").install("pulumi", RECORDING_PULUMI);
      symlinkSync("/bin/ps", join(fresh.project, "bin", "ps"));
      const folder = join(fresh.project, ".cilium-modes/state/.pulumi/locks/organization/cilium-modes/ebpf");
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, "a.json"), JSON.stringify({ pid, username: "root", hostname: host }));
      writeFileSync(join(folder, "a.json.attrs"), "{}");
      return fresh.run("start.mjs");
    }
    const CANCEL = "pulumi cancel --yes --stack ebpf | ";

    it("npm start cancels the update whose process is gone, and says so", async () => {
      const { pid } = spawnSync(process.execPath, ["-e", "0"]);
      const { code, output } = await locked(pid);
      expect(output).toContain(`left ebpf locked (process ${pid} is gone): running pulumi cancel\n${CANCEL}`);
      expect(code).toBe(0);
    });

    it("npm start cancels the update whose process number another program has", async () => {
      expect((await locked(process.pid)).output).toContain(CANCEL);
    });

    it("npm start leaves the lock of a running Pulumi, and of another machine, alone", async () => {
      const folder = mkdtempSync(join(tmpdir(), "cilium-modes-test-"));
      symlinkSync("/bin/sleep", join(folder, "pulumi"));
      const running = spawn(join(folder, "pulumi"), ["60"]);
      try {
        expect((await locked(running.pid!)).output).not.toContain(CANCEL);
      } finally {
        running.kill();
        rmSync(folder, { recursive: true });
      }
      expect((await locked(spawnSync(process.execPath, ["-e", "0"]).pid, "elsewhere")).output).not.toContain(CANCEL);
    });
  });

  it("npm start exits with Pulumi's exit code when pulumi up fails", async () => {
    const { code, output } = await machine()
      .install("docker", DOCKER)
      .install("kind", "")
      .install("pulumi", '[ "$1" = up ] && exit 7; exit 0')
      .run("start.mjs", "replacement");
    expect(code).toBe(7);
    expect(output).not.toContain("is up");
  });

  it("npm start uses a Pulumi CLI that the npm package downloaded earlier", async () => {
    const { code, output } = await machine()
      .install("docker", DOCKER)
      .install("kind", "")
      .install("pulumi", RECORDING_PULUMI, PULUMI_CACHE)
      .run("start.mjs");
    expect(code).toBe(0);
    expect(output).toContain("pulumi up --yes --skip-preview --stack ebpf | ");
  });

  it("npm run pulumi downloads the CLI without writing to standard output", async () => {
    const fresh = machine().install("cli", RECORDING_PULUMI, "release");
    mkdirSync(join(fresh.project, "node_modules", "pulumi"));
    writeFileSync(
      join(fresh.project, "node_modules", "pulumi", "run.js"),
      `const { cpSync } = require("node:fs");
      console.error("Downloading", process.argv[2]);
      cpSync(${JSON.stringify(join(fresh.project, "release", "cli"))}, ${JSON.stringify(join(fresh.project, PULUMI_CACHE, "pulumi"))});`,
    );
    fresh.separateErrors = true;
    const { code, output, stdout } = await fresh.run("pulumi.mjs", "stack", "output", "--json");
    expect([code, output.startsWith("Downloading version\n"), JSON.parse(stdout)]).toEqual([
      0,
      true,
      expect.objectContaining(OUTPUTS),
    ]);
  });

  it.each([["bin"], [PULUMI_CACHE]])(
    "npm run pulumi waits for Pulumi to end after Ctrl-C: CLI in %s",
    async (folder) => {
      const { code, output } = await machine()
        .install("pulumi", PATIENT_PULUMI, folder)
        .interrupt("running", "pulumi.mjs", "up");
      expect({ code, output }).toEqual({ code: 9, output: "running\ninterrupted\ncleaned up\n" });
    },
  );

  it("npm run pulumi lets Pulumi, Helm and npm write into the project's folder if the home folder cannot be written", async () => {
    const script = 'echo "$PULUMI_HOME" "$XDG_CACHE_HOME" "$npm_config_cache"';
    const shared = machine().install("pulumi", script);
    expect((await shared.run("pulumi.mjs", "version")).output).toBe("  \n");
    // a file cannot be written into by anybody, and an administrator can write everywhere else
    shared.home = join(shared.project, "package-lock.json");
    const folders = ["pulumi", "cache", "npm"].map((folder) => join(shared.project, ".cilium-modes", folder));
    expect((await shared.run("pulumi.mjs", "version")).output).toBe(`${folders.join(" ")}\n`);
  });

  it("npm run pulumi uses the backend of a user who is logged in", async () => {
    const loggedIn = machine().install("pulumi", RECORDING_PULUMI);
    mkdirSync(join(loggedIn.project, ".pulumi"));
    writeFileSync(join(loggedIn.project, ".pulumi", "credentials.json"), '{"current":"https://api.pulumi.com"}');
    expect(await loggedIn.run("pulumi.mjs", "preview", "-s", "ebpf")).toMatchObject({
      code: 0,
      output: "pulumi preview -s ebpf |  | passphrase=unset\n",
    });
  });
});

describe("npm test", () => {
  it("npm test runs every test file exactly once", async () => {
    const machine = new Machine("http://127.0.0.1:9");
    const log = join(machine.project, "ignored");
    const bin = join(machine.project, "node_modules", ".bin");
    mkdirSync(bin);
    const [record, report] = ["--testPathIgnorePatterns", "--outputFile="];
    writeFileSync(
      join(bin, "jest"),
      `const { appendFileSync, writeFileSync } = require("node:fs");
      appendFileSync(${JSON.stringify(log)}, process.argv[process.argv.indexOf("${record}") + 1] + "\\n");
      const file = process.argv.find((word) => word.startsWith("${report}")).slice(${report.length});
      writeFileSync(file, JSON.stringify({ numPassedTests: 1, numFailedTests: 0, numRuntimeErrorTestSuites: 0, testResults: [], numPendingTests: 0, numTodoTests: 0, numTotalTests: 1 }));`,
    );
    for (const check of ["oxlint", "oxfmt", "knip", "typedoc"]) writeFileSync(join(bin, check), "");
    try {
      expect((await machine.run("test.mjs", "all")).output).toMatch(/^6 passed, 0 failed, 0 skipped$/m);
      const patterns = readFileSync(log, "utf8").trim().split("\n");
      const ignored = patterns.map((pattern) => new RegExp(pattern.replace("<rootDir>", ROOT)));
      for (const tier of readdirSync(resolve(__dirname, ".."), { withFileTypes: true })) {
        const file = join(ROOT, "tests", tier.name, "any.test.ts");
        if (tier.isDirectory())
          expect([tier.name, ignored.filter((each) => !each.test(file)).length]).toEqual([tier.name, 1]);
      }
    } finally {
      rmSync(machine.project, { recursive: true });
    }
  });
});

describe("the program", () => {
  it("loads of the Kubernetes SDK only what it uses, since every preview waits for that", () => {
    const script = `require("./index.ts"); console.log(JSON.stringify(Object.keys(require.cache)))`;
    const { stdout, stderr } = spawnSync(process.execPath, ["--require", "./host/tsx.cjs", "--eval", script], {
      cwd: ROOT,
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    const loaded = (JSON.parse(stdout) as string[]).map((file) => file.split("@pulumi/kubernetes/")[1]);
    expect(loaded).toContain("helm/v3/release.js");
    // the older charts of the SDK, with a hundred files of other packages
    expect(loaded).not.toContain("helm/v3/helm.js");
  });
});
