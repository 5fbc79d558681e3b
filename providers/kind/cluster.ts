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
import { clusterNetworkFailures } from "./networks";
import { checkNodeTools, removeControlPlaneTaints, type Log } from "./nodeSetup";
import type { ClusterInputs, ClusterNode } from "./inputs";
import type { ResourceHandler } from "./provider";

/** What a running cluster adds to its inputs. */
export interface ClusterState extends ClusterInputs {
  /** Ids of the nodes' containers: others whenever the cluster is made again. */
  readonly containers: readonly string[];
  readonly status: ClusterStatus;
  readonly nodes: readonly ClusterNode[];
  /** API server as this machine reaches it. */
  readonly endpoint: string;
  readonly kubeconfig: string;
  /** How often its nodes were started again, or found with other addresses. */
  readonly restarts: number;
}

/** `restarted`: running again, perhaps with other addresses than before. */
export type ClusterStatus = "running" | "stopped" | "restarted" | "incomplete";

/** Inputs that a running cluster can take over; every other one is fixed when kind creates it. */
const UPDATABLE: readonly (keyof ClusterInputs)[] = ["exportKubeconfig"];

/** Inputs that are of no matter once a cluster stands. */
const BEFOREHAND: readonly (keyof ClusterInputs)[] = ["images", "mode"];

