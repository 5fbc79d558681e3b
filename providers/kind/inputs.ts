import type { RoutingMode } from "../../modes/contract";
import type { DnsForward, KindConfigArgs } from "../../modes/kindConfig";
import type { RegistryMirrors } from "../../modes/registryMirrors";

/**
 * Type tokens of the resources. They are part of the URNs in users' states, so they stay although three classes have
 * clearer names now: a new token would need an alias in the program, and the old one in the provider.
 */
export const TOKENS = {
  ciliumInstallation: "kind:index:CiliumInstallation",
  ciliumReadiness: "kind:index:CiliumReadiness",
  cluster: "kind:index:Cluster",
  nodeImages: "kind:index:NodeImages",
  nodeSettings: "kind:index:NodeSettings",
  ownershipRecord: "kind:index:Mark",
  stackIdentity: "kind:index:StackMark",
  workloadNamespace: "kind:index:WorkloadGround",
  workloadReadiness: "kind:index:WorkloadReadiness",
} as const;

export interface StackIdentityInputs {
  /** Whether containers of this machine's Docker carry the id: true for kind clusters. */
  readonly onNodes: boolean;
}

/** Inputs of a kind cluster. */
export interface ClusterInputs extends KindConfigArgs {
  /** Checked against this machine's kernel before nodes are created; ignored for an existing cluster. */
  readonly mode: RoutingMode;
  readonly exportKubeconfig: boolean;
  /** `<project>/<stack>/<stack id>`: mounted in every node, so that an interrupted creation is recognized. */
  readonly owner: string;
  /** Images of this machine's Docker that are loaded while kind creates the nodes; ignored for an existing cluster. */
  readonly images: readonly string[];
  /**
   * Images that the nodes pull: one node pulls each of them while kind creates the others, and the others copy it. Ignored
   * for an existing cluster.
   */
  readonly pulledImages: readonly string[];
}

/** A node as stack outputs show it. */
export interface ClusterNode {
  readonly name: string;
  readonly role: "control-plane" | "worker";
  readonly address: string;
  /** Of nodes of a dual-stack cluster only. */
  readonly ipv6Address?: string;
}

/** Settings that the nodes of a running cluster can take over. */
export interface NodeSettingsInputs {
  readonly clusterName: string;
  /** Id of the cluster; a recreated cluster has another one and none of these settings. */
  readonly clusterInstance: string;
  /** With the contents of PEM files. */
  readonly registryMirrors: RegistryMirrors;
  readonly dnsForward: DnsForward;
  /** Pods cannot reach resolvers in this network; in a dual-stack cluster an IPv6 one follows behind a comma. */
  readonly nativeRoutingCIDR: string;
}

/** Images of this machine's Docker that a cluster's nodes must hold. */
export interface NodeImagesInputs {
  /** Name of the kind cluster. */
  readonly clusterName: string;
  /** Id of the cluster; a recreated cluster has another one and has lost the images. */
  readonly clusterInstance: string;
  /** References with tags, without digests. */
  readonly images: readonly string[];
}

/** Inputs of a stack's Cilium installation, beside those of the Helm release. */
export interface CiliumInstallationInputs {
  /** Id of the cluster; a recreated cluster has another one and no Cilium. */
  readonly clusterInstance: string;
  readonly kubeconfig: string;
  /** Part of the description of the Helm release's revisions, which identifies this stack's own revisions. */
  readonly owner: string;
  /** Without v. */
  readonly version: string;
  /** Whether the stack may take over a Cilium that it did not install. */
  readonly adopt: boolean;
  /** Whether the stack creates the cluster. In an external cluster, pods keep their network and the cluster cannot be swapped. */
  readonly ownCluster: boolean;
  /** IPv4 networks of the pods, separated by spaces. */
  readonly podCidr: string;
  /** Who gives nodes the networks of their pods; missing in the state of older versions, which had `cluster-pool` only. */
  readonly ipam?: string;
  /** Kind of the pods' devices, if the stack sets it. Default: `veth`. */
  readonly datapathMode?: string;
}

/** Inputs of the workload's namespace. */
export interface WorkloadNamespaceInputs {
  readonly clusterInstance: string;
  readonly kubeconfig: string;
  readonly owner: string;
  readonly namespace: string;
  /** Whether the stack creates the cluster: then a refresh drops its content from the state while it does not respond. */
  readonly ownCluster: boolean;
}

/** Inputs of a wait for pods. */
export interface ReadinessInputs {
  readonly clusterInstance: string;
  readonly kubeconfig: string;
  readonly timeoutSeconds: number;
  /** Text that changes with what is waited for: then it is waited for again. */
  readonly cause: string;
}

/** Inputs of the wait for Cilium. */
export interface CiliumReadinessInputs extends ReadinessInputs {
  /** Number of nodes that must be Ready, with an agent each. */
  readonly nodeCount: number;
  /** Whether every node needs networks of both families for its pods. Default: false. */
  readonly isDual?: boolean;
}

/** Inputs of the wait for the workload. */
export interface WorkloadReadinessInputs extends ReadinessInputs {
  readonly namespace: string;
  /** DaemonSets whose pods must be ready on every node. */
  readonly daemonSets: readonly string[];
  /** Further pods that must be ready. */
  readonly pods: readonly string[];
}

/** Content of an ownership record. */
export interface OwnershipData {
  /** Project, stack and stack id. */
  readonly owner: string;
  /** Increases whenever the recorded objects are recreated. */
  readonly generation: string;
  /** Expected `cilium-config`, a CiliumConfig as JSON: property bags of the engine cannot hold nulls. */
  readonly config?: string | undefined;
  /** Version of Cilium, without v. */
  readonly version?: string | undefined;
}

export interface OwnershipRecordInputs extends OwnershipData {
  readonly clusterInstance: string;
  readonly kubeconfig: string;
  readonly name: string;
}
