import type { Provider as KubernetesProvider } from "@pulumi/kubernetes/provider";
import * as pulumi from "@pulumi/pulumi";
import type { ClusterFacts } from "../datapath/facts";
import type { CiliumCluster } from "../modes/ciliumArgs";
import { defaultClusterName } from "../modes/clusterName";
import { ALL_MODES, type RoutingMode } from "../modes/contract";
import { DEFAULTS } from "../modes/defaults";
import { IPAM_MODES, type IpamMode } from "../modes/ipam";
import { checkChoice } from "./arguments";

/** Arguments of both kinds of clusters. All of them must be known in previews, since Helm values are derived from them. */
export interface TargetClusterArgs {
  /** Routing mode of Cilium in this cluster. */
  readonly mode: RoutingMode;
  /** Cilium's name of the cluster: a-z, 0-9 and inner dashes. Default: `<project>-<stack>`. */
  readonly clusterName?: string | undefined;
  /**
   * IPv4 network of the pods, /8 or smaller, of which each node gets a /24
   * (https://docs.cilium.io/en/v1.18/network/concepts/ipam/cluster-pool/). Default: 10.0.0.0/16; in an external cluster
   * that has a Cilium, its pool.
   */
  readonly podCidr?: string | undefined;
  /**
   * Who gives nodes the networks of their pods: Cilium's operator (`cluster-pool`), or Kubernetes in the nodes'
   * `spec.podCIDRs` (`kubernetes`). Cannot change while pods run. Default: `cluster-pool`; in an external cluster that has a
   * Cilium, its mode.
   */
  readonly ipam?: IpamMode | undefined;
  /**
   * IPv4 network that pods reach without masquerading in native routing
   * (https://docs.cilium.io/en/v1.18/network/concepts/masquerading/). It contains `podCidr`, and must not overlap the
   * network of kind's nodes. Default: 10.0.0.0/8.
   */
  readonly nativeRoutingCIDR?: string | undefined;
}

/** The arguments with their defaults. @throws pulumi.RunError for an unknown mode or ipam */
export function withDefaults(
  component: string,
  { mode, clusterName, podCidr, ipam, nativeRoutingCIDR }: TargetClusterArgs,
): Pick<CiliumCluster, keyof TargetClusterArgs> {
  checkChoice(component, "mode", mode, ALL_MODES);
  if (ipam !== undefined) checkChoice(component, "ipam", ipam, IPAM_MODES);
  return {
    mode,
    clusterName: clusterName ?? defaultClusterName(pulumi.getProject(), pulumi.getStack()),
    ipam: ipam ?? "cluster-pool",
    podCidr: podCidr ?? DEFAULTS.cluster.podCidr,
    nativeRoutingCIDR: nativeRoutingCIDR ?? DEFAULTS.cilium.nativeRoutingCIDR,
  };
}

/** A cluster for Cilium: a `KindCluster` or an `ExistingCluster`. */
export interface TargetCluster extends CiliumCluster {
  /** Whether its nodes are containers of this machine's Docker. */
  readonly isKind: boolean;
  /** Resource that removes everything in the cluster when it is deleted; undefined for an external cluster. */
  readonly lifetime: pulumi.Resource | undefined;
  /** Resources that finish the configuration of the nodes. */
  readonly settled: readonly pulumi.Resource[];
  /** Id of the cluster, which changes when it is recreated. */
  readonly instance: pulumi.Output<string>;
  /** Text that changes when everything in the cluster has to be checked again. */
  readonly condition: pulumi.Output<string>;
  /** Kubernetes provider for other resources in the cluster. */
  readonly provider: KubernetesProvider;
  /** Nodes of the cluster, the control plane first. */
  readonly nodes: pulumi.Output<ClusterFacts["nodes"]>;
  /** URL of the API server as this machine reaches it. */
  readonly endpoint: pulumi.Output<string>;
  /** Kubeconfig for the API server as this machine reaches it. Secret. */
  readonly kubeconfig: pulumi.Output<string>;
  /** Owner of objects in the cluster: project, stack and stack id. */
  readonly owner: pulumi.Output<string>;
}

/** Options of a resource in a cluster. Resources in a kind cluster are not deleted one by one, but with the cluster. */
export function inCluster({ lifetime }: TargetCluster, parent: pulumi.Resource): pulumi.CustomResourceOptions {
  return lifetime === undefined ? { parent } : { parent, deletedWith: lifetime };
}

/** Inputs that resources of the `kind` provider need of a cluster. */
export function identityOf({ instance, kubeconfig, owner }: TargetCluster) {
  return { clusterInstance: instance, kubeconfig, owner };
}

/** The owner of a stack's objects: project, stack and stack id. */
export function ownerOf(identity: pulumi.CustomResource): pulumi.Output<string> {
  return pulumi.interpolate`${pulumi.getProject()}/${pulumi.getStack()}/${identity.id}`;
}
