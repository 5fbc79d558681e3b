import { spawn, spawnSync } from "node:child_process";
import { text } from "node:stream/consumers";
import type { Flow } from "../../datapath/observe/flow";
import type { RoutingMode } from "../../modes/contract";
import { WORKLOAD } from "../../modes/workload";
import { inAgent, inNode, kubectl, type LabProject } from "./lab";
import type { TestProject } from "./project";

/**
 * Bring an example up, look at it, see that nothing changes when it is repeated, and destroy it.
 * @param config paths of its configuration to their values
 * @param look gets Pulumi's arguments for its stack
 */
export async function runExample(
  project: TestProject,
  name: string,
  config: Readonly<Record<string, string>>,
  look: (at: readonly string[]) => void | Promise<void>,
): Promise<void> {
  const folder = `examples/${name}`;
  const at = ["-C", folder, "-s", "dev"];
  project.linkPackage(folder);
  await project.succeed("-C", folder, "stack", "init", "dev");
  for (const [key, value] of Object.entries(config)) {
    await project.succeed("config", "set", "--path", key, value, ...at);
  }
  await project.succeed("up", "--yes", "--skip-preview", ...at);
  await look(at);
  await project.succeed("preview", "--expect-no-changes", ...at);
  await project.succeed("destroy", "--yes", "--skip-preview", ...at);
}

/** Run the examples that use a stack's cluster, of at least two nodes. */
export async function expectExamples(project: LabProject, mode: RoutingMode, cluster: string): Promise<void> {
  await expectHelloApp(project, mode, cluster);
  await expectCompareStacks(project, mode, cluster);
  await expectPolicy(project, mode, cluster);
}

const referenceTo = (stack: string) => `organization/cilium-modes/${stack}`;

async function expectHelloApp(project: LabProject, mode: RoutingMode, cluster: string): Promise<void> {
  const { baseImage } = project.settings(mode).nettool;
  await runExample(project, "hello-app", { stack: referenceTo(mode), mode, baseImage }, (at) => {
    const outputs = project.json<{ mode: string; url: string }>("stack", "output", "--json", ...at);
    expect(outputs.mode).toBe(mode);
    const pods = kubectl(cluster, "get", "pods", "-l", "app=hello-app", "-o", "jsonpath={.items[*].metadata.name}");
    const ask = () => inNode(`${cluster}-control-plane`, "curl", "-sf", "-m", "3", outputs.url);
    expect([...new Set(Array.from({ length: 40 }, ask))].sort()).toEqual(
      pods
        .split(" ")
        .sort()
        .map((pod) => `Hello, world!\nVersion: 1.0.0\nHostname: ${pod}\n`),
    );
    for (const services of inAgent(cluster, "cilium-dbg", "service", "list")) {
      const own = services.slice(services.indexOf(outputs.url.slice("http://".length)));
      expect(own.match(/=> \d+\.\d+\.\d+\.\d+:8080\S* \(active\)/g)).toHaveLength(2);
    }
  });
  expect(kubectl(cluster, "get", "deployments", "-o", "name")).toBe("");
}

async function expectCompareStacks(project: LabProject, mode: RoutingMode, cluster: string): Promise<void> {
  await runExample(project, "compare-stacks", { "stacks[0]": referenceTo(mode) }, (at) => {
    const { modes, evidence } = project.json<{
      modes: Record<string, object>;
      evidence: Record<string, Record<string, string>>;
    }>("stack", "output", "--json", ...at);
    const { version } = project.settings(mode).cilium;
    expect(modes).toEqual({ [cluster]: { mode, cilium: version, tunnel: "disabled", verification: "pass" } });
    expect(evidence["status"]![cluster]).toMatch(/^pass: .*Routing Network Native/);
    expect(evidence["node-ports"]![cluster]).toMatch(/^pass: /);
  });
}

async function expectPolicy(project: LabProject, mode: RoutingMode, cluster: string): Promise<void> {
  const servers = JSON.parse(
    kubectl(cluster, "-n", WORKLOAD.namespace, "get", "pods", "-l", `app=${WORKLOAD.daemonSet}`, "-o", "json"),
  ) as { items: { metadata: { name: string }; status: { podIP: string } }[] };
  const [asking, asked] = servers.items;
  const [from, to] = [asking!.metadata.name, asked!.metadata.name];
  const ask = (pod: string, seconds: number) => [
    ...["exec", `${cluster}-control-plane`, "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf"],
    ...["-n", WORKLOAD.namespace, "exec", pod, "--", "curl", "-sf", "-m", String(seconds), asked!.status.podIP],
  ];
  /** Whether a pod has an answer of the server that is asked. */
  const answers = (pod: string) => spawnSync("docker", ask(pod, 5)).status === 0;
  /** What observe shows between the two servers while the one asks the other. */
  const observed = (...options: string[]) => observe(project, mode, ask(from, 1), from, to, ...options);
  expect(await observed("--dropped")).toEqual([]);
  expect((await observed()).map(({ verdict }) => verdict)).toContain("forwarded");
  await runExample(project, "policy", { stack: referenceTo(mode) }, async () => {
    expect([answers(WORKLOAD.clientPod), answers(from)]).toEqual([true, false]);
    const dropped = await observed("--dropped");
    expect([...new Set(dropped.map(({ at }) => at.toLowerCase().replaceAll("-", " ")))]).toEqual(["policy denied"]);
    expect(dropped[0]).toMatchObject({
      from: { name: `${WORKLOAD.namespace}/${from}` },
      to: { name: `${WORKLOAD.namespace}/${to}`, port: 80 },
      protocol: "TCP SYN",
    });
  });
  expect(answers(from)).toBe(true);
}

/** The flows between two ends that observe shows while the one asks the other, by docker, again and again. */
async function observe(
  project: LabProject,
  stack: string,
  asking: readonly string[],
  from: string,
  to: string,
  ...options: string[]
): Promise<Flow[]> {
  const args = ["--json", "--seconds", "8", "--last", "1000", "--from", from, "--to", to, ...options];
  const child = spawn(process.execPath, ["cli/cilium-modes.mjs", "observe", stack, ...args], {
    cwd: project.directory,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const told = Promise.all([text(child.stdout), text(child.stderr)]);
  const repeated = setInterval(() => spawn("docker", asking, { stdio: "ignore" }), 1500);
  const [lines, errors] = await told;
  clearInterval(repeated);
  const flows = lines.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Flow]));
  if (flows.length === 0) expect(errors).toContain("No matching flow was seen");
  return flows;
}

/** That a probe of the client is seen from end to end. */
export function expectObserved(project: LabProject, stack: string): void {
  const { stdout } = spawnSync(
    process.execPath,
    [
      "cli/cilium-modes.mjs",
      "observe",
      stack,
      "--probe",
      "--seconds",
      "10",
      "--last",
      "1000",
      "--from",
      WORKLOAD.clientPod,
      "--json",
    ],
    { cwd: project.directory, encoding: "utf8" },
  );
  const flows = stdout.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Flow]));
  const places = flows
    .filter(({ to, protocol }) => to.port === 80 && protocol.startsWith("TCP SYN"))
    .map(({ at, verdict }) => `${at} ${verdict}`);
  expect(places).toContain("from-endpoint forwarded");
  expect(places).toContain("to-endpoint forwarded");
}
