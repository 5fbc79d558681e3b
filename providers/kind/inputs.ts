import type { RoutingMode } from "../../modes/contract";
import type { KindConfigArgs, RegistryMirror } from "../../modes/kindConfig";

export interface StackMarkInputs {
  /** Whether nodes of this machine's Docker bear it. */
  readonly onNodes: boolean;
}

/** What a stack says of its cluster. */
export interface ClusterInputs extends KindConfigArgs {
  /** What this machine's kernel is held against before nodes are made; of no matter to a cluster that stands. */
  readonly mode: RoutingMode;
  readonly exportKubeconfig: boolean;
  /** `<project>/<stack>/<id of the stack's mark>`: stands on every node, so that an interrupted creation is recognised. */
  readonly owner: string;
  /** Images of this machine's Docker that nodes get while kind is at work; of no matter to a cluster that stands. */
  readonly images: readonly string[];
}

/** A node as stack outputs show it. */
export interface ClusterNode {
  readonly name: string;
  readonly role: "control-plane" | "worker";
  readonly address: string;
}

/** Which resolvers CoreDNS asks for outside names: `node` leaves it to the node's, `auto` takes this machine's. */
export type DnsForward = "auto" | "node" | readonly string[];

/** What the nodes of a running cluster are told, and can be told anew. */
export interface NodeSettingsInputs {
  readonly clusterName: string;
  /** The cluster's incarnation; another one has been told nothing yet. */
  readonly clusterInstance: string;
  readonly registryMirrors: Readonly<Record<string, RegistryMirror>>;
  readonly dnsForward: DnsForward;
  /** Resolvers in it are out of reach for pods. */
  readonly nativeRoutingCIDR: string;
}

/** Which images of this machine's Docker a cluster's nodes must hold. */
export interface NodeImagesInputs {
  readonly clusterName: string;
  /** The cluster's incarnation; another one has lost the images. */
  readonly clusterInstance: string;
  /** References with tags, without digests. */
  readonly images: readonly string[];
}

/** What a stack says of the Cilium in its cluster, beside the Helm release. */
export interface CiliumInstallationInputs {
  /** The incarnation of the cluster that it is installed in; another one has no Cilium yet. */
  readonly clusterInstance: string;
  readonly kubeconfig: string;
  /** Stands in the description of the Helm release's revisions, so that others' are told from the stack's own. */
  readonly owner: string;
  /** Without v. */
  readonly version: string;
  /** Whether a Cilium that somebody else installed may be taken over. */
  readonly adopt: boolean;
  /** Whether the stack makes the cluster; one that exists is not exchanged for another, and its pods keep their addresses. */
  readonly ownCluster: boolean;
  readonly podCidr: string;
}

/** Where a stack's workload is to stand. */
export interface WorkloadGroundInputs {
  readonly clusterInstance: string;
  readonly kubeconfig: string;
  readonly owner: string;
  readonly namespace: string;
  /** Whether the stack makes the cluster: then a refresh loses what is in it while it does not answer. */
  readonly ownCluster: boolean;
}

/** What a mark holds. */
export interface MarkData {
  /** Project, stack and the stack's own mark. */
  readonly owner: string;
  /** Goes up whenever what is marked was made again. */
  readonly generation: string;
  /** What `cilium-config` holds, a CiliumConfig in JSON: the engine's own objects have no nulls. */
  readonly config?: string | undefined;
  /** Cilium's, without v. */
  readonly version?: string | undefined;
}

export interface MarkInputs extends MarkData {
  readonly clusterInstance: string;
  readonly kubeconfig: string;
  readonly name: string;
}
