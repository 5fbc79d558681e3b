import * as pulumi from "@pulumi/pulumi";
import { Provider as KubernetesProvider } from "@pulumi/kubernetes/provider";
import { MODE_CONTRACTS, type RoutingMode } from "../modes/contract";
import { holdCredentials, type KindConfigArgs, type RegistryMirror } from "../modes/kindConfig";
import type { DnsForward } from "../providers/kind/nodeSetup";
import { Cluster, NodeSettings, StackMark } from "../providers/kind/resources";
import { ownerOf, type TargetCluster } from "./targetCluster";

export interface KindClusterArgs extends Omit<KindConfigArgs, "name" | "kubeProxyMode"> {
  readonly mode: RoutingMode;
  /** Name of the kind cluster and prefix of its nodes. */
  readonly clusterName: string;
  /** Checked against the nodes' network, which it must not hold. */
  readonly nativeRoutingCIDR: string;
  readonly registryMirrors: Readonly<Record<string, RegistryMirror>>;
  readonly dnsForward: DnsForward;
  readonly exportKubeconfig: boolean;
  /** Images of this machine's Docker that are wanted in nodes from the beginning. */
  readonly images: readonly string[];
}

/** A kind cluster without CNI, with kube-proxy exactly where the mode wants it, and a Kubernetes provider for it. */
export class KindCluster extends pulumi.ComponentResource implements TargetCluster {
  readonly isKind = true;
  readonly lifetime: Cluster;
  readonly settled: readonly [NodeSettings];
  readonly instance: TargetCluster["instance"];
  readonly condition: TargetCluster["condition"];
  readonly provider: KubernetesProvider;
  readonly nodes: TargetCluster["nodes"];
  readonly endpoint: TargetCluster["endpoint"];
  readonly kubeconfig: TargetCluster["kubeconfig"];
  readonly owner: TargetCluster["owner"];

  constructor(name: string, args: KindClusterArgs, opts?: pulumi.ComponentResourceOptions) {
    super("cilium-modes:index:KindCluster", name, {}, opts);
    const contract = MODE_CONTRACTS[args.mode];
    this.owner = ownerOf(new StackMark(`${name}-mark`, { onNodes: true }, { parent: this }));
    const cluster = new Cluster(
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
        owner: this.owner,
        images: args.images,
      },
      { parent: this, customTimeouts: { create: "15m" } },
    );
    const isSecret = holdCredentials(args.registryMirrors);
    const settings = new NodeSettings(
      `${name}-settings`,
      {
        clusterName: args.clusterName,
        clusterInstance: cluster.id,
        registryMirrors: isSecret ? pulumi.secret(args.registryMirrors) : args.registryMirrors,
        dnsForward: args.dnsForward === "auto" && !contract.bypassDockerResolver ? "node" : args.dnsForward,
        nativeRoutingCIDR: args.nativeRoutingCIDR,
      },
      { parent: this, deletedWith: cluster, additionalSecretOutputs: isSecret ? ["registryMirrors"] : [] },
    );
    this.lifetime = cluster;
    this.settled = [settings];
    this.instance = cluster.id;
    this.condition = pulumi.interpolate`${cluster.id} restarts ${cluster.restarts}`;
    this.nodes = cluster.nodes;
    this.endpoint = cluster.endpoint;
    this.kubeconfig = cluster.kubeconfig;
    this.provider = new KubernetesProvider(
      `${name}-kubernetes`,
      {
        kubeconfig: cluster.kubeconfig,
        // the id names the cluster's incarnation, so in-cluster resources are replaced with it, and only then
        clusterIdentifier: cluster.id,
        // what was in a cluster that is gone is gone; a refresh then says so instead of failing
        deleteUnreachable: true,
      },
      { parent: this },
    );
    this.registerOutputs({ nodes: this.nodes, endpoint: this.endpoint, kubeconfig: this.kubeconfig });
  }
}
