import type { Provider as KubernetesProvider } from "@pulumi/kubernetes/provider";
import * as pulumi from "@pulumi/pulumi";
import type { ClusterFacts } from "../datapath/facts";
import type { CiliumCluster } from "../modes/ciliumArgs";
import { defaultClusterName } from "../modes/clusterName";
import { ALL_MODES, type RoutingMode } from "../modes/contract";
import { DEFAULTS } from "../modes/defaults";
import { checkChoice } from "./choices";

/** What clusters of either kind are told. */
export interface TargetClusterArgs {
  /** The routing mode that Cilium gets in this cluster. */
  readonly mode: RoutingMode;
  /** Cilium's name of the cluster: a-z, 0-9 and inner dashes. Default: `<project>-<stack>`. */
  readonly clusterName?: string | undefined;
  /** IPv4 network where Cilium takes the nodes' /24 from. Default: 10.0.0.0/16. */
  readonly podCidr?: string | undefined;
  /**
   * IPv4 network that pods reach without masquerading, in native routing: holds `podCidr`, and shares no address with
   * the nodes of kind. Default: 10.0.0.0/8.
   */
  readonly nativeRoutingCIDR?: string | undefined;
}

/** The same with its defaults. @throws pulumi.RunError when there is no such mode */
export function withDefaults(
  component: string,
  { mode, clusterName, podCidr, nativeRoutingCIDR }: TargetClusterArgs,
): Pick<CiliumCluster, keyof TargetClusterArgs> {
  checkChoice(component, "mode", mode, ALL_MODES);
  return {
    mode,
    clusterName: clusterName ?? defaultClusterName(pulumi.getProject(), pulumi.getStack()),
    podCidr: podCidr ?? DEFAULTS.cluster.podCidr,
    nativeRoutingCIDR: nativeRoutingCIDR ?? DEFAULTS.cilium.nativeRoutingCIDR,
  };
}

/** A cluster that Cilium is installed in: a new one of kind, or one that exists. */
export interface TargetCluster extends CiliumCluster {
  /** Whether its nodes are containers of this machine's Docker. */
  readonly isKind: boolean;
  /** With it goes all that is in the cluster; undefined where the cluster stays when the stack is destroyed. */
  readonly lifetime: pulumi.Resource | undefined;
  /** Before it, nodes are not as they shall be. */
  readonly settled: readonly pulumi.Resource[];
  /** The cluster's own; another whenever it is made again. */
  readonly instance: pulumi.Output<string>;
  /** Another whenever all that is in the cluster has to be looked at again. */
  readonly condition: pulumi.Output<string>;
  /** For everything else that is to be in the cluster. */
  readonly provider: KubernetesProvider;
  /** The control plane first. */
  readonly nodes: pulumi.Output<ClusterFacts["nodes"]>;
  /** API server as this machine reaches it. */
  readonly endpoint: pulumi.Output<string>;
  /** For the API server as this machine reaches it. Secret. */
  readonly kubeconfig: pulumi.Output<string>;
  /** Project, stack and the stack's mark: who made what is in the cluster. */
  readonly owner: pulumi.Output<string>;
}

/** Options of a resource in a cluster: with a cluster that the stack makes goes all that is in it, without a word to it. */
export function inCluster({ lifetime }: TargetCluster, parent: pulumi.Resource): pulumi.CustomResourceOptions {
  return lifetime === undefined ? { parent } : { parent, deletedWith: lifetime };
}

/** What resources of the `kind` provider have to know of a cluster. */
export function identityOf({ instance, kubeconfig, owner }: TargetCluster) {
  return { clusterInstance: instance, kubeconfig, owner };
}

/** A stack's mark: project, stack, and its random id. */
export function ownerOf(mark: pulumi.CustomResource): pulumi.Output<string> {
  return pulumi.interpolate`${pulumi.getProject()}/${pulumi.getStack()}/${mark.id}`;
}