/** The resource `kind:index:Cluster`. */
export const clusterHandler: ResourceHandler<ClusterInputs, ClusterState> = {
  async check(inputs) {
    return clusterNetworkFailures(inputs).catch(() => []); // without Docker, create says what is missing
  },

  async diff(olds, news, log) {
    const changed = (Object.keys(news) as (keyof ClusterInputs)[]).filter(
      (key) => !BEFOREHAND.includes(key) && !isDeepStrictEqual(olds[key], news[key]),
    );
    const replaces: string[] = changed.filter((key) => !UPDATABLE.includes(key));
    if (replaces.length > 0) {
      log.warn(
        `The kind cluster ${olds.name} is replaced, with everything in it: ${replaces.join(", ")} cannot change in a running cluster.`,
      );
    }
    const nodes = await listNodes(olds.name).catch(() => undefined);
    // Docker being away says nothing new about the cluster
    const status =
      nodes !== undefined ? statusOf(nodes, olds) : olds.status === "incomplete" ? "incomplete" : "running";
    if (status === "missing") {
      log.warn(`The kind cluster ${olds.name} of this stack is gone; it will be created again.`);
      replaces.push("containers");
    } else if (status === "incomplete") {
      const missing = olds.nodes.filter(({ name }) => nodes?.every((node) => node.name !== name));
      log.warn(
        `The kind cluster ${olds.name} is incomplete (${missing.map(({ name }) => name).join(", ") || "it has other nodes than were made"}); it will be created again.`,
      );
      replaces.push("status");
    } else if (status === "stopped") {
      const stopped = nodes!.filter(({ running }) => !running).map(({ name }) => name);
      log.warn(`Nodes of the kind cluster ${olds.name} are stopped (${stopped.join(", ")}); they will be started.`);
    } else if (olds.status !== "running" || (nodes !== undefined && hasMoved(nodes, olds))) {
      log.warn(
        nodes !== undefined && hasMoved(nodes, olds)
          ? `Nodes of the kind cluster ${olds.name} have other addresses than before; they will be started again with those they had.`
          : `Nodes of the kind cluster ${olds.name} were started again; what runs in it will be looked at again.`,
      );
      return { changes: true, replaces };
    }
    return { changes: changed.length > 0 || status !== "running", replaces };
  },

  async create(inputs, log, signal) {
    await preflight(inputs, log);
    const failures = await clusterNetworkFailures(inputs);
    if (failures.length > 0) throw new Error(failures.map(({ reason }) => reason).join("\n"));
    await makeRoom(inputs, log);
    return duringCreation(markOf(inputs), async (folder) => {
      try {
        const mark: KindMount = {
          hostPath: "/dev/null",
          containerPath: OWNER_DIRECTORY + inputs.owner,
          readOnly: true,
        };
        const config = kindConfig({
          ...inputs,
          mounts: [...inputs.mounts, mark, await makeImageFolder(markOf(inputs))],
        });
        const early = loadEarly(inputs, log, signal);
        await createCluster(inputs.name, config, join(folder, "kubeconfig"), log, signal).catch(async (error) => {
          await early.giveUp();
          throw error;
        });
        await early.finish();
        const nodes = await listNodes(inputs.name);
        await Promise.all([removeControlPlaneTaints(controlPlaneName(inputs.name)), checkNodeTools(nodes, log)]);
        if (inputs.exportKubeconfig) await addContext(inputs.name);
        const state = await stateOf(inputs, nodes, 0);
        signal.throwIfAborted();
        return { id: `${inputs.name}/${state.containers[0]!.slice(0, 12)}`, state };
      } catch (error) {
        const words = await nodesLastWords(inputs.name);
        const rest = await removeOwn(inputs).then(
          () => "nothing of it is left",
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
    // until `update` has looked after them
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
    } else if (!nodes.every((node) => isMarked(node, olds))) {
      log.warn(`The kind cluster ${olds.name} that now exists was not made by this stack and is left alone.`);
    }
    // marked, but other containers: the cluster's replacement, whose creation has removed this one
  },
};

/**
 * Start a cluster's nodes, with the addresses that they had: the API server and etcd are bound to them, and Docker gives
 * out the lowest free one to whoever comes first.
 */
async function startNodes(nodes: readonly KindNode[], olds: ClusterState, log: Log): Promise<void> {
  if (hasMoved(nodes, olds)) {
    const running = nodes.filter(({ running: runs }) => runs).map(({ name }) => name);
    log.status(`Stopping ${running.join(", ")}, to give each its address back`);
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
      `Docker has given ${lost.join(", ")} to another container, and a kind cluster does not work with other addresses.\n` +
        `Stop that container (docker network inspect ${kindNetwork()}) and repeat pulumi up; or run pulumi destroy, and pulumi up for a new cluster.`,
    );
  }
  await waitForApiServer(olds.name);
}

/**
 * Remove this stack's cluster of the same name: what an interrupted creation left, or the one to be replaced. The
 * engine's own delete-before-replace is of no use here: it closes the Kubernetes provider before it deletes what is
 * in the cluster, and fails with that (seen with Pulumi 3.259). Refuse when the name is another's.
 */
async function makeRoom(inputs: ClusterInputs, log: Log): Promise<void> {
  await endOrphans(markOf(inputs));
  const nodes = await listNodes(inputs.name);
  if (nodes.length === 0) return;
  if (!nodes.every((node) => isMarked(node, inputs))) {
    const names = nodes.map(({ name }) => name).join(", ");
    throw new Error(
      `A kind cluster named ${inputs.name} exists (${names}) that this stack did not make; it was not touched.\n` +
        `Set cluster.name to another name, or remove it yourself: kind delete cluster --name ${inputs.name}`,
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
    nodes: nodes.map(clusterNode),
    endpoint: /server: (\S+)/.exec(kubeconfig)?.[1] ?? "",
    kubeconfig,
    restarts,
  };
}

const clusterNode = ({ name, role, address }: KindNode): ClusterNode => ({
  name,
  role: role === "control-plane" ? role : "worker",
  address,
});

function statusOf(nodes: readonly KindNode[], olds: ClusterState): ClusterStatus | "missing" {
  if (nodes.length === 0 || !isOwn(nodes, olds)) return "missing";
  if (!isDeepStrictEqual(nodes.map(({ containerId }) => containerId).sort(), [...olds.containers].sort()))
    return "incomplete";
  return nodes.every(({ running }) => running) ? "running" : "stopped";
}

/** Whether Docker gave running nodes other addresses, as it may when it restarts. */
function hasMoved(nodes: readonly KindNode[], olds: ClusterState): boolean {
  return nodes.some(({ name, running, address }) =>
    olds.nodes.some((node) => node.name === name && running && node.address !== address),
  );
}

/** Whether these nodes are the ones of this incarnation of the cluster, or what is left of them. */
function isOwn(nodes: readonly KindNode[], olds: ClusterState): boolean {
  return nodes.some(({ containerId }) => olds.containers.includes(containerId));
}

/** Remove this stack's nodes; of a cluster that somebody else made at the same time under the same name, none. */
async function removeOwn(inputs: ClusterInputs): Promise<void> {
  const nodes = await listNodes(inputs.name);
  const own = nodes.filter((node) => isMarked(node, inputs)).map(({ name }) => name);
  if (own.length === nodes.length) await deleteCluster(inputs.name, inputs.exportKubeconfig);
  else await removeNodes(own);
}

/** The stack's own part of the owner. */
function markOf({ owner }: ClusterInputs): string {
  return owner.split("/").at(-1)!;
}

/** Whether a node was made by this stack, in whichever run. */
function isMarked(node: KindNode, { owner }: ClusterInputs): boolean {
  return node.mountPoints.includes(OWNER_DIRECTORY + owner);
}
