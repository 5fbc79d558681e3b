import { dockerProblem, readDaemon, type Daemon } from "../../host/daemon";
import { problemLine, warningLine, type MachineFinding } from "../../host/finding";
import { judgeFeatures, probeKernel, symbolsHere } from "../../host/kernel";
import { judgeDisk, judgeLimits, readFreeBytes, readLimits } from "../../host/limits";
import { judgePorts, type HostPorts } from "../../host/ports";
import { judgeKind } from "../../host/tools";
import { controlPlaneName } from "../../modes/ciliumValues";
import { DEFAULT_KUBE_PROXY_MODE, KUBE_PROXY_MODES } from "../../modes/kubeProxy";
import { countOtherNodes, execInNode, listNodes, removeNodes } from "../../host/docker";
import { CommandError, lastLines, run } from "../../host/exec";
import { steps } from "../../host/timings.cjs";
import type { ClusterInputs } from "./inputs";
import type { Log } from "./handler";
import { warnOfMachine } from "./nodeSetup";

/** The lines in which kind reports its steps. The rest is about a kubeconfig that nobody keeps. */
const KIND_STEP = /^\s*[•✓✗]|^(ERROR|WARNING)/;

/** The begin of a step, without its emoji: ` • Preparing nodes 📦 📦 📦  ...`. */
const STEP_BEGINS = /^\s*• (.*?)[^\w)]*$/;

/** The inputs of a cluster that depend on this machine. */
export type PreflightInputs = Pick<
  ClusterInputs,
  "name" | "mode" | "kubeProxyMode" | "nodeImage" | "workers" | "ipFamily"
> &
  HostPorts;

/** Check this machine before a cluster is created. @throws Error with every problem; a limit that may be too low is a warning */
export async function preflight(inputs: PreflightInputs, log?: Log): Promise<void> {
  const findings = await machineFindings(inputs);
  const problems = findings.filter(({ verdict }) => verdict === "fail");
  if (problems.length > 0)
    throw new Error(
      ["This machine cannot run the kind cluster; nothing was changed:", ...problems.map(problemLine)].join("\n"),
    );
  for (const finding of findings) if (finding.verdict === "warning" && log) warnOfMachine(log, warningLine(finding));
}

async function machineFindings({
  name,
  mode,
  kubeProxyMode,
  nodeImage,
  workers,
  ipFamily,
  ...hostPorts
}: PreflightInputs): Promise<MachineFinding[]> {
  const daemon = await readDaemon().catch(dockerProblem);
  const kind = await judgeKind(nodeImage);
  if (daemon !== undefined && "verdict" in daemon) return [daemon, kind];
  const nodes = await listNodes(name).catch(() => []);
  return [
    kind,
    ...judgeLimits(await readLimits(daemon), workers + 1, await countOtherNodes(name).catch(() => 0)),
    ...judgeDisk(await readFreeBytes(daemon), workers + 1),
    // an earlier cluster of the name is removed first, with its ports
    ...(nodes.length > 0 ? [] : await judgePorts(hostPorts)),
    ...(daemon === undefined ? [] : await kernelFindings(daemon, { mode, kubeProxyMode, nodeImage, ipFamily })),
  ];
}

async function kernelFindings(
  daemon: Daemon,
  {
    mode,
    kubeProxyMode,
    nodeImage,
    ipFamily,
  }: Pick<PreflightInputs, "mode" | "kubeProxyMode" | "nodeImage" | "ipFamily">,
): Promise<MachineFinding[]> {
  const asked = KUBE_PROXY_MODES.find((each) => each === kubeProxyMode && each !== DEFAULT_KUBE_PROXY_MODE);
  const ipv6 = ipFamily === "dual" ? {} : undefined;
  // a container takes a second, which only these are worth: many kernels lack what they need
  const probes =
    asked !== undefined || ipv6 !== undefined
      ? await probeKernel(daemon, nodeImage)
      : daemon.isHere
        ? await symbolsHere()
        : new Map<string, boolean>();
  return judgeFeatures(daemon.kernel, probes, {
    mode,
    kubeProxyMode: asked,
    tunnel: "disabled",
    extraValues: {},
    ipv6,
  });
}

