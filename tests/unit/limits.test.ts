import { writeFileSync } from "node:fs";
import { hostname, release } from "node:os";
import { join } from "node:path";
import { preflight } from "../../providers/kind/kindCli";
import { judgeLimits, readLimits, type Limits } from "../../providers/kind/limits";
import { withOwnPath } from "./support/ownPath";

const ROOMY: Limits = { inotifyInstances: 512, inotifyWatches: 524_288, memoryBytes: 32e9 };

describe("the limits of the machine", () => {
  it.each<[string, Limits, number]>([
    ["kind's recommended values and enough memory", ROOMY, 21],
    ["exactly 1 GB for each node", { ...ROOMY, memoryBytes: 3e9 }, 3],
    ["nothing that is known", {}, 21],
  ])("with %s say nothing", (_case, limits, nodes) => {
    expect(judgeLimits(limits, nodes)).toEqual({ problems: [], warnings: [] });
  });

  it("below kind's recommended values are a warning each for many nodes, with the command that raises it", () => {
    const ubuntu = { ...ROOMY, inotifyInstances: 128, inotifyWatches: 4096 };
    expect(judgeLimits(ubuntu, 3)).toEqual({ problems: [], warnings: [] });
    expect(judgeLimits(ubuntu, 11)).toEqual({
      problems: [],
      warnings: [
        'fs.inotify.max_user_instances is 128 on this machine, and kind recommends 512: with 11 nodes, pods may fail with "too many open files". To raise it until the next boot, run: sudo sysctl fs.inotify.max_user_instances=512',
        'fs.inotify.max_user_watches is 4096 on this machine, and kind recommends 524288: with 11 nodes, pods may fail with "too many open files". To raise it until the next boot, run: sudo sysctl fs.inotify.max_user_watches=524288',
      ],
    });
  });

  it.each<[string, Limits, number, string]>([
    [
      "instances",
      { ...ROOMY, inotifyInstances: 128 },
      13,
      "  - fs.inotify.max_user_instances: is 128, and 13 nodes cannot start with fewer than 130; run: sudo sysctl fs.inotify.max_user_instances=512",
    ],
    [
      "watches",
      { ...ROOMY, inotifyWatches: 99 },
      1,
      "  - fs.inotify.max_user_watches: is 99, and 1 node cannot start with fewer than 100; run: sudo sysctl fs.inotify.max_user_watches=524288",
    ],
  ])(
    "with fewer inotify %s than nodes hold before any pod runs are a problem, and no warning too",
    (_of, limits, nodes, problem) => {
      expect(judgeLimits(limits, nodes)).toEqual({ problems: [problem], warnings: [] });
    },
  );

  it("become a problem with the number of nodes", () => {
    const problems = (nodes: number) => judgeLimits({ inotifyInstances: 128 }, nodes).problems.length;
    expect([1, 3, 12].map(problems)).toEqual([0, 0, 0]);
    expect([13, 21].map(problems)).toEqual([1, 1]);
  });

  it("are shared with the nodes of other clusters", () => {
    expect(judgeLimits({ inotifyInstances: 128, memoryBytes: 5e9 }, 1, 3)).toEqual({
      problems: [],
      warnings: [expect.stringContaining("with 4 nodes (3 of other clusters), pods may fail")],
    });
    expect(judgeLimits({ memoryBytes: 3e9 }, 1, 3).warnings).toEqual([
      expect.stringContaining("Docker has 3.0 GB of memory, and 4 nodes (3 of other clusters) with Cilium"),
    ]);
  });

  it("with less memory than 1 GB for each node are a warning, never a problem", () => {
    expect(judgeLimits({ ...ROOMY, memoryBytes: 2.04e9 }, 3)).toEqual({
      problems: [],
      warnings: [
        "Docker has 2.0 GB of memory, and 3 nodes with Cilium take an estimated 3 GB. If pods are killed or evicted, give Docker more memory, or set cluster.workers lower.",
      ],
    });
  });
});

describe("where Docker's daemon runs", () => {
  const own = withOwnPath();
  const { program } = own;

  const here = { name: hostname(), kernel: release(), memory: 4e9 };

  const docker = (info: object | string) =>
    program("docker", typeof info === "string" ? info : JSON.stringify(info), 0, "info");
  function kernel(instances: string, watches: string): void {
    writeFileSync(join(own.folder, "max_user_instances"), instances);
    writeFileSync(join(own.folder, "max_user_watches"), watches);
  }

  const onLinux = process.platform === "linux" ? it : it.skip;

  onLinux("its machine's limits are read when it is this one", async () => {
    docker(here);
    kernel("128\n", "192536\n");
    expect(await readLimits(own.folder)).toEqual({ inotifyInstances: 128, inotifyWatches: 192_536, memoryBytes: 4e9 });
  });

  it.each([
    ["a remote machine", { ...here, name: `not-${here.name}` }],
    ["Docker Desktop's virtual machine", { ...here, name: "docker-desktop", kernel: "6.10.14-linuxkit" }],
  ])("%s has its memory asked for only", async (_where, daemon) => {
    docker(daemon);
    kernel("128\n", "8192\n");
    expect(await readLimits(own.folder)).toEqual({ memoryBytes: 4e9 });
  });

  it.each([
    ["are missing", undefined],
    ["hold no number", "many\n"],
    ["are empty", ""],
  ])("files that %s are no error", async (_what, content) => {
    docker(here);
    if (content !== undefined) kernel(content, content);
    expect(await readLimits(own.folder)).toEqual({ memoryBytes: 4e9 });
  });

  it.each([
    ["says nothing", ""],
    ["says something else", "29.0.0"],
    ["leaves fields out", "{}"],
  ])("a Docker that %s is no error", async (_what, output) => {
    docker(output);
    expect(await readLimits(own.folder)).toEqual({});
  });

  it("no Docker, one that fails, and one without a memory of its own are no error", async () => {
    expect(await readLimits(own.folder)).toEqual({});
    program("docker", JSON.stringify(here), 1);
    expect(await readLimits(own.folder)).toEqual({});
    docker({ ...here, name: "elsewhere", memory: 0 });
    expect(await readLimits(own.folder)).toEqual({ memoryBytes: undefined });
  });

  it("too little memory is told before a cluster is made, and stops nothing", async () => {
    docker({ ...here, name: "elsewhere", memory: 2e9 });
    program("kind", "kind v0.33.0 go1.26.1 linux/amd64");
    const warnings: string[] = [];
    const log = { status: () => undefined, warn: (message: string) => void warnings.push(message) };
    await preflight("c", "own:1", 3, log);
    expect(warnings).toEqual([expect.stringMatching(/^Docker has 2\.0 GB of memory, and 3 nodes/)]);
    await preflight("c", "own:1", 2, log);
    expect(warnings).toHaveLength(1);
  });
});
