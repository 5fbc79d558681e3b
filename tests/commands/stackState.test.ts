import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cutNote } from "../../cli/observe";
import { kindKubeconfig } from "../../cli/kindKubeconfig";
import { knownStacks } from "../../cli/stackFile";
import { status, statusText, type StackStatus } from "../../cli/status";
import { TestProject } from "../support/project";
import { withOwnPath } from "../support/ownPath";

// it is an ES module, which jest cannot load here
jest.mock("@kubernetes/client-node", () => ({}));

/** A node container as docker inspect shows it. */
const container = (cluster: string, Running: boolean) => ({
  ...{ Id: cluster, Name: `/${cluster}-control-plane`, Created: "2026-11-26T05:30:00.123456789Z", State: { Running } },
  ...{ Config: { Labels: {} }, Mounts: [], NetworkSettings: { Networks: {} } },
});

/** A script of docker that knows the nodes of these clusters. */
const dockerWith = (...nodes: ReturnType<typeof container>[]) =>
  `case "$1 $*" in
${nodes.map((node) => `ps*label=io.x-k8s.kind.cluster=${node.Id}*) echo ${node.Id} ;;`).join("\n")}
${nodes.map((node) => `inspect*${node.Id}) echo '${JSON.stringify([node])}' ;;`).join("\n")}
esac`;

function install(folder: string, name: string, script: string): void {
  writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, name), 0o755);
}

describe("the kubeconfig of a stack's kind cluster", () => {
  const own = withOwnPath();
  const error = async () =>
    kindKubeconfig("ebpf", "cilium-modes-ebpf").then(
      (text) => text,
      ({ message }: Error) => message,
    );

  it("is kind's", async () => {
    own.program("kind", "apiVersion: v1");
    expect(await error()).toBe("apiVersion: v1\n");
  });

  it("names npm start where the cluster does not exist", async () => {
    own.program("kind", "could not locate any control plane nodes", 1);
    install(own.folder, "docker", dockerWith());
    expect(await error()).toBe("The cluster of stack ebpf does not exist; create it with: npm start -- ebpf");
  });

  it("names npm start where nodes are stopped", async () => {
    own.program("kind", "container is not running", 1);
    install(own.folder, "docker", dockerWith(container("cilium-modes-ebpf", false)));
    expect(await error()).toBe(
      "Nodes of stack ebpf's cluster are stopped (cilium-modes-ebpf-control-plane); start them with: npm start -- ebpf",
    );
  });

  it("gives the fix for a Docker or a kind that is missing", async () => {
    expect(await error()).toBe(
      "Docker: the docker command is not on the PATH; install it from https://docs.docker.com/get-docker/",
    );
    install(own.folder, "docker", dockerWith(container("cilium-modes-ebpf", true)));
    expect(await error()).toBe("kind is not on the PATH; install it from https://kind.sigs.k8s.io, or run: npm start");
  });
});