/** Create a cluster with this configuration and show kind's steps. A failure leaves its nodes. @throws CommandError */
export async function createCluster(
  name: string,
  config: object,
  kubeconfig: string,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const step = steps("kind create cluster");
  // --retain: the caller reads the nodes' logs before it removes them
  await run("kind", ["create", "cluster", "--name", name, "--config", "-", "--kubeconfig", kubeconfig, "--retain"], {
    stdin: JSON.stringify(config),
    signal,
    onLine: (line) => {
      if (!KIND_STEP.test(line)) return;
      step(STEP_BEGINS.exec(line)?.[1]);
      log.status(line.trim());
    },
  })
    .catch((error: unknown) => {
      throw error instanceof CommandError
        ? new CommandError(error.reason, error.command, withoutGoNoise(error.stderr))
        : error;
    })
    .finally(() => step(undefined));
}

/** What kind and kubeadm print on a failure, without kubeadm's log of successful steps and Go's stack frames. */
function withoutGoNoise(output: string): string {
  return output.replace(/^I\d{4} .*\n?/gm, "").replace(/^\S+\n\s+\S+\.(?:go|s):\d+\n?/gm, "");
}

/** The kubeconfig for this machine. @throws CommandError */
export function readKubeconfig(name: string): Promise<string> {
  return run("kind", ["get", "kubeconfig", "--name", name]);
}

/** Delete every node, and an exported context from the user's kubeconfig. A cluster that is gone is not an error. */
export async function deleteCluster(name: string, exported: boolean): Promise<void> {
  if (exported) await run("kind", ["delete", "cluster", "--name", name]);
  else await removeNodes((await listNodes(name)).map((node) => node.name));
}

/** Write the context `kind-<name>` into the user's kubeconfig. */
export async function addContext(name: string): Promise<void> {
  await run("kind", ["export", "kubeconfig", "--name", name]);
}

/** Remove the context `kind-<name>` from the user's kubeconfig, and keep the cluster. */
export async function removeContext(name: string, log: Log): Promise<void> {
  for (const command of ["delete-context", "delete-cluster", "delete-user"]) {
    await run("kubectl", ["config", command, `kind-${name}`]).catch((error: Error) =>
      log.warn(`The kubeconfig still has the context kind-${name}. ${error.message}`),
    );
  }
}

/** The end of each node's log, and the kubelet's last errors: why kind gave up. */
export async function nodesLastWords(name: string): Promise<string[]> {
  const nodes = await listNodes(name).catch(() => []);
  const logs = await Promise.all(
    nodes.map(async (node) => {
      const output = await run("docker", ["logs", "--tail", "5", node.name]).catch((error: Error) => error.message);
      return [...lastLines(output, 5), ...(await kubeletErrors(node.name))].map((line) => `    ${line}`);
    }),
  );
  return nodes.flatMap((node, index) => [
    `  end of the log of ${node.name}${node.running ? "" : " (stopped)"}:`,
    ...logs[index]!,
  ]);
}

const KUBELET_LOG = ["journalctl", "--unit", "kubelet", "--no-pager", "--output", "cat", "--lines", "300"];

/** The last three different errors of a node's kubelet; none where it cannot be asked. */
async function kubeletErrors(node: string): Promise<string[]> {
  const log = await execInNode(node, KUBELET_LOG).catch(() => "");
  // klog: level, date, time, process and source before the message
  const errors = [...log.matchAll(/^[EF]\d{4} [\d:.]+ +\d+ [^\]]+\] (.+)$/gm)].map(([, message]) => message!);
  return [...new Set(errors.reverse())]
    .slice(0, 3)
    .reverse()
    .map((message) => `kubelet: ${message}`);
}

/** Wait until the API server of a cluster whose nodes were started answers. @throws Error after 60 s */
export async function waitForApiServer(name: string): Promise<void> {
  const script =
    "for i in $(seq 60); do kubectl --kubeconfig=/etc/kubernetes/admin.conf get --raw /readyz >/dev/null 2>&1 && exit 0; sleep 1; done; exit 1";
  await execInNode(controlPlaneName(name), ["sh", "-c", script]).catch(() => {
    throw new Error(
      `The API server of ${name} did not become ready within 60 s after its nodes were started; run: pulumi refresh, then pulumi up`,
    );
  });
}
