import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { cli, cliProcess, type CommandResult, withEnvironment } from "../support/cli";
import { TestProject } from "../support/project";

const INFO = {
  ServerVersion: "29.0.0",
  KernelVersion: "6.12.0",
  Name: "another-machine",
  OperatingSystem: "Debian GNU/Linux 12",
  NCPU: 4,
  MemTotal: 16e9,
  CgroupVersion: "2",
  Driver: "overlay2",
};

/** What a machine has; what is left out is as it should be. */
interface Machine {
  readonly docker?: "none" | "denied" | "down";
  readonly info?: Partial<typeof INFO>;
  /** What `kind version` prints; undefined without kind. */
  readonly kind?: string | undefined;
  /** Subnet of kind's Docker network. */
  readonly subnet?: string;
  readonly set?: readonly string[];
  readonly stack?: string;
}

/** A wrong start: the machine, the line that says what is wrong, and the line that says what to do. */
type WrongStart = readonly [name: string, machine: Machine, seen: string | RegExp, remedy: string | RegExp];

let taken: Server;
let port: number;

const WRONG_STARTS: readonly WrongStart[] = [
  [
    "no Docker",
    { docker: "none" },
    "Docker: the docker command is not on the PATH",
    "https://docs.docker.com/get-docker/",
  ],
  [
    "Docker without permission",
    { docker: "denied" },
    "Docker: this user may not use the daemon",
    "sudo usermod -aG docker $USER",
  ],
  [
    "a daemon that does not run",
    { docker: "down" },
    "Docker: the daemon does not respond (Cannot connect",
    "sudo systemctl start docker",
  ],
  ["no kind", { kind: undefined }, "kind: is not on the PATH", "npm start"],
  [
    "an old kind",
    { kind: "kind v0.20.0" },
    /kind: kindest\/node\S+ needs 0\.32\.0 or newer \(got 0\.20\.0\)/,
    "https://kind.sigs.k8s.io",
  ],
  [
    "an old kernel",
    { info: { KernelVersion: "5.4.0-200" } },
    "BPF host routing: not available (by kernel version: Linux 5.10 or newer has it)",
    "boot Linux 5.10 or newer",
  ],
  [
    "too little memory",
    { info: { MemTotal: 1.5e9 } },
    "memory: Docker has 1.5 GB, and 3 nodes with Cilium need an estimated 3.0 GB",
    "give Docker more memory, or reduce cluster.workers",
  ],
  [
    "cgroups that Kubernetes refuses",
    { info: { CgroupVersion: "1" }, set: ["cluster.kubernetesVersion=1.35.0"] },
    "cgroups: version 1, which Kubernetes 1.35.0 rejects",
    "cluster.kubernetesVersion to 1.34.0 or older",
  ],
  [
    "networks that overlap",
    { subnet: "10.0.0.0/20" },
    "cluster.podCidr 10.0.0.0/16 overlaps 10.0.0.0/20 of the Docker network kind",
    "set cluster.podCidr to another network",
  ],
  [
    "a port that is taken",
    { set: ['cluster.portMappings=[{"containerPort":80,"hostPort":TAKEN}]'] },
    /port 127\.0\.0\.1:\d+: is in use by another program/,
    "set another hostPort in cluster.portMappings",
  ],
  [
    "a chart that is not there",
    { set: ["cilium.chart=./none.tgz"] },
    "Cilium's chart: ./none.tgz does not exist",
    "set cilium.chart to a chart's folder or .tgz",
  ],
  [
    "a wrong kubeconfig",
    { set: ["cluster.kubeconfig=/none/config", "nettool.image=nettool:1"] },
    "cluster: The kubeconfig /none/config cannot be read (ENOENT)",
    "set cluster.kubeconfig",
  ],
  [
    "an unknown context",
    { set: ['cluster.kubeconfig={"apiVersion":"v1","contexts":[]}', "cluster.context=lab", "nettool.image=nettool:1"] },
    /no context "lab"; its contexts are: none/,
    "set cluster.kubeconfig",
  ],
  ["an unknown stack", { stack: "ebfp" }, "There is no ", "known stacks are ebpf, kubeproxy, replacement"],
  ["a misspelt key", { set: ["tunel=vxlan"] }, "tunel: ", 'did you mean "tunnel"?'],
  [
    "an unknown value",
    { set: ["tunnel=vxlam"] },
    'tunnel: must be one of disabled, vxlan, geneve, got "vxlam"',
    'did you mean "vxlan"?',
  ],
  [
    "BPF masquerading without Cilium's services",
    { stack: "kubeproxy", set: ["bpf.masquerade=true"] },
    "bpf.masquerade: ",
    "kubeProxyReplacement",
  ],
  ["a name that is too long", { set: [`cluster.name=${"n".repeat(33)}`] }, "cluster.name: ", "32"],
  [
    "an invalid network",
    { set: ["cluster.podCidr=10.0.0.1/16"] },
    "cluster.podCidr: has host bits set",
    'did you mean "10.0.0.0/16"?',
  ],
];

/** A way to run a command. */
type Run = (argv: string[], environment: { PATH: string; HOME: string }) => CommandResult | Promise<CommandResult>;