describe("cilium-modes status", () => {
  const own = withOwnPath();
  let printed: string[];
  beforeEach(() => {
    printed = [];
    jest.spyOn(console, "log").mockImplementation((text: string) => void printed.push(text));
  });
  afterEach(() => void jest.restoreAllMocks());

  const asked = async (...stacks: string[]): Promise<StackStatus[]> => {
    await status(stacks, { json: true });
    return JSON.parse(printed.pop()!) as StackStatus[];
  };
  const outputs = (verification: object) =>
    `case "$*" in *"--stack ebpf") echo '${JSON.stringify({ mode: "ebpf", verification })}' ;; *) echo "error: no stack named 'x' found" >&2; exit 255 ;; esac`;
  const VERIFICATION = { verdict: "pass", proof: "proven", verifiedAt: "2026-11-26T05:40:00.000Z" };

  it("reads cluster and nodes from Docker, and the verification from Pulumi's state", async () => {
    install(
      own.folder,
      "docker",
      dockerWith(container("cilium-modes-ebpf", true), container("cilium-modes-kubeproxy", false)),
    );
    install(own.folder, "pulumi", outputs(VERIFICATION));
    expect(await asked("ebpf", "kubeproxy", "replacement")).toEqual([
      {
        ...{ stack: "ebpf", mode: "ebpf", cluster: "cilium-modes-ebpf", state: "up", nodes: 1, problems: [] },
        createdAt: "2026-11-26T05:30:00.123456789Z",
        verification: VERIFICATION,
      },
      expect.objectContaining({ stack: "kubeproxy", mode: "kubeproxy", state: "stopped" }),
      { stack: "replacement", mode: "replacement", cluster: "cilium-modes-replacement", state: "down", problems: [] },
    ]);
  });

  it("leaves the verification of a cluster that is gone out", async () => {
    install(own.folder, "docker", dockerWith());
    install(own.folder, "pulumi", outputs(VERIFICATION));
    expect(await asked("ebpf")).toEqual([expect.not.objectContaining({ verification: expect.anything() })]);
  });

  it("covers every stack with a file by default", async () => {
    install(own.folder, "docker", dockerWith());
    install(own.folder, "pulumi", outputs(VERIFICATION));
    expect((await asked()).map(({ stack }) => stack)).toEqual(knownStacks());
  });

  it("says what it could not read, and shows the rest", async () => {
    const [found] = await asked("ebpf");
    expect(found).toEqual({
      ...{ stack: "ebpf", mode: "ebpf", cluster: "cilium-modes-ebpf", state: "unknown" },
      problems: ["Pulumi: the program is not on the PATH", "Docker: the docker command is not on the PATH"],
    });
    install(own.folder, "pulumi", 'echo "error: incorrect passphrase" >&2; exit 255');
    expect((await asked("ebpf"))[0]!.problems).toContain("Pulumi: error: incorrect passphrase");
  });

  it("prints a line for each stack, each problem once, and the command for a stack that is down", () => {
    const found: StackStatus[] = [
      {
        ...{ stack: "ebpf", mode: "ebpf", cluster: "c1", state: "up", nodes: 3, createdAt: "2026-11-26T05:30:00Z" },
        ...{ verification: VERIFICATION, problems: ["Pulumi: a"] },
      },
      { stack: "lab", mode: "replacement", cluster: "c2", state: "external", problems: ["Pulumi: a"] },
      { stack: "kubeproxy", mode: "kubeproxy", cluster: "c3", state: "down", problems: [] },
      { stack: "secret", state: "unknown", verification: { verdict: "off" }, problems: [] },
    ];
    expect(statusText(found).split("\n")).toEqual([
      "STACK      MODE         STATE     CLUSTER       CREATED               VERIFIED",
      "ebpf       ebpf         up        c1 (3 nodes)  2026-11-26 05:30 UTC  proven, 2026-11-26 05:40 UTC",
      "lab        replacement  external  c2",
      "kubeproxy  kubeproxy    down      c3",
      "secret     unknown      unknown   unknown                             off",
      "",
      "Not read:",
      "  - Pulumi: a",
      "",
      "Create a cluster with: npm start -- kubeproxy",
    ]);
  });
});

