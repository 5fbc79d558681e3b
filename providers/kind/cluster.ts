import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { kindConfig, type KindMount } from "../../modes/kindConfig";
import { controlPlaneName } from "../../modes/ciliumValues";
import { duringCreation, endOrphans } from "./creation";
import { kindNetwork, listNodes, OWNER_DIRECTORY, removeNodes, type KindNode } from "../../host/docker";
import { run } from "../../host/exec";
import {
  addContext,
  createCluster,
  deleteCluster,
  nodesLastWords,
  preflight,
  readKubeconfig,
  removeContext,
  waitForApiServer,
} from "./kindCli";
import { loadEarly } from "./earlyImages";
import { makeImageFolder } from "../../host/imageFolder";
import { ipv6Finding, networkConflicts, type NetworkConflict } from "../../host/networks";
import { checkNodeTools, hastenCoreDns, removeControlPlaneTaints } from "./nodeSetup";
import type { ClusterInputs, ClusterNode } from "./inputs";
import { checkFailure, type Log, type ResourceHandler } from "./handler";

/** State of a cluster. */
export interface ClusterState extends ClusterInputs {
  /** Ids of the nodes' containers, which change when the cluster is recreated. */
  readonly containers: readonly string[];
  readonly status: ClusterStatus;
  readonly nodes: readonly ClusterNode[];
  /** URL of the API server as this machine reaches it. */
  readonly endpoint: string;
  readonly kubeconfig: string;
  /** How often its nodes were restarted, or had other addresses. */
  readonly restarts: number;
}

/** `restarted`: running again, perhaps with other addresses than before. */
export type ClusterStatus = "running" | "stopped" | "restarted" | "incomplete";

/** Inputs that can change in a running cluster; kind sets all others at creation. */
const UPDATABLE: readonly (keyof ClusterInputs)[] = ["exportKubeconfig"];

/** Inputs that matter only while kind creates the cluster. */
const CREATION_ONLY: readonly (keyof ClusterInputs)[] = ["images", "pulledImages", "mode"];

/** What clusters have whose states are older than these inputs. */
const BEFORE: Partial<ClusterInputs> = {
  nodeLabels: {},
  featureGates: {},
  kubeadmConfigPatches: [],
  apiServerAddress: "127.0.0.1",
  apiServerPort: 0,
};

