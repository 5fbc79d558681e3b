import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { oneByOne, withVariants } from "../../cli/compareUp";
import { contendersOf } from "../../cli/compareVariants";
import { overriddenStackFile, readStackFile } from "../../cli/stackFile";
import type { CheckedSettings, Settings } from "../../settings/parse";
import type { Problem } from "../../settings/problems";

const DSR = "ebpf:loadBalancer.mode=dsr";
const NFTABLES = "kubeproxy:kubeProxy.mode=nftables";

describe("the subjects of a comparison", () => {
  it("are stacks and variants under the names that were given, each variant with a stack and a cluster of its own", () => {
    const [ebpf, dsr, nftables] = contendersOf(["ebpf", DSR, NFTABLES], undefined);
    expect(ebpf).toEqual({ name: "ebpf", stack: "ebpf", set: undefined, isDualStack: false });
    expect([dsr!.name, nftables!.name]).toEqual([DSR, NFTABLES]);
    expect(dsr!.stack).toMatch(/^ebpf-[0-9a-f]{6}$/);
    expect(nftables!.stack).toMatch(/^kubeproxy-[0-9a-f]{6}$/);
    expect(dsr!.variant!.clusterName).toBe(`cilium-modes-${dsr!.stack}`);
  });

  it("keep the names of a variant's stack and cluster from run to run, whatever the order of its settings", () => {
    const [first] = contendersOf(["ebpf:tunnel=vxlan,loadBalancer.algorithm=maglev"], undefined);
    const [second] = contendersOf(["ebpf:loadBalancer.algorithm=maglev,tunnel=vxlan"], undefined);
    expect(second!.stack).toBe(first!.stack);
    expect(second!.variant!.clusterName).toBe(first!.variant!.clusterName);
    expect(contendersOf(["ebpf", "ebpf", first!.name, second!.name], undefined)).toHaveLength(2);
  });

  it("have cluster names that Cilium accepts", () => {
    const long = "cluster.podCidr=10.4.0.0/16";
    const [variant] = contendersOf(
      [`replacement:cilium.version=1.20.2,${long}`],
      ["cluster.name=a-name-of-at-most-32-characters"],
    );
    expect(variant!.variant!.clusterName).toMatch(/^a-name-of-at-most-32-char-[0-9a-f]{6}$/);
    expect(variant!.variant!.clusterName.length).toBeLessThanOrEqual(32);
  });

  const settingsOf = (name: string, set?: readonly string[]) => {
    const [{ variant } = {}] = contendersOf([name], set);
    return readStackFile(variant!.of, variant!.overrides).settings;
  };

  it("have the settings of the stack, those of --set and their own, which win", () => {
    const { tunnel, kubeProxyReplacement, loadBalancer, cluster } = settingsOf(
      "ebpf:loadBalancer.algorithm=maglev,tunnel=geneve",
      ["tunnel=vxlan", "cluster.workers=1"],
    );
    expect([tunnel, kubeProxyReplacement, loadBalancer.algorithm, cluster.workers]).toEqual([
      "geneve",
      true,
      "maglev",
      1,
    ]);
  });

  it("do not share ports and the kubeconfig of this machine with the stack", () => {
    const ofStack = ["cluster.apiServerPort=6443", "cluster.exportKubeconfig=true"];
    const mapping = 'cluster.portMappings=[{"hostPort": 8080, "nodePort": 32000}]';
    const [{ variant } = {}] = contendersOf(["ebpf:tunnel=vxlan"], undefined);
    const { cluster } = readStackFile("ebpf", [...ofStack, mapping, ...variant!.overrides]).settings;
    expect([cluster.apiServerPort, cluster.exportKubeconfig, cluster.portMappings]).toEqual([0, false, []]);
  });

  it.each([
    [
      "a comma without a key behind it",
      "ebpf:cilium.manifests=[],cluster.ipFamily=dual,cluster.podCidr=10.4.0.0/16,fd00:44::/56",
      "fd00:44::/56",
    ],
    [
      "an escaped comma",
      String.raw`ebpf:cluster.ipFamily=dual,cluster.podCidr=10.4.0.0/16\,fd00:44::/56`,
      "fd00:44::/56",
    ],
  ])("have values with %s", (_, name, expected) => {
    expect(settingsOf(name).ipv6?.podCidr).toBe(expected);
  });

  it("are refused where a variant is malformed, all in one message", () => {
    const named = ["ebpf:", "ebpf:tunnel", "ebpf:tunnel=vxlan,tunnel=geneve", "ebpf:cluster.name=mine"];
    expect(() => contendersOf(named, undefined)).toThrow(
      [
        'ebpf:: "" is not KEY=VALUE',
        'ebpf:tunnel: "tunnel" is not KEY=VALUE',
        "ebpf:tunnel=vxlan,tunnel=geneve: sets tunnel twice",
        "ebpf:cluster.name=mine: cannot set cluster.name, because compare creates its cluster",
      ]
        .map((line) => `${line}; a variant is STACK:KEY=VALUE[,KEY=VALUE...], such as ebpf:tunnel=vxlan`)
        .join("\n"),
    );
  });

  it("are refused with the problems of all settings in one message, each under the variant's name", () => {
    const named = ["ebpf:loadBalancer.mode=direct", "kubeproxy:loadBalancer.mode=dsr", "nope:tunnel=vxlan"];
    expect(() => contendersOf(named, undefined)).toThrow(
      /^The configuration of stack ebpf:loadBalancer\.mode=direct has 1 problem; nothing was changed:\n {2}- loadBalancer\.mode: must be one of snat, dsr, hybrid, got "direct"[^]*\nThe configuration of stack kubeproxy:loadBalancer\.mode=dsr has 1 problem[^]*\nThere is no .*Pulumi\.nope\.yaml/,
    );
  });

  it("are refused if a variant's stack uses an external cluster", () => {
    expect(() => contendersOf(["ebpf:tunnel=vxlan"], ["cluster.context=prod", "nettool.image=a/b:1"])).toThrow(
      "ebpf:tunnel=vxlan: the stack ebpf uses an external cluster, and a variant needs a kind cluster",
    );
  });
});

