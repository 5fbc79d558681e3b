import type { RoutingMode } from "../../modes/contract";
import { parseStackOutputs } from "../../outputs";
import { expectContract } from "./evidence";
import { expectTraces } from "./traces";
import { attachedOf, containersOf, existingVolumes, kubectl, type LabProject, volumesOf } from "./lab";

/** Hold a stack of three nodes to everything that its mode promises while it stands. */
export async function expectStanding(
  project: LabProject,
  mode: RoutingMode,
  cluster: string,
  stack: string = mode,
): Promise<void> {
  expectContract(project.settings(stack));
  expect(project.verify(stack)).toEqual({ code: 0, wrong: {} });
  expect(project.inspect(stack)).toEqual({ code: 0, mode: `${mode}, native`, wrong: {} });

  const outputs = parseStackOutputs(
    stack,
    project.json<object>("stack", "output", "--json", "--show-secrets", "-s", stack),
  );
  expect(outputs).toMatchObject({ mode, clusterName: cluster, verification: { verdict: "pass" } });
  expect(outputs.nodes.map(({ role }) => role)).toEqual(["control-plane", "worker", "worker"]);
  for (const { podCidrs } of outputs.nodes) expect(podCidrs).toEqual([expect.stringMatching(/^10\.0\.\d+\.0\/24$/)]);
  expect(outputs.nodePortUrls).toHaveLength(3);
  for (const url of outputs.nodePortUrls)
    expect(await (await fetch(url)).text()).toMatch(/^PodName: nettool-\w+ \| PodIP: eth0 10\.0\.\d+\.\d+\/32$/m);
  const look = project.documented("docs/commands.md", "## Use the cluster", stack);
  expect(look).toMatch(/^KubeProxyReplacement: +(True|False)\b/m);
  expect(look.match(/^PodName: nettool-\w+ \| PodIP: eth0 /gm)).toHaveLength(2);

  expectTraces(project, stack, cluster);

  // no taint keeps the workload from the control plane
  const nodesOfPods = ["-n", "nettool", "get", "pods", "-l", "app=nettool", "-o", "jsonpath={.items[*].spec.nodeName}"];
  const places = kubectl(cluster, ...nodesOfPods).split(" ");
  expect(places.sort()).toEqual(outputs.nodes.map(({ name }) => name).sort());

  // CoreDNS is asked every second whether it is ready, and has started no pod of kubeadm's template
  const coreDns = ["-n", "kube-system", "get", "replicasets", "-l", "k8s-app=kube-dns"];
  const asked = "{.spec.template.spec.containers[0].readinessProbe.periodSeconds}";
  const pods = kubectl(cluster, ...coreDns, "-o", `jsonpath={range .items[*]}${asked} {.status.replicas} {end}`);
  expect(pods.trim().split(" ").sort()).toEqual(["0", "1", "10", "2"]);

  await project.succeed("preview", "--expect-no-changes", "-s", stack);
  expect(await project.succeed("up", "--yes", "--skip-preview", "-s", stack)).toMatch(/Resources:\s+\d+ unchanged/);
}

/** Destroy a stack of three nodes, and see that nothing of it is left. */
export async function expectNothingLeft(project: LabProject, stack: string, cluster: string): Promise<void> {
  const volumes = volumesOf(cluster);
  expect([containersOf(cluster).length, volumes.length]).toEqual([3, 3]);
  await project.succeed("destroy", "--yes", "-s", stack);
  expect([containersOf(cluster), attachedOf(cluster), existingVolumes(volumes)]).toEqual([[], [], []]);
  const { deployment } = project.json<{ deployment: { resources?: unknown[] } }>("stack", "export", "-s", stack);
  expect(deployment.resources ?? []).toEqual([]);
}