/** The resource `kind:index:Cluster`. */
export const clusterHandler: ResourceHandler<ClusterInputs, ClusterState> = {
  async check(inputs) {
    // without Docker, create reports what is missing
    return (await conflictsOf(inputs).catch(() => [])).map(checkFailure);
  },

  async diff(olds, news, log) {
    const changed = (Object.keys(news) as (keyof ClusterInputs)[]).filter(
      (key) => !CREATION_ONLY.includes(key) && !isDeepStrictEqual(olds[key] ?? BEFORE[key], news[key]),
    );
    const replaces: string[] = changed.filter((key) => !UPDATABLE.includes(key));
    if (replaces.length > 0) {
      log.warn(
        `The kind cluster ${olds.name} will be replaced with everything in it: ${replaces.join(", ")} cannot change in a running cluster.`,
      );
    }
    const nodes = await listNodes(olds.name).catch(() => undefined);
    // without Docker there is no news about the cluster
    const status =
      nodes !== undefined ? statusOf(nodes, olds) : olds.status === "incomplete" ? "incomplete" : "running";
    if (status === "missing") {
      log.warn(`The kind cluster ${olds.name} of this stack was deleted; it will be created again.`);
      replaces.push("containers");
    } else if (status === "incomplete") {
      const missing = olds.nodes.filter(({ name }) => nodes?.every((node) => node.name !== name));
      log.warn(
        `The kind cluster ${olds.name} is incomplete (${missing.map(({ name }) => name).join(", ") || "its nodes are not those that were created"}); it will be created again.`,
      );
      replaces.push("status");
    } else if (status === "stopped") {
      const stopped = nodes!.filter(({ running }) => !running).map(({ name }) => name);
      log.warn(`Nodes of the kind cluster ${olds.name} are stopped (${stopped.join(", ")}); they will be started.`);
    } else if (olds.status !== "running" || (nodes !== undefined && hasMoved(nodes, olds))) {
      log.warn(
        nodes !== undefined && hasMoved(nodes, olds)
          ? `Nodes of the kind cluster ${olds.name} have new addresses; they will be restarted with their old ones.`
          : `Nodes of the kind cluster ${olds.name} were restarted; the cluster will be checked and verified again.`,
      );
      return { changes: true, replaces };
    }
    return { changes: changed.length > 0 || status !== "running", replaces };
  },

  async create(inputs, log, signal) {
    await preflight(inputs, log);
    const conflicts = await conflictsOf(inputs);
    if (conflicts.length > 0) throw new Error(conflicts.map(({ seen, remedy }) => `${seen}; ${remedy}`).join("\n"));
    await makeRoom(inputs, log);
    return duringCreation(stackIdOf(inputs), async (folder) => {
      try {
        const ownerMount: KindMount = {
          hostPath: "/dev/null",
          containerPath: OWNER_DIRECTORY + inputs.owner,
          readOnly: true,
        };
        const config = kindConfig({
          ...inputs,
          mounts: [...inputs.mounts, ownerMount, await makeImageFolder(stackIdOf(inputs))],
        });
        const early = loadEarly(inputs, log, signal);
        await createCluster(inputs.name, config, join(folder, "kubeconfig"), log, signal).catch(async (error) => {
          await early.giveUp();
          throw error;
        });
        await early.finish();
        const nodes = await listNodes(inputs.name);
        const controlPlane = controlPlaneName(inputs.name);
        await Promise.all([
          removeControlPlaneTaints(controlPlane),
          hastenCoreDns(controlPlane),
          checkNodeTools(nodes, log),
        ]);
        if (inputs.exportKubeconfig) await addContext(inputs.name);
        const state = await stateOf(inputs, nodes, 0);
        signal.throwIfAborted();
        return { id: `${inputs.name}/${state.containers[0]!.slice(0, 12)}`, state };
      } catch (error) {
        const words = await nodesLastWords(inputs.name);
        const rest = await removeOwn(inputs).then(
          () => "its nodes were removed",
          (failure: Error) => `its nodes could not be removed (${failure.message})`,
        );
        const headline = `kind cluster ${inputs.name} was not created, and ${rest}.`;
        throw new Error([headline, (error as Error).message, ...words].join("\n"));
      }
    });
  },

  async read(olds) {
    const nodes = await listNodes(olds.name);
    const status = statusOf(nodes, olds);
    if (status === "missing") return undefined;
    if (status !== "running") return { ...olds, status };
    // until `update` has checked the nodes
    if (olds.status !== "running" || hasMoved(nodes, olds)) return { ...olds, status: "restarted" };
    return stateOf(olds, nodes, olds.restarts);
  },

  async update(olds, news, log) {
    const nodes = await listNodes(olds.name);
    const restarts = olds.status !== "running" || nodes.some(({ running }) => !running) || hasMoved(nodes, olds);
    if (restarts) await startNodes(nodes, olds, log);
    if (news.exportKubeconfig) await addContext(news.name);
    if (!news.exportKubeconfig && olds.exportKubeconfig) await removeContext(news.name, log);
    return stateOf(news, await listNodes(news.name), olds.restarts + (restarts ? 1 : 0));
  },

  async delete(olds, log) {
    const nodes = await listNodes(olds.name);
    if (nodes.length === 0 || isOwn(nodes, olds)) {
      await deleteCluster(olds.name, olds.exportKubeconfig);
    } else if (!nodes.every((node) => isOwned(node, olds))) {
      log.warn(`The kind cluster ${olds.name} that exists now was not created by this stack; it was not changed.`);
    }
    // this stack's, but with other containers: the replacement, whose creation has removed this cluster
  },
};

/**
 * Start a cluster's nodes with their old addresses, which the API server and etcd are bound to: Docker assigns the
 * lowest free address to the container that starts first.
 */
async function startNodes(nodes: readonly KindNode[], olds: ClusterState, log: Log): Promise<void> {
  if (hasMoved(nodes, olds)) {
    const running = nodes.filter(({ running: runs }) => runs).map(({ name }) => name);
    log.status(`Stopping ${running.join(", ")} to restore their addresses`);
    await run("docker", ["stop", "--time", "5", ...running]);
  }
  const stopped = (await listNodes(olds.name)).filter(({ running }) => !running).map(({ name }) => name);
  const before = [...olds.nodes].sort((a, b) => a.address.localeCompare(b.address, "en", { numeric: true }));
  for (const { name } of before.filter((node) => stopped.includes(node.name))) {
    log.status(`Starting ${name}`);
    await run("docker", ["start", name]);
  }
  const moved = (await listNodes(olds.name)).filter((node) => hasMoved([node], olds)).map(({ name }) => name);
  if (moved.length > 0) {
    const lost = olds.nodes
      .filter(({ name }) => moved.includes(name))
      .map(({ name, address }) => `${address} of ${name}`);
    throw new Error(
      `Docker has assigned ${lost.join(", ")} to another container, and a kind cluster does not work with other addresses.\n` +
        `Stop that container (docker network inspect ${kindNetwork()}) and run pulumi up again, or recreate the cluster with pulumi destroy and pulumi up.`,
    );
  }
  await waitForApiServer(olds.name);
}