describe("a variant's stack file", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "cilium-modes-variants-"));
    writeFileSync(join(folder, "Pulumi.yaml"), "name: cilium-modes\n");
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const copied = (text: string, ...overrides: string[]) => {
    writeFileSync(join(folder, "Pulumi.a.yaml"), text);
    return parse(overriddenStackFile("a", overrides, { "other:key": "1" }, folder)) as unknown;
  };

  it("has the stack's configuration with the overrides, once each, and its encrypted values with their salt", () => {
    const text = `encryptionsalt: v1:abc
config:
  cilium-modes:tunnel: vxlan
  cilium-modes:cluster:
    workers: 2
    registryMirrors: { docker.io: { endpoints: [{ url: https://a, authorization: { secure: v1:xyz } }] } }
`;
    expect(copied(text, "tunnel=disabled", "cluster.workers=1")).toEqual({
      encryptionsalt: "v1:abc",
      config: {
        "cilium-modes:tunnel": "disabled",
        "cilium-modes:cluster": {
          registryMirrors: { "docker.io": { endpoints: [{ url: "https://a", authorization: { secure: "v1:xyz" } }] } },
        },
        "cilium-modes:cluster.workers": "1",
        "other:key": "1",
      },
    });
  });

  it("is refused with values that only the stack itself can decrypt", () => {
    const text = "config:\n  cilium-modes:cluster: { registryMirrors: { a: { authorization: { secure: AAAB } } } }\n";
    expect(() => copied(text)).toThrow("has secrets that Pulumi Cloud can decrypt for the stack a only");
  });
});

const commands: string[] = [];
/** What a command of Pulumi's does besides being noted. */
let onCommand: (command: string) => void = () => undefined;
const nodes = new Map<string, object[]>();
let down: readonly string[] = [];
let machine: readonly string[] = [];
let refused: readonly Problem[] = [];
const mockFolder = mkdtempSync(join(tmpdir(), "cilium-modes-compare-up-"));

