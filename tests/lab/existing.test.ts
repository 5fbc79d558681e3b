import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runExample } from "../support/examples";
import {
  agentStatuses,
  CLUSTER_PREFIX,
  kubectl,
  labMissing,
  LabProject,
  longMissing,
  MINUTES,
  removeCluster,
} from "../support/lab";
import { describeIf, missingPrograms } from "../support/project";
import { expectTraces } from "../support/traces";

const STACK = "existing";
const CLUSTER = `${CLUSTER_PREFIX}outside`;
const UP = ["up", "--yes", "--skip-preview"];
const DESTROY = ["destroy", "--yes", "--skip-preview"];

describeIf([...labMissing(), ...longMissing(), ...missingPrograms("helm")], "a cluster that exists", () => {
  let project: LabProject;
  let folder: string;
  let kubeconfig: string;

  beforeAll(async () => {
    project = new LabProject();
    folder = mkdtempSync(join(tmpdir(), "cilium-modes-test-"));
    kubeconfig = join(folder, "kubeconfig");
    // made as this project would make it, and not by it: its image, without CNI and kube-proxy
    await project.addStack("plan", { kubeProxyReplacement: true });
    const { cluster, nettool } = project.settings("plan");
    const config = {
      kind: "Cluster",
      apiVersion: "kind.x-k8s.io/v1alpha4",
      networking: { disableDefaultCNI: true, kubeProxyMode: "none" },
      nodes: [{ role: "control-plane" }, { role: "worker" }],
    };
    const { nodeImage } = cluster;
    const create = ["create", "cluster", "--name", CLUSTER, "--image", nodeImage, "--kubeconfig", kubeconfig];
    execFileSync("kind", [...create, "--config", "-"], {
      input: JSON.stringify(config),
      stdio: ["pipe", "ignore", "ignore"],
    });
    const image = "cilium-modes-test/nettool:1";
    const build = ["build", "--tag", image, "--build-arg", `BASE_IMAGE=${nettool.baseImage}`, "images/nettool"];
    execFileSync("docker", build, { cwd: project.directory, stdio: "ignore" });
    execFileSync("kind", ["load", "docker-image", "--name", CLUSTER, image], { stdio: "ignore" });
    await project.addStackForExisting(STACK, {
      kubeProxyReplacement: true,
      cluster: { kubeconfig, name: CLUSTER },
      nettool: { image },
    });
  }, 5 * MINUTES);
  afterAll(async () => {
    await project.close(STACK, "plan");
    removeCluster(CLUSTER);
    rmSync(folder, { recursive: true, force: true });
  });

  const system = (...args: string[]) => kubectl(CLUSTER, "-n", "kube-system", ...args);
  const helm = (...args: string[]) =>
    execFileSync("helm", [...args, "--namespace", "kube-system", "--kubeconfig", kubeconfig], {
      cwd: project.directory,
      encoding: "utf8",
    });

  it(
    "gets Cilium, workload and proof, changes in place, and is as before when the stack is destroyed",
    async () => {
      const before = kubectl(CLUSTER, "get", "namespaces", "-o", "name");
      await project.succeed(...UP, "-s", STACK);
      expect(agentStatuses(CLUSTER).map(({ masquerading }) => masquerading.mode)).toEqual(["iptables", "iptables"]);
      expect(project.verify(STACK)).toEqual({ code: 0, wrong: {} });
      expectTraces(project, STACK, CLUSTER);
      await project.succeed("config", "set", "bpf.masquerade", "true", "-s", STACK);
      await project.succeed(...UP, "-s", STACK);
      expect(agentStatuses(CLUSTER).map(({ masquerading }) => masquerading.mode)).toEqual(["BPF", "BPF"]);
      await project.succeed(...DESTROY, "-s", STACK);
      kubectl(CLUSTER, "wait", "--for=delete", "namespace/cilium-secrets", "--timeout=60s");
      expect(kubectl(CLUSTER, "get", "namespaces", "-o", "name")).toBe(before);
      expect(system("get", "configmaps", "-o", "name")).not.toMatch(/cilium/);
    },
    10 * MINUTES,
  );

  it(
    "gets the same from a user's own program, by the components",
    async () => {
      const { version, chart, images, values } = project.settings(STACK).cilium;
      const { image } = project.settings(STACK).nettool;
      const config = { kubeconfig, image: image!, clusterName: CLUSTER };
      const choice = { version, chart, images, values };
      await runExample(project, "existing-cluster", { ...config, cilium: JSON.stringify(choice) }, (at) => {
        const { nodes, verification } = project.json<{ nodes: object[]; verification: { verdict: string } }>(
          "stack",
          "output",
          "--json",
          ...at,
        );
        expect([nodes.length, verification.verdict]).toEqual([2, "pass"]);
        expect(agentStatuses(CLUSTER).map(({ masquerading }) => masquerading.mode)).toEqual(["BPF", "BPF"]);
      });
      expect(kubectl(CLUSTER, "get", "namespaces", "-o", "name")).not.toContain("nettool");
    },
    10 * MINUTES,
  );

  it(
    "keeps a Cilium that somebody else installed, unless it may be adopted, and then keeps it too",
    async () => {
      const { chart } = project.settings(STACK).cilium;
      const values = join(folder, "values.yaml");
      const plan = ["cli/cilium-modes.mjs", "plan", "plan", "--values"];
      writeFileSync(values, execFileSync(process.execPath, plan, { cwd: project.directory }));
      const address = JSON.parse(kubectl(CLUSTER, "get", "endpoints", "kubernetes", "-o", "json")) as {
        subsets: { addresses: { ip: string }[] }[];
      };
      const [host] = address.subsets[0]!.addresses;
      // what the test before uninstalled is still being removed
      system("wait", "--for=delete", "namespace/cilium-secrets", "--timeout=60s");
      helm("install", "cilium", chart, "--values", values, "--set", `k8sServiceHost=${host!.ip}`, "--wait");
      for (const command of [["preview"], UP]) {
        const { code, output } = await project.pulumi(...command, "-s", STACK);
        expect(code).not.toBe(0);
        expect(output).toContain("The cluster has a Cilium that this stack did not install; nothing was changed.");
      }
      expect(kubectl(CLUSTER, "get", "namespaces", "-o", "name")).not.toContain("nettool");
      expect(helm("list")).toMatch(/cilium\s+kube-system\s+1\s/);

      await project.succeed("config", "set", "cilium.adopt", "true", "-s", STACK);
      await project.succeed(...UP, "-s", STACK);
      expect(agentStatuses(CLUSTER).map(({ masquerading }) => masquerading.mode)).toEqual(["BPF", "BPF"]);
      await project.succeed(...DESTROY, "-s", STACK);
      expect(helm("list")).toMatch(/cilium\s+kube-system\s+2\s/);
      expect(agentStatuses(CLUSTER)).toHaveLength(2);
    },
    10 * MINUTES,
  );
});
