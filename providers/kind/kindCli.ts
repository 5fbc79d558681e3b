import { dockerProblem, readDaemon, type Daemon } from "../../host/daemon";
import { problemLine, warningLine, type MachineFinding } from "../../host/finding";
import { judgeFeatures, symbolsHere } from "../../host/kernel";
import { judgeDisk, judgeLimits, readFreeBytes, readLimits } from "../../host/limits";
import { judgePorts } from "../../host/ports";
import { judgeKind } from "../../host/tools";
import { controlPlaneName } from "../../modes/ciliumValues";
import type { RoutingMode } from "../../modes/contract";
import { countOtherNodes, execInNode, listNodes, removeNodes } from "../../host/docker";
import { lastLines, run } from "../../host/exec";
import type { ClusterInputs } from "./inputs";
import type { Log } from "./handler";

/** The lines by which kind tells its steps; the rest of its words is about a kubeconfig that nobody keeps. */
const KIND_STEP = /^\s*[•✓✗]|^(ERROR|WARNING)/;

/** What a cluster asks of this machine. */
export type PreflightInputs = Pick<ClusterInputs, "name" | "mode" | "nodeImage" | "workers" | "portMappings">;

/** Everything that a cluster lacks here in one message, before anything is made; what may be short is a warning. */
export async function preflight(inputs: PreflightInputs, log?: Log): Promise<void> {
  const findings = await machineFindings(inputs);
  const problems = findings.filter(({ verdict }) => verdict === "fail");
  if (problems.length > 0)
    throw new Error(
      ["A kind cluster cannot be made here; nothing was changed:", ...problems.map(problemLine)].join("\n"),
    );
  for (const finding of findings) if (finding.verdict === "warning") log?.warn(warningLine(finding));
}

async function machineFindings({
  name,
  mode,
  nodeImage,
  workers,
  portMappings,
}: PreflightInputs): Promise<MachineFinding[]> {
  const daemon = await readDaemon().catch(dockerProblem);
  const kind = await judgeKind(nodeImage);
  if (daemon !== undefined && "verdict" in daemon) return [daemon, kind];
  const nodes = await listNodes(name).catch(() => []);
  return [
    kind,
    ...judgeLimits(await readLimits(daemon), workers + 1, await countOtherNodes(name).catch(() => 0)),
    ...judgeDisk(await readFreeBytes(daemon), workers + 1),
    // a cluster of the name goes before this one comes, with its ports
    ...(nodes.length > 0 ? [] : await judgePorts(portMappings)),
    ...(daemon === undefined ? [] : await kernelFindings(daemon, mode)),
  ];
}

async function kernelFindings(daemon: Daemon, mode: RoutingMode): Promise<MachineFinding[]> {
  const symbols = daemon.isHere ? await symbolsHere() : new Map<string, boolean>();
  return judgeFeatures(daemon.kernel, symbols, { mode, tunnel: "disabled", extraValues: {} });
}

/** Create a cluster with this configuration, telling kind's steps; what a failure leaves is kept. @throws CommandError */
export async function createCluster(
  name: string,
  config: object,
  kubeconfig: string,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  // --retain: the nodes' last words are read before the caller removes them
  await run("kind", ["create", "cluster", "--name", name, "--config", "-", "--kubeconfig", kubeconfig, "--retain"], {
    stdin: JSON.stringify(config),
    signal,
    onLine: (line) => KIND_STEP.test(line) && log.status(line.trim()),
  });
}

/** The kubeconfig for this machine. @throws CommandError */
export function readKubeconfig(name: string): Promise<string> {
  return run("kind", ["get", "kubeconfig", "--name", name]);
}

/** Delete every node; a cluster that is gone is no error. Only an exported context is taken out of the user's kubeconfig. */
export async function deleteCluster(name: string, exported: boolean): Promise<void> {
  if (exported) await run("kind", ["delete", "cluster", "--name", name]);
  else await removeNodes((await listNodes(name)).map((node) => node.name));
}

/** Write the context `kind-<name>` into the user's kubeconfig. */
export async function addContext(name: string): Promise<void> {
  await run("kind", ["export", "kubeconfig", "--name", name]);
}

/** Take the context `kind-<name>` out of the user's kubeconfig again, while the cluster stays. */
export async function removeContext(name: string, log: Log): Promise<void> {
  for (const command of ["delete-context", "delete-cluster", "delete-user"]) {
    await run("kubectl", ["config", command, `kind-${name}`]).catch((error: Error) =>
      log.warn(`The kubeconfig still has the context kind-${name}. ${error.message}`),
    );
  }
}

/** The end of each node's log, where it tells why kind gave up. */
export async function nodesLastWords(name: string): Promise<string[]> {
  const nodes = await listNodes(name).catch(() => []);
  const logs = await Promise.all(
    nodes.map(async (node) => {
      const output = await run("docker", ["logs", "--tail", "5", node.name]).catch((error: Error) => error.message);
      return lastLines(output, 5).map((line) => `    ${line}`);
    }),
  );
  return nodes.flatMap((node, index) => [
    `  last words of ${node.name}${node.running ? "" : " (stopped)"}:`,
    ...logs[index]!,
  ]);
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
