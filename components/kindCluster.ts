import * as pulumi from "@pulumi/pulumi";
import { Provider as KubernetesProvider } from "@pulumi/kubernetes/provider";
import { MODE_CONTRACTS, type RoutingMode } from "../modes/contract";
import { DEFAULTS } from "../modes/defaults";
import {
  holdCredentials,
  type DnsForward,
  type KindMount,
  type KindPortMapping,
  type RegistryMirror,
} from "../modes/kindConfig";
import { DEFAULT_RELEASE, NODE_IMAGES, RELEASES } from "../modes/releases";
import { Cluster, NodeSettings, StackIdentity } from "../providers/kind/resources";
import { ownerOf, withDefaults, type TargetCluster, type TargetClusterArgs } from "./targetCluster";

/** What a cluster of kind is told. */
export interface KindClusterArgs extends TargetClusterArgs {
  /** Decides whether kind starts kube-proxy. Changing it between modes with and without makes another cluster. */
  readonly mode: RoutingMode;
  /** Name of the kind cluster and prefix of its nodes; Cilium's name of the cluster too. Default: `<project>-<stack>`. */
  readonly clusterName?: string | undefined;
  /** A node image that kind 0.32 or newer accepts. Default: that of the newest release's Kubernetes, by digest. */
  readonly nodeImage?: string | undefined;
  /** Nodes beside the control plane, 0 to 20. Default: 2. */
  readonly workers?: number | undefined;
  /** IPv4 network of the services' addresses, from /12 to /28. Default: 10.96.0.0/16. */
  readonly serviceCidr?: string | undefined;
  /** Ports of this machine that lead to nodes. Default: none. */
  readonly portMappings?: readonly KindPortMapping[] | undefined;
  /** Paths of this machine that every node sees. Default: none. */
  readonly mounts?: readonly KindMount[] | undefined;
  /** Registry host, such as `docker.io`, to its mirrors; can be changed in a running cluster. Default: none. */
  readonly registryMirrors?: Readonly<Record<string, RegistryMirror>> | undefined;
  /** Resolvers that CoreDNS asks for names outside the cluster; can be changed in a running one. Default: `auto`. */
  readonly dnsForward?: DnsForward | undefined;
  /** Write the context `kind-<name>` into the user's kubeconfig. Default: false. */
  readonly exportKubeconfig?: boolean | undefined;
  /** Images of this machine's Docker that are wanted in nodes from the beginning. Default: none. */
  readonly images?: readonly string[] | undefined;
}

/**
 * A kind cluster without CNI, with kube-proxy exactly where the mode wants it, and a Kubernetes provider for it.
 * @throws pulumi.RunError when there is no such mode
 */
export class KindCluster extends pulumi.ComponentResource implements TargetCluster {
  readonly isKind = true;
  readonly mode: RoutingMode;
  readonly clusterName: string;
  readonly nodeCount: number;
  readonly podCidr: string;
  readonly nativeRoutingCIDR: string;
  readonly lifetime: pulumi.Resource;
  readonly settled: readonly pulumi.Resource[];
  readonly instance: TargetCluster["instance"];
  readonly condition: TargetCluster["condition"];
  readonly provider: KubernetesProvider;
  readonly nodes: TargetCluster["nodes"];
  readonly endpoint: TargetCluster["endpoint"];
  readonly kubeconfig: TargetCluster["kubeconfig"];
  readonly owner: TargetCluster["owner"];

  constructor(name: string, args: KindClusterArgs, opts?: pulumi.ComponentResourceOptions) {
    super("cilium-modes:index:KindCluster", name, {}, opts);
    const { workers = DEFAULTS.cluster.workers, registryMirrors = {}, dnsForward = DEFAULTS.dnsForward } = args;
    const choice = withDefaults(name, args);
    const contract = MODE_CONTRACTS[choice.mode];
    this.mode = choice.mode;
    this.clusterName = choice.clusterName;
    this.podCidr = choice.podCidr;
    this.nativeRoutingCIDR = choice.nativeRoutingCIDR;
    this.nodeCount = workers + 1;
    this.owner = ownerOf(new StackIdentity(`${name}-mark`, { onNodes: true }, { parent: this }));
    const cluster = new Cluster(
      `${name}-nodes`,
      {
        name: this.clusterName,
        mode: args.mode,
        nodeImage: args.nodeImage ?? NODE_IMAGES[RELEASES[DEFAULT_RELEASE].kubernetes]!.image,
        workers,
        kubeProxyMode: contract.kubeProxyMode,
        podCidr: this.podCidr,
        serviceCidr: args.serviceCidr ?? DEFAULTS.cluster.serviceCidr,
        portMappings: args.portMappings ?? [],
        mounts: args.mounts ?? [],
        exportKubeconfig: args.exportKubeconfig ?? false,
        owner: this.owner,
        images: args.images ?? [],
      },
      { parent: this, customTimeouts: { create: "15m" } },
    );
    const isSecret = holdCredentials(registryMirrors);
    const settings = new NodeSettings(
      `${name}-settings`,
      {
        clusterName: this.clusterName,
        clusterInstance: cluster.id,
        registryMirrors: isSecret ? pulumi.secret(registryMirrors) : registryMirrors,
        dnsForward: dnsForward === "auto" && !contract.bypassDockerResolver ? "node" : dnsForward,
        nativeRoutingCIDR: this.nativeRoutingCIDR,
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
