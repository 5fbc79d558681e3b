import { writeFileSync } from "node:fs";
import { hostname, release } from "node:os";
import { join } from "node:path";
import { readDaemon } from "../../host/daemon";
import { problemLine, warningLine, type MachineFinding } from "../../host/finding";
import { judgeLimits, readLimits, type Limits } from "../../host/limits";
import { preflight } from "../../providers/kind/kindCli";
import { withOwnPath } from "../support/ownPath";

const ROOMY: Limits = { inotifyInstances: 512, inotifyWatches: 524_288, memoryBytes: 32e9 };

const problemsOf = (findings: readonly MachineFinding[]) => findings.filter(({ verdict }) => verdict === "fail");
const warningsOf = (findings: readonly MachineFinding[]) => findings.filter(({ verdict }) => verdict === "warning");

describe("judgeLimits", () => {
  it.each<[string, Limits, number]>([
    ["kind's recommended values and enough memory", ROOMY, 21],
    ["exactly 1 GB for each node", { ...ROOMY, memoryBytes: 3e9 }, 3],
    ["exactly 1 GB free for each node", { ...ROOMY, availableBytes: 3e9 }, 3],
    ["unknown limits", {}, 21],
  ])("passes a machine with %s", (_case, limits, nodes) => {
    expect(judgeLimits(limits, nodes).map(({ verdict }) => verdict)).toEqual(
      Object.keys(limits)
        .filter((key) => key !== "availableBytes")
        .map(() => "pass"),
    );
  });

  it("warns about inotify limits below kind's recommendation for many nodes, with the command that raises them", () => {
    const ubuntu = { ...ROOMY, inotifyInstances: 128, inotifyWatches: 4096 };
    expect(warningsOf(judgeLimits(ubuntu, 3))).toEqual([]);
    expect(warningsOf(judgeLimits(ubuntu, 11)).map(warningLine)).toEqual([
      'fs.inotify.max_user_instances: is 128, and kind recommends 512. Affects all modes: with 11 nodes, pods may fail with "too many open files". To fix it: run: sudo sysctl fs.inotify.max_user_instances=512',
      'fs.inotify.max_user_watches: is 4096, and kind recommends 524288. Affects all modes: with 11 nodes, pods may fail with "too many open files". To fix it: run: sudo sysctl fs.inotify.max_user_watches=524288',
    ]);
    expect(problemsOf(judgeLimits(ubuntu, 11))).toEqual([]);
  });

  it.each<[string, Limits, number, string]>([
    [
      "instances",
      { inotifyInstances: 128 },
      13,
      "  - fs.inotify.max_user_instances: is 128, and 13 nodes cannot start with fewer than 130; run: sudo sysctl fs.inotify.max_user_instances=512",
    ],
    [
      "watches",
      { inotifyWatches: 99 },
      1,
      "  - fs.inotify.max_user_watches: is 99, and 1 node cannot start with fewer than 100; run: sudo sysctl fs.inotify.max_user_watches=524288",
    ],
  ])(
    "fails, without an additional warning, with fewer inotify %s than nodes need to start",
    (_of, limits, nodes, problem) => {
      const findings = judgeLimits(limits, nodes);
      expect(problemsOf(findings).map(problemLine)).toEqual([problem]);
      expect(findings).toHaveLength(1);
    },
  );

  it("fails for inotify limits only above a number of nodes", () => {
    const problems = (nodes: number) => problemsOf(judgeLimits({ inotifyInstances: 128 }, nodes)).length;
    expect([1, 3, 12].map(problems)).toEqual([0, 0, 0]);
    expect([13, 21].map(problems)).toEqual([1, 1]);
  });

  it("counts the nodes of other clusters", () => {
    const [inotify] = warningsOf(judgeLimits({ inotifyInstances: 128, memoryBytes: 5e9 }, 1, 3));
    expect(inotify!.matters).toContain("with 4 nodes (3 of other clusters), pods may fail");
    const [memory] = warningsOf(judgeLimits({ memoryBytes: 3e9 }, 1, 3));
    expect(memory!.seen).toBe(
      "Docker has 3.0 GB, and 4 nodes (3 of other clusters) with Cilium need an estimated 4.0 GB",
    );
  });

  it("only warns about less memory than 1 GB for each node", () => {
    const findings = judgeLimits({ ...ROOMY, memoryBytes: 2.04e9 }, 3);
    expect(problemsOf(findings)).toEqual([]);
    expect(warningsOf(findings).map(warningLine)).toEqual([
      "memory: Docker has 2.0 GB, and 3 nodes with Cilium need an estimated 3.0 GB. Affects all modes: with too little, pods are killed or evicted. To fix it: give Docker more memory, or reduce cluster.workers",
    ]);
  });

  it("warns about too little free memory for the new nodes alone", () => {
    const limits = { ...ROOMY, availableBytes: 2.5e9 };
    expect(warningsOf(judgeLimits(limits, 3, 6)).map(({ seen }) => seen)).toEqual([
      "Docker has 32.0 GB, 2.5 GB free, and 3 nodes need an estimated 3.0 GB",
    ]);
    expect(warningsOf(judgeLimits(limits, 2, 6))).toEqual([]);
  });
});

