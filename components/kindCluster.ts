import * as pulumi from "@pulumi/pulumi";
import { Provider as KubernetesProvider } from "@pulumi/kubernetes/provider";
import { MODE_CONTRACTS, type RoutingMode } from "../modes/contract";
import type { KindConfigArgs, RegistryMirror } from "../modes/kindConfig";
import type { ClusterNode } from "../providers/kind/cluster";
import type { DnsForward } from "../providers/kind/nodeSetup";
import { Cluster, NodeSettings, StackMark } from "../providers/kind/resources";

export interface KindClusterArgs extends Omit<KindConfigArgs, "name" | "kubeProxyMode"> {
  readonly mode: RoutingMode;
  /** Name of the kind cluster and prefix of its nodes. */
  readonly clusterName: string;
  /** Checked against the nodes' network, which it must not hold. */
  readonly nativeRoutingCIDR: string;
  readonly registryMirrors: Readonly<Record<string, RegistryMirror>>;
  readonly dnsForward: DnsForward;
  readonly exportKubeconfig: boolean;
}

/** A kind cluster without CNI, with kube-proxy exactly where the mode wants it, and a Kubernetes provider for it. */
export class KindCluster extends pulumi.ComponentResource {
  /** For `deletedWith`: what is in the cluster needs no deletion of its own. */
  readonly cluster: Cluster;
  /** For `dependsOn`: before it, nodes may pull from the wrong registry. */
  readonly settings: NodeSettings;
  readonly provider: KubernetesProvider;
  readonly nodes: pulumi.Output<readonly ClusterNode[]>;
  /** API server as this machine reaches it. */
  readonly endpoint: pulumi.Output<string>;
  /** Secret. */
  readonly kubeconfig: pulumi.Output<string>;

  constructor(name: string, args: KindClusterArgs, opts?: pulumi.ComponentResourceOptions) {
    super("cilium-modes:index:KindCluster", name, {}, opts);
    const contract = MODE_CONTRACTS[args.mode];
    const mark = new StackMark(`${name}-mark`, { parent: this });
    this.cluster = new Cluster(
      `${name}-nodes`,
      {
        name: args.clusterName,
        nodeImage: args.nodeImage,
        workers: args.workers,
        kubeProxyMode: contract.kubeProxyMode,
        podCidr: args.podCidr,
        serviceCidr: args.serviceCidr,
        portMappings: args.portMappings,
        mounts: args.mounts,
        exportKubeconfig: args.exportKubeconfig,
        owner: pulumi.interpolate`${pulumi.getProject()}/${pulumi.getStack()}/${mark.id}`,
      },
      { parent: this, customTimeouts: { create: "15m" } },
    );
    this.settings = new NodeSettings(
      `${name}-settings`,
      {
        clusterName: args.clusterName,
        clusterInstance: this.cluster.id,
        registryMirrors: args.registryMirrors,
        dnsForward: args.dnsForward === "auto" && !contract.bypassDockerResolver ? "node" : args.dnsForward,
        nativeRoutingCIDR: args.nativeRoutingCIDR,
      },
      { parent: this, deletedWith: this.cluster },
    );
    this.nodes = this.cluster.nodes;
    this.endpoint = this.cluster.endpoint;
    this.kubeconfig = this.cluster.kubeconfig;
    this.provider = new KubernetesProvider(
      `${name}-kubernetes`,
      {
        kubeconfig: this.cluster.kubeconfig,
        // the id names the cluster's incarnation, so in-cluster resources are replaced with it, and only then
        clusterIdentifier: this.cluster.id,
        // what was in a cluster that is gone is gone; a refresh then says so instead of failing
        deleteUnreachable: true,
      },
      { parent: this },
    );
    this.registerOutputs({ nodes: this.nodes, endpoint: this.endpoint, kubeconfig: this.kubeconfig });
  }
}
