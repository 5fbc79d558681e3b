import { execFileSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { agentStatuses, CLUSTER_PREFIX, containersOf, labMissing, LabProject, removeCluster } from "../support/lab";
import { describeIf } from "../support/project";

/** One node is enough where nothing between nodes is asked. */
const SINGLE_NODE = { cluster: { workers: 0 } };
const MINUTES = 60_000;

describeIf(labMissing(), "two stacks on one machine", () => {
  let project: LabProject;
  beforeAll(() => (project = new LabProject()));
  afterAll(() => project.close("ebpf", "replacement"));

  it(
    "stand side by side, take changes each for itself, and survive the loss of a cluster",
    async () => {
      const [ebpf, replacement] = [
        await project.addStack("ebpf", SINGLE_NODE),
        await project.addStack("replacement", SINGLE_NODE),
      ];
      await Promise.all([
        project.succeed("up", "--yes", "--skip-preview", "-s", "ebpf"),
        project.succeed("up", "--yes", "--skip-preview", "-s", "replacement"),
      ]);
      expect(agentStatuses(ebpf).map(({ masquerading }) => masquerading.mode)).toEqual(["BPF"]);
      expect(agentStatuses(replacement).map(({ masquerading }) => masquerading.mode)).toEqual(["iptables"]);

      await project.succeed("config", "set", "bpf.masquerade", "false", "-s", "ebpf");
      const diff = await project.succeed("preview", "--diff", "-s", "ebpf");
      expect(diff).toMatch(/~ values\s*: \{\s+~ bpf: \{\s+~ masquerade: true => false\s+\}\s+\}/);
      expect(diff).not.toMatch(/kind:index:Cluster: \((update|replace)/);
      await project.succeed("up", "--yes", "--skip-preview", "-s", "ebpf");
      const [status] = agentStatuses(ebpf);
      expect([status!.routing["intra-host-routing-mode"], status!.masquerading.mode]).toEqual(["Legacy", "iptables"]);

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
      await project.succeed("up", "--yes", "--skip-preview", "-s", "replacement");
      expect(agentStatuses(replacement)).toHaveLength(1);
      removeCluster(replacement);
      await project.succeed("destroy", "--yes", "-s", "replacement");

      await project.succeed("up", "--yes", "--skip-preview", "-s", "ebpf");
      expect(agentStatuses(ebpf).map((agent) => agent["kube-proxy-replacement"].mode)).toEqual(["False"]);
      await project.succeed("destroy", "--yes", "-s", "ebpf");
      expect([containersOf(ebpf), containersOf(replacement)]).toEqual([[], []]);
    },
    15 * MINUTES,
  );
});

describeIf(labMissing(), "an interrupted creation", () => {
  let project: LabProject;
  const stacks: string[] = [];
  beforeAll(() => (project = new LabProject()));
  afterAll(() => project.close(...stacks));

  /** Begin `up`, wait until kind has made the node, and let `interrupt` end it. */
  async function interruptedUp(stack: string, cluster: string, signal: NodeJS.Signals): Promise<string> {
    const child = project.start("up", "--yes", "--skip-preview", "-s", stack);
    let output = "";
    child.stdout!.on("data", (chunk) => (output += chunk));
    child.stderr!.on("data", (chunk) => (output += chunk));
    const ended = new Promise((done) => child.once("close", done));
    while (containersOf(cluster).length === 0 && child.exitCode === null) await sleep(200);
    await sleep(2000);
    process.kill(child.pid!, signal);
    await ended;
    return output;
  }

  it(
    "by SIGINT leaves no node, and the same command can be repeated",
    async () => {
      stacks.push("interrupted");
      const cluster = await project.addStack("interrupted", { ...SINGLE_NODE, kubeProxyReplacement: true });
      await interruptedUp("interrupted", cluster, "SIGINT");
      expect(containersOf(cluster)).toEqual([]);
      await project.succeed("up", "--yes", "--skip-preview", "-s", "interrupted");
      await project.succeed("destroy", "--yes", "-s", "interrupted");
    },
    6 * MINUTES,
  );

  it(
    "by SIGKILL is cleaned up or taken over by the next up, after pulumi cancel",
    async () => {
      stacks.push("killed");
      const cluster = await project.addStack("killed", { ...SINGLE_NODE, kubeProxyReplacement: true });
      await interruptedUp("killed", cluster, "SIGKILL");
      await project.succeed("cancel", "--yes", "-s", "killed");
      await project.succeed("up", "--yes", "--skip-preview", "-s", "killed");
      expect(agentStatuses(cluster)).toHaveLength(1);
      await project.succeed("destroy", "--yes", "-s", "killed");
    },
    6 * MINUTES,
  );
});

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
      const kubeconfig = join(mkdtempSync(join(tmpdir(), "cilium-modes-test-")), "kubeconfig");
      const config = JSON.stringify({
        kind: "Cluster",
        apiVersion: "kind.x-k8s.io/v1alpha4",
        networking: { disableDefaultCNI: true },
      });
      execFileSync(
        "kind",
        ["create", "cluster", "--name", foreign, "--image", image, "--kubeconfig", kubeconfig, "--config", "-"],
        { input: config },
      );
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
    4 * MINUTES,
  );

  async function nodeImage(of: LabProject): Promise<string | undefined> {
    await of.addStack("foreign", { ...SINGLE_NODE, kubeProxyReplacement: true });
    const cluster = JSON.parse((await of.succeed("config", "get", "cluster", "-s", "foreign")).trim()) as {
      nodeImage?: string;
    };
    return cluster.nodeImage;
  }
});
