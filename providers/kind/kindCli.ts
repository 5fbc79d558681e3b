import semver from "semver";
import { controlPlaneName } from "../../modes/ciliumValues";
import { oldestKindFor } from "../../modes/releases";
import { countOtherNodes, execInNode, listNodes, removeNodes } from "./docker";
import { lastLines, run } from "./exec";
import { judgeLimits, readLimits } from "./limits";
import type { Log } from "./nodeSetup";

/** The lines by which kind tells its steps; the rest of its words is about a kubeconfig that nobody keeps. */
const KIND_STEP = /^\s*[•✓✗]|^(ERROR|WARNING)/;

/**
 * Everything that a cluster of so many nodes lacks here in one message, before anything is made; what may be short is
 * a warning.
 */
export async function preflight(name: string, nodeImage: string, nodes = 1, log?: Log): Promise<void> {
  const problems: string[] = [];
  await run("docker", ["version", "--format", "{{.Server.Version}}"]).catch((error: Error) =>
    problems.push(
      `  - docker: no Docker daemon answers; install Docker or start it (${lastLines(error.message, 1)[0]!.trim()})`,
    ),
  );
  const remedy = "install it from https://kind.sigs.k8s.io/docs/user/quick-start/#installation, or run: npm start";
  const kind = await run("kind", ["version"]).catch(() => undefined);
  const version = /\bv(\d+\.\d+\.\d+)/.exec(kind ?? "")?.[1];
  const oldest = oldestKindFor(nodeImage);
  if (kind === undefined) problems.push(`  - kind: is not on the PATH; ${remedy}`);
  else if (version !== undefined && semver.lt(version, oldest))
    problems.push(`  - kind: ${nodeImage} needs ${oldest} or newer, and this is ${version}; ${remedy}`);
  const others = await countOtherNodes(name).catch(() => 0); // without Docker, that is the problem
  const limits = judgeLimits(await readLimits(), nodes, others);
  problems.push(...limits.problems);
  if (problems.length > 0)
    throw new Error(["A kind cluster cannot be made here; nothing was changed:", ...problems].join("\n"));
  for (const warning of limits.warnings) log?.warn(warning);
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