/**
 * Remove this stack's cluster of the same name, from an interrupted creation or before a replacement. The engine's own
 * delete-before-replace closes the Kubernetes provider before it deletes the objects in the cluster, and then fails
 * (seen with Pulumi 3.259).
 * @throws Error when another owner created a cluster of this name
 */
async function makeRoom(inputs: ClusterInputs, log: Log): Promise<void> {
  await endOrphans(stackIdOf(inputs));
  const nodes = await listNodes(inputs.name);
  if (nodes.length === 0) return;
  if (!nodes.every((node) => isOwned(node, inputs))) {
    const names = nodes.map(({ name }) => name).join(", ");
    throw new Error(
      `A kind cluster ${inputs.name} exists (${names}) that this stack did not create; it was not changed.\n` +
        `Set cluster.name to another name, or delete that cluster: kind delete cluster --name ${inputs.name}`,
    );
  }
  log.status(`Removing this stack's earlier kind cluster ${inputs.name}`);
  await deleteCluster(inputs.name, inputs.exportKubeconfig);
}

async function stateOf(inputs: ClusterInputs, nodes: readonly KindNode[], restarts: number): Promise<ClusterState> {
  const kubeconfig = await readKubeconfig(inputs.name);
  return {
    ...inputs,
    containers: nodes.map(({ containerId }) => containerId),
    status: "running",
    nodes: nodes.map((node) => clusterNode(node, inputs)),
    endpoint: /server: (\S+)/.exec(kubeconfig)?.[1] ?? "",
    kubeconfig,
    restarts,
  };
}

const clusterNode = (
  { name, role, address, ipv6Address }: KindNode,
  { ipFamily }: Pick<ClusterInputs, "ipFamily">,
): ClusterNode => ({
  name,
  role: role === "control-plane" ? role : "worker",
  address,
  ...(ipFamily === "dual" && ipv6Address !== undefined ? { ipv6Address } : {}),
});

function statusOf(nodes: readonly KindNode[], olds: ClusterState): ClusterStatus | "missing" {
  if (nodes.length === 0 || !isOwn(nodes, olds)) return "missing";
  if (!isDeepStrictEqual(nodes.map(({ containerId }) => containerId).sort(), [...olds.containers].sort()))
    return "incomplete";
  return nodes.every(({ running }) => running) ? "running" : "stopped";
}

/** Whether running nodes have new addresses, which Docker may assign when it restarts. */
function hasMoved(nodes: readonly KindNode[], olds: ClusterState): boolean {
  return nodes.some(({ name, running, address, ipv6Address }) =>
    olds.nodes.some(
      (node) =>
        node.name === name &&
        running &&
        (node.address !== address || (node.ipv6Address ?? ipv6Address) !== ipv6Address),
    ),
  );
}

/** Whether these nodes, or the remaining ones, belong to the cluster in the state. */
function isOwn(nodes: readonly KindNode[], olds: ClusterState): boolean {
  return nodes.some(({ containerId }) => olds.containers.includes(containerId));
}

/** Remove this stack's nodes, and none of a cluster that another process created under the same name meanwhile. */
async function removeOwn(inputs: ClusterInputs): Promise<void> {
  const nodes = await listNodes(inputs.name);
  const own = nodes.filter((node) => isOwned(node, inputs)).map(({ name }) => name);
  if (own.length === nodes.length) await deleteCluster(inputs.name, inputs.exportKubeconfig);
  else await removeNodes(own);
}

/** The networks of a cluster that conflict with those of its nodes, and whether these lack a family. */
async function conflictsOf({ podCidr, serviceCidr, ipFamily }: ClusterInputs): Promise<NetworkConflict[]> {
  const conflicts = await networkConflicts({ podCidr, serviceCidr });
  const { verdict, seen, remedy } = ipFamily === "dual" ? await ipv6Finding() : { verdict: "pass", seen: "" };
  return verdict === "fail" ? [...conflicts, { property: "ipFamily", seen, remedy: remedy ?? "" }] : conflicts;
}

/** The stack id, last part of the owner. */
function stackIdOf({ owner }: ClusterInputs): string {
  return owner.split("/").at(-1)!;
}

/** Whether any run of this stack created a node. */
function isOwned(node: KindNode, { owner }: ClusterInputs): boolean {
  return node.mountPoints.includes(OWNER_DIRECTORY + owner);
}
