import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { Session } from "../../cluster/podExec";
import { run, start, type CommandError } from "./exec";
import { IMAGE_FOLDER } from "./imageFolder";

/** One node container of a kind cluster. */
export interface KindNode {
  readonly name: string;
  readonly role: string;
  /** Whole container id: a node made again has another. */
  readonly containerId: string;
  readonly running: boolean;
  /** When the container was created, in ISO 8601. */
  readonly createdAt?: string | undefined;
  /** IPv4 address in kind's Docker network; empty while the node is stopped. */
  readonly address: string;
  readonly mountPoints: readonly string[];
  /** This machine's folder that the node sees as IMAGE_FOLDER; undefined where it was made without. */
  readonly imageFolder?: string | undefined;
}

/** The label by which kind finds a cluster's nodes: https://github.com/kubernetes-sigs/kind/blob/v0.33.0/pkg/cluster/internal/providers/docker/constants.go */
const CLUSTER_LABEL = "io.x-k8s.kind.cluster";
const ROLE_LABEL = "io.x-k8s.kind.role";

/** Where the owner's mark is mounted in every node. */
export const OWNER_DIRECTORY = "/kind/owner/";

/** The Docker network that kind puts nodes into. */
export const kindNetwork = (): string => process.env["KIND_EXPERIMENTAL_DOCKER_NETWORK"] || "kind";

const Inspected = z.array(
  z.object({
    Id: z.string(),
    Name: z.string(),
    Created: z.string().optional(),
    State: z.object({ Running: z.boolean() }),
    Config: z.object({ Labels: z.record(z.string(), z.string()) }),
    Mounts: z.array(z.object({ Destination: z.string(), Source: z.string().default("") })),
    NetworkSettings: z.object({ Networks: z.record(z.string(), z.object({ IPAddress: z.string() })) }),
  }),
);

/** How often a list of containers is read again when one of them came or went meanwhile. */
const LIST_ATTEMPTS = 10;
const LIST_PAUSE_MILLISECONDS = 300;

/** All nodes of a cluster, running or not, the control plane first; none when there is no such cluster. @throws CommandError */
export async function listNodes(cluster: string): Promise<KindNode[]> {
  const nodes = await inspectNodes(`${CLUSTER_LABEL}=${cluster}`);
  return nodes.sort((a, b) => a.role.localeCompare(b.role) || a.name.localeCompare(b.name, "en", { numeric: true }));
}

/** Names of the nodes of any cluster that bear a stack's mark. @throws CommandError */
export async function listMarkedNodes(mark: string): Promise<string[]> {
  const nodes = await inspectNodes(CLUSTER_LABEL);
  const isMarked = (point: string) => point.startsWith(OWNER_DIRECTORY) && point.endsWith(`/${mark}`);
  return nodes.filter(({ mountPoints }) => mountPoints.some(isMarked)).map(({ name }) => name);
}

/** How many nodes of other clusters run. @throws CommandError */
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
    mountPoints: container.Mounts.map(({ Destination }) => Destination),
    imageFolder: container.Mounts.find(({ Destination }) => Destination === IMAGE_FOLDER)?.Source,
  }));
}

/** The IPv4 networks of kind's Docker network; none while the network does not exist. */
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
  return subnets.split("\n").filter((subnet) => /^\d+\.\d+\.\d+\.\d+\/\d+$/.test(subnet));
}

/** Remove nodes with their volumes, running or not. @throws CommandError */
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

/** Start a command in a node that runs until it is told to end. */
export function startInNode(node: string, command: readonly string[]): Session {
  return start("docker", ["exec", "--interactive", node, ...command]);
}

/** Run kubectl with the administrator's rights in the control plane. @throws CommandError */
export function kubectl(
  controlPlane: string,
  args: readonly string[],
  options: Parameters<typeof run>[2] = {},
): Promise<string> {
  return execInNode(controlPlane, ["kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", ...args], options);
}