describe("readLimits", () => {
  const own = withOwnPath();
  const { program } = own;

  const here = { ServerVersion: "29.0.0", Name: hostname(), KernelVersion: release(), MemTotal: 4e9 };

  const docker = (info: object | string) =>
    program("docker", typeof info === "string" ? info : JSON.stringify(info), 0, "info");
  function kernel(instances: string, watches: string): void {
    writeFileSync(join(own.folder, "max_user_instances"), instances);
    writeFileSync(join(own.folder, "max_user_watches"), watches);
    writeFileSync(join(own.folder, "meminfo"), "MemTotal:        4000000 kB\nMemAvailable:    1000000 kB\n");
  }
  const limits = async () => readLimits(await readDaemon(), own.folder, join(own.folder, "meminfo"));

  const onLinux = process.platform === "linux" ? it : it.skip;

  onLinux("reads the limits of this machine when Docker runs on it", async () => {
    docker(here);
    kernel("128\n", "192536\n");
    expect(await limits()).toEqual({
      inotifyInstances: 128,
      inotifyWatches: 192_536,
      memoryBytes: 4e9,
      availableBytes: 1_024_000_000,
    });
  });

  it.each([
    ["a remote machine", { ...here, Name: `not-${here.Name}` }],
    ["Docker Desktop's virtual machine", { ...here, Name: "docker-desktop", KernelVersion: "6.10.14-linuxkit" }],
  ])("reads only the memory of %s", async (_where, daemon) => {
    docker(daemon);
    kernel("128\n", "8192\n");
    expect(await limits()).toEqual({ memoryBytes: 4e9 });
  });

  it.each([
    ["are missing", undefined],
    ["hold no number", "many\n"],
    ["are empty", ""],
  ])("ignores files of the kernel that %s", async (_what, content) => {
    docker(here);
    if (content !== undefined) kernel(content, content);
    expect(await limits()).toMatchObject({ memoryBytes: 4e9, inotifyInstances: undefined, inotifyWatches: undefined });
  });

  it.each([
    ["prints nothing", ""],
    ["prints something else", "29.0.0"],
    ["omits fields", "{}"],
  ])("ignores a docker info that %s", async (_what, output) => {
    docker(output);
    expect(await limits()).toEqual({});
  });

  it("leaves out the memory that Docker does not report", async () => {
    docker({ ...here, Name: "elsewhere", MemTotal: 0 });
    expect(await limits()).toEqual({ memoryBytes: undefined });
  });

  it("preflight warns about too little memory, and goes on", async () => {
    docker({ ...here, Name: "elsewhere", MemTotal: 2e9, KernelVersion: "6.8.0" });
    program("kind", "kind v0.33.0 go1.26.1 linux/amd64");
    const warnings: string[] = [];
    const log = { status: () => undefined, warn: (message: string) => void warnings.push(message) };
    const ports = { portMappings: [], apiServerAddress: "127.0.0.1", apiServerPort: 0 };
    const cluster = { name: "c", mode: "ebpf", kubeProxyMode: "none", nodeImage: "own:1", ...ports } as const;
    await preflight({ ...cluster, workers: 2 }, log);
    expect(warnings).toEqual([expect.stringMatching(/^memory: Docker has 2\.0 GB, and 3 nodes/)]);
    await preflight({ ...cluster, workers: 1 }, log);
    expect(warnings).toHaveLength(1);
  });
});
