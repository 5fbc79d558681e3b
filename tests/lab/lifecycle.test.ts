import { execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import {
  agentStatuses,
  CLUSTER_PREFIX,
  containersOf,
  labMissing,
  LabProject,
  MINUTES,
  removeCluster,
  timeMissing,
} from "../support/lab";
import { describeIf } from "../support/project";

/** One node is enough where nothing between nodes is asked. */
const SINGLE_NODE = { cluster: { workers: 0 } };

describeIf([...labMissing(), ...timeMissing(11)], "two stacks on one machine", () => {
  let project: LabProject;
  beforeAll(() => (project = new LabProject()));
  afterAll(() => project.close("ebpf", "replacement"));

  it(
    "stand side by side, take changes each for itself, and survive the loss of a cluster and an interrupted creation",
    async () => {
      const [ebpf, replacement] = [
        await project.addStack("ebpf", SINGLE_NODE),
        await project.addStack("replacement", SINGLE_NODE),
      ];
      const both = (...command: string[]) =>
        Promise.all(["ebpf", "replacement"].map((stack) => project.succeed(...command, "-s", stack)));
      await both("up", "--yes", "--skip-preview");
      expect(agentStatuses(ebpf).map(({ masquerading }) => masquerading.mode)).toEqual(["BPF"]);
      expect(agentStatuses(replacement).map(({ masquerading }) => masquerading.mode)).toEqual(["iptables"]);

      await project.succeed("config", "set", "bpf.masquerade", "false", "-s", "ebpf");
      await project.succeed("config", "set", "kubeProxyReplacement", "false", "-s", "ebpf");
      const preview = await project.succeed("preview", "-s", "ebpf");
      expect(preview).toMatch(/kind:index:Cluster cluster-nodes (create replacement|replace)/);
      expect(preview).toContain(
        `The kind cluster ${ebpf} will be replaced with everything in it: kubeProxyMode cannot change in a running cluster.`,
      );

      // behind Pulumi's back: up notices without a refresh, and with one
      removeCluster(replacement);
      expect(await project.succeed("preview", "-s", "replacement")).toContain(
        `The kind cluster ${replacement} of this stack was deleted; it will be created again.`,
      );
      expect(await project.succeed("refresh", "--yes", "--skip-preview", "-s", "replacement")).toMatch(/- \d+ deleted/);
      await interruptedUp(project, "replacement", replacement, "SIGINT");
      expect(containersOf(replacement)).toEqual([]);
      // the same command again, which begins from nothing
      await interruptedUp(project, "replacement", replacement, "SIGKILL");
      await project.succeed("cancel", "--yes", "-s", "replacement");
      // cleans up, or takes over what is there
      await both("up", "--yes", "--skip-preview");
      expect(agentStatuses(ebpf).map((agent) => agent["kube-proxy-replacement"].mode)).toEqual(["False"]);
      expect(agentStatuses(replacement)).toHaveLength(1);
      removeCluster(replacement);
      await both("destroy", "--yes");
      expect([containersOf(ebpf), containersOf(replacement)]).toEqual([[], []]);
    },
    15 * MINUTES,
  );
});

/** Begin `up`, wait until kind has made the node, and end it by a signal. */
async function interruptedUp(
  project: LabProject,
  stack: string,
  cluster: string,
  signal: NodeJS.Signals,
): Promise<void> {
  const child = project.start("up", "--yes", "--skip-preview", "-s", stack);
  child.stdout!.resume();
  child.stderr!.resume();
  const ended = new Promise((done) => child.once("close", done));
  while (containersOf(cluster).length === 0 && child.exitCode === null) await sleep(200);
  await sleep(2000);
  process.kill(child.pid!, signal);
  await ended;
}

describeIf(labMissing(), "an external cluster", () => {
  let project: LabProject;
  const foreign = `${CLUSTER_PREFIX}foreign`;
  beforeAll(() => (project = new LabProject()));
  afterAll(async () => {
    await project.close("foreign");
    removeCluster(foreign);
  });

  it(
    "of the same name is not touched, and the error names the way out",
    async () => {
      const image = (await nodeImage(project)) ?? "";
      // what kind knows a node by
      execFileSync("docker", [
        ...["run", "--detach", "--network", "none", "--name", `${foreign}-control-plane`, "--entrypoint", "sleep"],
        ...["--label", `io.x-k8s.kind.cluster=${foreign}`, "--label", "io.x-k8s.kind.role=control-plane"],
        ...[image, "infinity"],
      ]);
      const before = containersOf(foreign);
      const { code, output } = await project.pulumi("up", "--yes", "--skip-preview", "-s", "foreign");
      expect(code).not.toBe(0);
      expect(output).toContain(
        `A kind cluster ${foreign} exists (${foreign}-control-plane) that this stack did not create; it was not changed.`,
      );
      expect(output).toContain("Set cluster.name to another name");
      await project.succeed("destroy", "--yes", "-s", "foreign");
      expect(containersOf(foreign)).toEqual(before);
    },
    2 * MINUTES,
  );

  async function nodeImage(of: LabProject): Promise<string | undefined> {
    await of.addStack("foreign", { ...SINGLE_NODE, kubeProxyReplacement: true });
    const cluster = JSON.parse((await of.succeed("config", "get", "cluster", "-s", "foreign")).trim()) as {
      nodeImage?: string;
    };
    return cluster.nodeImage;
  }
});