/** Run something with these variables only. */
const inEnvironment = (environment: Record<string, string>, run: () => CommandResult | Promise<CommandResult>) =>
  withEnvironment(
    { ...Object.fromEntries(Object.keys(process.env).map((name) => [name, undefined])), ...environment },
    run,
  );

const inTest: Run = (argv, environment) => inEnvironment(environment, () => cli(...argv));
const inProcess: Run = (argv, environment) => inEnvironment(environment, () => cliProcess(argv));

describe("doctor", () => {
  const folders: string[] = [];
  beforeAll(async () => {
    taken = createServer();
    await new Promise<void>((listening) => taken.listen(0, "127.0.0.1", listening));
    port = (taken.address() as AddressInfo).port;
  });
  afterAll(() => {
    taken.close();
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });

  /** Programs that answer as a machine's would, and keep what they were asked in the file `asked`. */
  function machine({ docker, info, subnet = "172.18.0.0/16", ...rest }: Machine): string {
    const folder = mkdtempSync(join(tmpdir(), "cilium-modes-test-"));
    folders.push(folder);
    mkdirSync(join(folder, "bin"));
    const program = (name: string, script: string) => {
      const file = join(folder, "bin", name);
      writeFileSync(file, `#!/bin/sh\necho "${name} $*" >> ${folder}/asked\n${script}\n`);
      chmodSync(file, 0o755);
    };
    symlinkSync("/bin/sh", join(folder, "bin", "sh"));
    const kind = "kind" in rest ? rest.kind : "kind v0.33.0";
    if (kind !== undefined) program("kind", `echo '${kind}'`);
    program("pulumi", "echo v3.259.0");
    const failing = {
      denied: "permission denied while trying to connect",
      down: "Cannot connect to the Docker daemon",
    };
    if (docker === "denied" || docker === "down") program("docker", `echo '${failing[docker]}' >&2; exit 1`);
    if (docker === undefined)
      program(
        "docker",
        `case "$1 $2" in
          "info "*) echo '${JSON.stringify({ ...INFO, ...info })}' ;;
          "network ls") echo kind ;;
          "network inspect") echo ${subnet} ;;
          "image inspect") echo sha256:0 ;;
          "run "*) exit 125 ;;
        esac`,
      );
    return folder;
  }

  /** Run doctor inside the test, or by another way to run a command with these variables. */
  async function start(on: Machine, run: Run = inTest): Promise<{ code: number; output: string; asked: string }> {
    const folder = machine(on);
    const set = (on.set ?? []).flatMap((each) => ["--set", each.replace("TAKEN", String(port))]);
    const { code, out, err } = await run(["doctor", on.stack ?? "ebpf", "--quiet", ...set], {
      PATH: join(folder, "bin"),
      HOME: folder,
    });
    const asked = join(folder, "asked");
    return { code, output: out + err, asked: existsSync(asked) ? readFileSync(asked, "utf8") : "" };
  }

  it.each(WRONG_STARTS)("doctor reports %s with its fix, and changes nothing", async (name, on, seen, remedy) => {
    // jest cannot load the Kubernetes client, which is an ES module
    const asksCluster = on.set?.some((each) => each.startsWith("cluster.kubeconfig="));
    const { code, output, asked } = await start(on, asksCluster ? inProcess : inTest);
    expect(output).toMatch(seen instanceof RegExp ? seen : new RegExp(escaped(seen)));
    expect(output).toMatch(remedy instanceof RegExp ? remedy : new RegExp(escaped(remedy)));
    expect([name, code]).toEqual([name, name === "too little memory" ? 0 : 1]);
    expect(output).not.toMatch(/^ +at .+:\d+/m); // no stack trace
    expect(asked).not.toMatch(/^(kind create|docker (rm|create|build|pull|network create)|pulumi (up|stack))/m);
  });

  it("doctor finds no problem on a good machine, whatever the test's own variables say", async () => {
    const { code, output } = await withEnvironment({ KIND_EXPERIMENTAL_PROVIDER: "podman" }, () => start({}));
    expect(output).toContain("This machine can run the stack ebpf");
    expect(code).toBe(0);
  });

  it("doctor does not run npm's shim of pulumi, which npx puts first on the PATH", async () => {
    const shim = join(mkdtempSync(join(tmpdir(), "cilium-modes-test-")), "node_modules", ".bin");
    mkdirSync(shim, { recursive: true });
    writeFileSync(join(shim, "pulumi"), '#!/bin/sh\ntouch "$0.ran"\nexit 1\n');
    chmodSync(join(shim, "pulumi"), 0o755);
    folders.push(dirname(dirname(shim)));
    // a process of a copy, since the PATH of a checkout has the tools that npm start obtained there
    const project = new TestProject();
    try {
      const { code, output, asked } = await start({}, (argv, { PATH, ...others }) =>
        inEnvironment({ ...others, PATH: [shim, PATH].join(delimiter) }, () =>
          cliProcess(argv, {}, { project: project.directory }),
        ),
      );
      expect([asked.includes("pulumi version"), existsSync(join(shim, "pulumi.ran"))]).toEqual([true, false]);
      expect(output).toContain("This machine can run the stack ebpf");
      expect(code).toBe(0);
    } finally {
      project.remove();
    }
  });
});

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