describe("cilium-modes env", () => {
  let project: TestProject;
  let bin: string;
  let home: string;
  beforeAll(() => {
    project = new TestProject();
    bin = mkdtempSync(join(tmpdir(), "cilium-modes-test-"));
    home = join(bin, "home's folder");
    mkdirSync(home);
    install(bin, "docker", dockerWith());
    install(bin, "kind", 'case "$*" in *cilium-modes-ebpf) echo "apiVersion: v1" ;; *) exit 1 ;; esac');
  });
  afterAll(() => {
    project.remove();
    rmSync(bin, { recursive: true });
  });
  const env = (stack: string, more: NodeJS.ProcessEnv = {}, ...args: string[]) =>
    spawnSync(process.execPath, [join(project.directory, "cli/cilium-modes.mjs"), "env", stack, ...args], {
      encoding: "utf8",
      env: { PATH: `${bin}:/usr/bin:/bin`, HOME: home, ...more },
    });
  const kubeconfig = () => join(project.directory, ".cilium-modes/kubeconfigs/ebpf.yaml");
  const state = () => join(project.directory, ".cilium-modes/state");

  it("prints the state of npm start, its passphrase and the cluster's kubeconfig, which a shell takes over", () => {
    const { stdout, status, stderr } = env("ebpf");
    expect([status, stderr, stdout.split("\n")]).toEqual([
      0,
      "",
      [
        `export PULUMI_BACKEND_URL='file://${state()}'`,
        "export PULUMI_CONFIG_PASSPHRASE=''",
        `export KUBECONFIG='${kubeconfig()}'`,
        "# Run this command to configure your shell:",
        '# eval "$(npx cilium-modes env ebpf)"',
        "",
      ],
    ]);
    // Pulumi does not create it
    expect(existsSync(state())).toBe(true);
    expect(readFileSync(kubeconfig(), "utf8")).toBe("apiVersion: v1\n");
    expect(statSync(kubeconfig()).mode & 0o777).toBe(0o600);
    const shell = spawnSync("sh", ["-euc", `${stdout}\necho "$KUBECONFIG"`], { encoding: "utf8", env: {} });
    expect(shell.stdout).toBe(`${kubeconfig()}\n`);
  });

  it("uses the backend and the home of the user, and never prints a passphrase", () => {
    const { stdout } = env("ebpf", {
      ...{ PULUMI_BACKEND_URL: "s3://bucket", PULUMI_HOME: "/it's here" },
      PULUMI_CONFIG_PASSPHRASE: "secret",
    });
    expect(stdout).toContain(
      "export PULUMI_BACKEND_URL='s3://bucket'\nexport PULUMI_HOME='/it'\\''s here'\nexport KUBE",
    );
    expect(stdout).not.toContain("secret");
  });

  it("leaves KUBECONFIG out where the cluster is not up, and says so on standard error", () => {
    const { stdout, stderr, status } = env("kubeproxy");
    expect([status, stdout.includes("KUBECONFIG"), stdout.includes("PULUMI_BACKEND_URL"), stderr]).toEqual([
      0,
      false,
      true,
      "The cluster of stack kubeproxy does not exist; create it with: npm start -- kubeproxy\n",
    ]);
  });

  it("speaks the language of fish and PowerShell", () => {
    const more = { PULUMI_HOME: "/it's here" };
    const fish = env("ebpf", { ...more, SHELL: "/usr/bin/fish" }).stdout;
    expect(fish).toContain("set -gx PULUMI_HOME '/it\\'s here'\n");
    expect(fish).toMatch(/^# npx cilium-modes env ebpf \| source$/m);
    const powershell = env("ebpf", more, "--shell", "powershell").stdout;
    expect(powershell).toContain("$Env:PULUMI_HOME = '/it''s here'\n");
    expect(powershell).toMatch(/^# & npx cilium-modes env ebpf --shell powershell \| /m);
  });

  it("adds the folder of tools that npm start obtained to the PATH, unless it is there", () => {
    const own = join(project.directory, ".cilium-modes/bin");
    mkdirSync(own, { recursive: true });
    expect(env("ebpf").stdout).toMatch(new RegExp(`^export PATH="\\$PATH":'${own}'$`, "m"));
    expect(env("ebpf", { PATH: `${bin}:/usr/bin:/bin:${own}` }).stdout).not.toContain("export PATH");
  });
});

describe("cilium-modes observe", () => {
  it("says how many flows --last left out, and nothing when it left none out", () => {
    expect(cutNote(51, 50)).toBe("The last 50 of 51 flows; --last 51 shows all");
    expect(cutNote(50, 50)).toBeUndefined();
  });
});
