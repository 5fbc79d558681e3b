import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { run, start, type CommandError, type Conversation } from "./exec";
import { IMAGE_FOLDER } from "./imageFolder";

/** A node of a kind cluster, which is a container. */
export interface KindNode {
  readonly name: string;
  readonly role: string;
  /** Full container id; a recreated node has another one. */
  readonly containerId: string;
  readonly running: boolean;
  /** When the container was created, in ISO 8601. */
  readonly createdAt?: string | undefined;
  /** IPv4 address in kind's Docker network; empty while the node is stopped. */
  readonly address: string;
  /** IPv6 address there; undefined while the node is stopped, and where the network has none. */
  readonly ipv6Address?: string | undefined;
  readonly mountPoints: readonly string[];
  /** Folder of this machine that is mounted at IMAGE_FOLDER; undefined if the node has no such mount. */
  readonly imageFolder?: string | undefined;
}

/** The label by which kind finds a cluster's nodes: https://github.com/kubernetes-sigs/kind/blob/v0.33.0/pkg/cluster/internal/providers/docker/constants.go */
const CLUSTER_LABEL = "io.x-k8s.kind.cluster";
const ROLE_LABEL = "io.x-k8s.kind.role";

/** Folder of the mount in every node whose name is the owner. */
export const OWNER_DIRECTORY = "/kind/owner/";

/** Docker network of kind's nodes. */
export const kindNetwork = (): string => process.env["KIND_EXPERIMENTAL_DOCKER_NETWORK"] || "kind";

const Inspected = z.array(
  z.object({
    Id: z.string(),
    Name: z.string(),
    Created: z.string().optional(),
    State: z.object({ Running: z.boolean() }),
    Config: z.object({ Labels: z.record(z.string(), z.string()) }),
    Mounts: z.array(z.object({ Destination: z.string(), Source: z.string().default("") })),
    NetworkSettings: z.object({
      Networks: z.record(z.string(), z.object({ IPAddress: z.string(), GlobalIPv6Address: z.string().optional() })),
    }),
  }),
);

/** How often to retry when a container was removed while the list was read. */
const LIST_ATTEMPTS = 10;
const LIST_PAUSE_MILLISECONDS = 300;

/** All nodes of a cluster, running or stopped, the control plane first; none if the cluster does not exist. @throws CommandError */
export async function listNodes(cluster: string): Promise<KindNode[]> {
  const nodes = await inspectNodes(`${CLUSTER_LABEL}=${cluster}`);
  return nodes.sort((a, b) => a.role.localeCompare(b.role) || a.name.localeCompare(b.name, "en", { numeric: true }));
}

/** Names of the nodes that a stack created, in any cluster. @throws CommandError */
export async function listNodesOfStack(stackId: string): Promise<string[]> {
  const nodes = await inspectNodes(CLUSTER_LABEL);
  const isOwner = (point: string) => point.startsWith(OWNER_DIRECTORY) && point.endsWith(`/${stackId}`);
  return nodes.filter(({ mountPoints }) => mountPoints.some(isOwner)).map(({ name }) => name);
}

/** Number of running nodes in other kind clusters. @throws CommandError */
export async function countOtherNodes(cluster: string): Promise<number> {
  const format = `{{.Label "${CLUSTER_LABEL}"}}`;
  const clusters = await run("docker", ["ps", "--filter", `label=${CLUSTER_LABEL}`, "--format", format]);
  return clusters.split("\n").filter((name) => name !== "" && name !== cluster).length;
}

async function inspectNodes(label: string, attempts = LIST_ATTEMPTS): Promise<KindNode[]> {
  const ids = (await run("docker", ["ps", "--all", "--quiet", "--no-trunc", "--filter", `label=${label}`]))
    .split("\n")
    .filter(Boolean);
  if (ids.length === 0) return [];
  const inspected = await run("docker", ["inspect", ...ids]).catch((error: CommandError) => {
    if (attempts > 1 && /no such (object|container)/i.test(error.stderr)) return undefined;
    throw error;
  });
  if (inspected === undefined) {
    await sleep(LIST_PAUSE_MILLISECONDS);
    return inspectNodes(label, attempts - 1);
  }
  return Inspected.parse(JSON.parse(inspected)).map((container) => ({
    name: container.Name.replace(/^\//, ""),
    role: container.Config.Labels[ROLE_LABEL] ?? "",
    containerId: container.Id,
    running: container.State.Running,
    createdAt: container.Created,
    address: container.NetworkSettings.Networks[kindNetwork()]?.IPAddress ?? "",
    ipv6Address: container.NetworkSettings.Networks[kindNetwork()]?.GlobalIPv6Address || undefined,
    mountPoints: container.Mounts.map(({ Destination }) => Destination),
    imageFolder: container.Mounts.find(({ Destination }) => Destination === IMAGE_FOLDER)?.Source,
  }));
}

/** Subnets of kind's Docker network, of both families; none if the network does not exist. @throws CommandError */
export async function kindSubnets(): Promise<string[]> {
  const names = (await run("docker", ["network", "ls", "--format", "{{.Name}}"])).split("\n");
  if (!names.includes(kindNetwork())) return [];
  const subnets = await run("docker", [
    "network",
    "inspect",
    kindNetwork(),
    "--format",
    "{{range .IPAM.Config}}{{println .Subnet}}{{end}}",
  ]);
  return subnets.split("\n").filter((subnet) => /^(?:\d+\.\d+\.\d+\.\d+|[\da-f:]+)\/\d+$/.test(subnet));
}

/** Remove running or stopped nodes with their volumes. @throws CommandError */
export async function removeNodes(names: readonly string[]): Promise<void> {
  if (names.length > 0) await run("docker", ["rm", "--force", "--volumes", ...names]);
}

/** Run a command in a node and return its standard output. @throws CommandError */
export function execInNode(
  node: string,
  command: readonly string[],
  options: Parameters<typeof run>[2] = {},
): Promise<string> {
  return run("docker", ["exec", ...(options.stdin === undefined ? [] : ["--interactive"]), node, ...command], options);
}

/** Start a command in a node that runs until it is ended. */
export function startInNode(node: string, command: readonly string[]): Conversation {
  return start("docker", ["exec", "--interactive", node, ...command]);
}

/** Run kubectl as administrator in the control plane node. @throws CommandError */
export function kubectl(
  controlPlane: string,
  args: readonly string[],
  options: Parameters<typeof run>[2] = {},
): Promise<string> {
  return execInNode(controlPlane, ["kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", ...args], options);
}