jest.mock("../../host/exec", () => ({
  ...jest.requireActual<object>("../../host/exec"),
  run: async (_: string, [, ...args]: string[]) => {
    const command = args.filter((word) => word !== "--non-interactive").join(" ");
    commands.push(command);
    onCommand(command);
    return "";
  },
}));
jest.mock("../../host/docker", () => ({ listNodes: async (cluster: string) => nodes.get(cluster) ?? [] }));
jest.mock("../../cli/askChart", () => ({
  askChart: async ({ settings, refusal }: CheckedSettings) => {
    if (settings.kubeProxy.mode === "nftables" && refused.length > 0) throw refusal([], refused);
  },
}));
jest.mock("../../cli/doctor", () => ({
  machineProblems: async ({ loadBalancer }: Settings) => (loadBalancer.mode === "dsr" ? machine : []),
}));
jest.mock("../../cli/kindKubeconfig", () => ({
  kindKubeconfig: async (stack: string) => {
    if (down.includes(stack)) throw new Error(`The cluster of stack ${stack} does not exist`);
  },
}));
jest.mock("../../cli/stackFile", () => ({
  ...jest.requireActual<object>("../../cli/stackFile"),
  get PROJECT_DIRECTORY() {
    return mockFolder;
  },
}));

describe("the clusters of a comparison", () => {
  const lines: string[] = [];
  beforeEach(() => {
    commands.length = lines.length = 0;
    onCommand = () => undefined;
    nodes.clear();
    down = [];
    machine = [];
    refused = [];
    // set on failures, also by other tests of the process
    process.exitCode = undefined;
  });
  afterEach(() => (process.exitCode = undefined));
  afterAll(() => rmSync(mockFolder, { recursive: true }));

  const [EBPF, VARIANT, OTHER] = contendersOf(["ebpf", DSR, NFTABLES], undefined);
  const { stack, variant } = VARIANT!;
  const file = join(mockFolder, `Pulumi.${stack}.yaml`);
  const up = (name: string) => [`stack select --create ${name}`, `up --yes --skip-preview --stack ${name}`];
  const down_ = (name: string) => [
    `destroy --yes --skip-preview --stack ${name}`,
    `stack rm --yes --stack ${name} --remove-backups`,
  ];
  const log = (line: string) => void lines.push(line);
  const beside = (contenders = [EBPF!, VARIANT!, OTHER!], signal = new AbortController().signal) =>
    withVariants(contenders, async () => void commands.push("measure"), log, signal);

  it("of variants are created beside the stacks that are up, measured together, and removed", async () => {
    let text = "";
    onCommand = (command) => {
      if (command.startsWith("up ") && command.endsWith(stack)) text = readFileSync(file, "utf8");
      if (command.startsWith("up ")) expect(statSync(file).mode & 0o777).toBe(0o600);
    };
    await beside();
    const other = OTHER!.stack;
    expect(commands).toEqual([...up(stack), ...up(other), "measure", ...down_(other), ...down_(stack)]);
    const { config } = parse(text) as { config: Record<string, string> };
    expect(config).toMatchObject({
      "cilium-modes:kubeProxyReplacement": "true",
      "cilium-modes:loadBalancer.mode": "dsr",
      "cilium-modes:cluster.name": variant!.clusterName,
      "cilium-modes-compare:process": String(process.pid),
      "cilium-modes-compare:variant": DSR,
    });
    expect([file, join(mockFolder, `Pulumi.${other}.yaml`)].filter(existsSync)).toEqual([]);
    expect(process.exitCode).toBeUndefined();
  });

  it("of stacks are neither created nor destroyed without --up", async () => {
    await beside([EBPF!]);
    expect(commands).toEqual(["measure"]);
  });

  it("are not created if a stack is not up or a name is taken, and all reasons are in one message", async () => {
    down = ["ebpf"];
    machine = ["memory: 1 GiB is free; end other programs"];
    nodes.set(variant!.clusterName, [{}]);
    writeFileSync(join(mockFolder, `Pulumi.${OTHER!.stack}.yaml`), "config: {}\n");
    await expect(beside()).rejects.toThrow(
      new RegExp(
        [
          "^Nothing was created:",
          "  - The cluster of stack ebpf does not exist",
          `  - ${DSR}: a cluster ${variant!.clusterName} exists, which no comparison created; delete it with: kind delete cluster --name ${variant!.clusterName}`,
          `  - ${DSR}: memory: 1 GiB is free; end other programs`,
          `  - ${NFTABLES}: .*Pulumi.${OTHER!.stack}.yaml exists, which no comparison created; delete or rename it`,
          "Variants are created beside the stacks that are up; ",
        ].join("\n"),
      ),
    );
    expect(commands).toEqual([]);
    rmSync(join(mockFolder, `Pulumi.${OTHER!.stack}.yaml`));
  });

  it("are not created if a variant's chart or manifests are refused, in the words of a stack's errors", async () => {
    refused = [{ key: "cilium.manifests", rule: "nope.yaml: does not exist" }];
    await expect(beside()).rejects.toThrow(
      `Nothing was created:\n  - The configuration of stack ${NFTABLES} has 1 problem; nothing was changed:\n    - cilium.manifests: nope.yaml: does not exist\n`,
    );
    expect(commands).toEqual([]);
  });

  it("are removed first where a comparison that was killed left them, and refused while another one runs", async () => {
    const left = (process_: number) =>
      writeFileSync(file, `config: { "cilium-modes-compare:process": "${process_}" }\n`);
    left(2 ** 22 + 1);
    let isLocked = true;
    onCommand = (command) => {
      if (command === "cancel --yes --stack " + stack) isLocked = false;
      if (command.startsWith("destroy") && isLocked)
        throw new Error(`the stack is currently locked by 1 lock(s).\n  created by a@b (pid ${2 ** 22 + 1}) at 2026`);
    };
    await beside([VARIANT!]);
    const [destroy, remove] = down_(stack);
    expect(commands).toEqual([
      ...[destroy, `cancel --yes --stack ${stack}`, destroy, remove],
      ...[...up(stack), "measure", destroy, remove],
    ]);
    expect(lines[0]).toBe(`${DSR}: removing what an interrupted comparison left`);
    left(process.ppid);
    await expect(beside([VARIANT!])).rejects.toThrow(
      `${DSR}: process ${process.ppid} compares it; wait for its end, or end it with: kill ${process.ppid}`,
    );
    rmSync(file);
  });

  it("are removed where only their file was written before an interruption", async () => {
    onCommand = (command) => {
      if (!command.startsWith("stack select")) throw new Error(`error: no stack named '${stack}' found`);
      throw new Error("Cancelled");
    };
    await expect(beside([VARIANT!])).rejects.toThrow("Cancelled");
    expect(existsSync(file)).toBe(false);
    expect(process.exitCode).toBeUndefined();
  });

  it("are removed if the measurement or another variant fails", async () => {
    onCommand = (command) => {
      if (command === `up --yes --skip-preview --stack ${OTHER!.stack}`) throw new Error("no space left on device");
    };
    await expect(beside()).rejects.toThrow("no space left on device");
    expect(commands).not.toContain("measure");
    expect(commands.slice(-4)).toEqual([...down_(OTHER!.stack), ...down_(stack)]);
    expect(existsSync(file)).toBe(false);
  });

  it("that cannot be removed keep their stack file, and the message says what to type", async () => {
    onCommand = (command) => {
      if (command.startsWith("destroy")) throw new Error("the daemon does not answer");
    };
    await beside([VARIANT!]);
    expect(existsSync(file)).toBe(true);
    expect(process.exitCode).toBe(1);
    expect(lines.at(-1)).toBe(
      `${DSR} was not destroyed; run: npm run pulumi -- destroy --remove -s ${stack}. Reason: the daemon does not answer`,
    );
    rmSync(file);
  });

  it("come and go one after the other with --up, and a failure keeps the results of others", async () => {
    onCommand = (command) => {
      if (command === up("ebpf")[1]) throw new Error("no network");
    };
    const measured: string[] = [];
    const measure = async ({ name }: { name: string }, keep: (subjects: never[]) => Promise<void>) => {
      commands.push("measure");
      measured.push(name);
      await keep([{ name } as never]);
    };
    const subjects = await oneByOne([VARIANT!, EBPF!], measure, log, new AbortController().signal);
    expect(subjects.map(({ name }) => name)).toEqual([DSR]);
    expect(commands).toEqual([
      ...[...up(stack), "measure", ...down_(stack)],
      ...[...up("ebpf"), "destroy --yes --skip-preview --stack ebpf"],
    ]);
    expect(lines).toContain("ebpf: no network");
    expect(process.exitCode).toBe(1);
  });

  it("are not created with --up where a stack is up, and the reasons are in one message", async () => {
    nodes.set("cilium-modes-ebpf", [{}]);
    nodes.set(variant!.clusterName, [{}]);
    const none = async () => undefined;
    await expect(oneByOne([EBPF!, VARIANT!], none, log, new AbortController().signal)).rejects.toThrow(
      /^Nothing was measured:\n {2}- ebpf is up already, and --up would destroy it after the measurement\n {2}- ebpf:load.* exists/,
    );
    expect(commands).toEqual([]);
  });
});
