import { Provider as KubernetesProvider } from "@pulumi/kubernetes/provider";
import * as pulumi from "@pulumi/pulumi";
import { readPemFiles } from "../host/pemFiles";
import { MODE_CONTRACTS, type RoutingMode } from "../modes/contract";
import { DEFAULTS } from "../modes/defaults";
import {
  CLUSTER_IP_FAMILIES,
  ipv6Networks,
  networkPair,
  networkPairProblem,
  pairText,
  type ClusterIpFamily,
} from "../modes/ipFamily";
import type { DnsForward, KindMount, KindPortMapping } from "../modes/kindConfig";
import { KUBE_PROXY_MODES, kindKubeProxyMode, type KubeProxyMode } from "../modes/kubeProxy";
import { hasCredentials, type RegistryMirrors } from "../modes/registryMirrors";
import { DEFAULT_RELEASE, NODE_IMAGES, RELEASES } from "../modes/releases";
import { Cluster, NodeSettings, StackIdentity } from "../providers/kind/resources";
import { checkChoice, isPlain } from "./arguments";
import { ProgramError } from "./programError";
import { ownerOf, withDefaults, type TargetCluster, type TargetClusterArgs } from "./targetCluster";

/** A port mapping whose node, address and protocol may be left out. */
export interface PortMappingArgs extends Partial<KindPortMapping> {
  /** Port of the node, 1 to 65535. */
  readonly containerPort: number;
  /** Port of this machine, 1 to 65535; with 0 Docker chooses a free one. */
  readonly hostPort: number;
}

/**
 * Arguments of a kind cluster. Arguments without `pulumi.Input` must be known in previews, since other resources are
 * derived from them. A change of any argument except `registryMirrors`, `dnsForward` and `exportKubeconfig` replaces
 * the cluster.
 */
export interface KindClusterArgs extends TargetClusterArgs {
  /**
   * Routing mode of the cluster, which decides whether kind runs kube-proxy. Must be known in previews. A change between
   * modes with and without kube-proxy replaces the cluster, other changes do not.
   */
  readonly mode: RoutingMode;
  /**
   * How kube-proxy translates Services in mode `kubeproxy`: `iptables`, `nftables` (Kubernetes 1.31 or newer) or `ipvs`
   * (https://kubernetes.io/docs/reference/networking/virtual-ips/#proxy-modes). Must be known in previews. A change replaces
   * the cluster. Default: `iptables`.
   */
  readonly kubeProxyMode?: KubeProxyMode | undefined;
  /**
   * Name of the kind cluster, prefix of its nodes' names, and Cilium's name of the cluster: a-z, 0-9 and inner dashes, at
   * most 32 characters (49 with Cilium 1.15 or older). Must be known in previews. Default: `<project>-<stack>`.
   */
  readonly clusterName?: string | undefined;
  /**
   * Node image that kind 0.32 or newer accepts. Default: kind's image of the newest release's Kubernetes, by digest
   * (https://github.com/kubernetes-sigs/kind/releases).
   */
  readonly nodeImage?: pulumi.Input<string> | undefined;
  /** Number of nodes in addition to the control plane, 0 to 20. Must be known in previews. Default: 2. */
  readonly workers?: number | undefined;
  /**
   * Addresses of pods, Services and nodes: `ipv4`, or IPv4 and IPv6 (`dual`). With `dual`, an IPv6 network may follow behind a
   * comma in `podCidr` (from /48 to /64, of which each node gets a /64), `serviceCidr` (from /108 to /124) and
   * `nativeRoutingCIDR`; by default fd00:10::/56, fd00:10:96::/112 and the pods' own. Must be known in previews. A change
   * replaces the cluster. Default: `ipv4`.
   */
  readonly ipFamily?: ClusterIpFamily | undefined;
  /**
   * IPv4 network of the Services' ClusterIPs, from /12 to /28
   * (https://github.com/kubernetes/kubernetes/blob/v1.34.0/cmd/kubeadm/app/constants/constants.go). Default: 10.96.0.0/16.
   */
  readonly serviceCidr?: pulumi.Input<string> | undefined;
  /** Ports of this machine that lead to nodes. Default: none. */
  readonly portMappings?: pulumi.Input<readonly pulumi.Input<PortMappingArgs>[]> | undefined;
  /**
   * Labels of Kubernetes nodes by node (`control-plane`, `worker-1`, …) and key, such as `topology.kubernetes.io/zone`; the
   * kubelet refuses most other keys of `kubernetes.io`. Default: none.
   */
  readonly nodeLabels?: pulumi.Input<Readonly<Record<string, Readonly<Record<string, string>>>>> | undefined;
  /** Feature gates of Kubernetes' components. Default: none. */
  readonly featureGates?: pulumi.Input<Readonly<Record<string, boolean>>> | undefined;
  /**
   * Merge patches of kubeadm's configuration for all nodes, each a YAML document with a `kind` such as
   * `KubeletConfiguration` (https://kind.sigs.k8s.io/docs/user/configuration/#kubeadm-config-patches). Default: none.
   */
  readonly kubeadmConfigPatches?: pulumi.Input<readonly pulumi.Input<string>[]> | undefined;
  /** IPv4 address of this machine on which the API server listens. Default: 127.0.0.1. */
  readonly apiServerAddress?: pulumi.Input<string> | undefined;
  /** Port of this machine for the API server, 1 to 65535; with 0 kind chooses a free one. Default: 0. */
  readonly apiServerPort?: pulumi.Input<number> | undefined;
  /** Paths of this machine that every node mounts. Default: none. */
  readonly mounts?: pulumi.Input<readonly pulumi.Input<KindMount>[]> | undefined;
  /**
   * Mirrors by registry host, such as `docker.io`, or `_default` for all others. A change, also of a PEM file's content,
   * updates the running cluster. The state keeps them as a secret if an endpoint has an authorization or a client
   * certificate, or if they are an output. Default: none.
   */
  readonly registryMirrors?: pulumi.Input<RegistryMirrors> | undefined;
  /**
   * Resolvers that CoreDNS forwards external names to: this machine's if the mode needs them (`auto`), the nodes' own
   * (`node`), or a list of IPv4 addresses. A change updates the running cluster. Default: `auto`.
   */
  readonly dnsForward?: pulumi.Input<DnsForward> | undefined;
  /**
   * Write the context `kind-<name>` to the user's kubeconfig. A change updates the running cluster. Default: false.
   */
  readonly exportKubeconfig?: pulumi.Input<boolean> | undefined;
  /** Images of this machine's Docker to load while kind creates the nodes, by tag. Default: none. */
  readonly images?: pulumi.Input<readonly pulumi.Input<string>[]> | undefined;
  /**
   * Images that nodes pull: one node pulls each of them while kind creates the cluster, and the others copy it. Nodes pull
   * by themselves what fails, and everything with `registryMirrors`, which are written to nodes that exist. Default: none.
   */
  readonly pulledImages?: pulumi.Input<readonly pulumi.Input<string>[]> | undefined;
}

/**
 * A kind cluster without a network plugin, with kube-proxy only if the mode uses it, and a Kubernetes provider for it.
 *
 * @example
 * ```ts
 * const cluster = new KindCluster("cluster", { mode: "ebpf", workers: 1 });
 * new Cilium("cilium", { cluster });
 * export const kubeconfig = cluster.kubeconfig;
 * ```
 * @throws pulumi.RunError for an unknown mode, ipam, family or mode of kube-proxy, for a mode of kube-proxy where Cilium replaces
 * it, for networks of a family that the cluster does not have, and for a PEM file that cannot be read
 */
export class KindCluster extends pulumi.ComponentResource implements TargetCluster {
  readonly isKind = true;
  readonly mode: RoutingMode;
  readonly kubeProxyMode: KubeProxyMode | undefined;
  readonly clusterName: string;
  readonly nodeCount: number;
  readonly ipam: TargetCluster["ipam"];
  readonly podCidr: string;
  readonly nativeRoutingCIDR: string;
  readonly ipv6: TargetCluster["ipv6"];
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
    this.kubeProxyMode = checkedMode(name, args);
    this.clusterName = choice.clusterName;
    this.ipam = choice.ipam;
    const networks = checkedNetworks(name, args.ipFamily, choice);
    this.podCidr = networks.podCidr;
    this.nativeRoutingCIDR = networks.nativeRoutingCIDR;
    const { ipv6 } = networks;
    this.ipv6 = ipv6;
    this.nodeCount = workers + 1;
    // the name of a resource is part of its URN, so it stays
    this.owner = ownerOf(new StackIdentity(`${name}-mark`, { onNodes: true }, { parent: this }));
    const cluster = new Cluster(
      `${name}-nodes`,
      {
        name: this.clusterName,
        mode: args.mode,
        nodeImage: args.nodeImage ?? NODE_IMAGES[RELEASES[DEFAULT_RELEASE].kubernetes]!.image,
        workers,
        kubeProxyMode: kindKubeProxyMode(this.mode, this.kubeProxyMode),
        ...(ipv6 === undefined ? {} : { ipFamily: "dual" as const }),
        podCidr: pairText(this.podCidr, ipv6?.podCidr),
        serviceCidr: serviceNetworks(args.serviceCidr ?? DEFAULTS.cluster.serviceCidr, ipv6 !== undefined),
        portMappings: pulumi
          .output(args.portMappings ?? [])
          .apply((mappings) => mappings.map((mapping) => ({ ...DEFAULTS.cluster.portMapping, ...mapping }))),
        mounts: args.mounts ?? [],
        nodeLabels: args.nodeLabels ?? {},
        featureGates: args.featureGates ?? {},
        kubeadmConfigPatches: args.kubeadmConfigPatches ?? [],
        apiServerAddress: args.apiServerAddress ?? DEFAULTS.cluster.apiServerAddress,
        apiServerPort: args.apiServerPort ?? DEFAULTS.cluster.apiServerPort,
        exportKubeconfig: args.exportKubeconfig ?? false,
        owner: this.owner,
        images: args.images ?? [],
        pulledImages:
          isPlain(registryMirrors) && Object.keys(registryMirrors).length === 0 ? (args.pulledImages ?? []) : [],
      },
      { parent: this, customTimeouts: { create: "15m" } },
    );
    const isSecret = !isPlain(registryMirrors) || hasCredentials(registryMirrors);
    const mirrors = isPlain(registryMirrors)
      ? pemContents(registryMirrors)
      : pulumi.output(registryMirrors).apply((known) => pemContents(known as RegistryMirrors));
    const settings = new NodeSettings(
      `${name}-settings`,
      {
        clusterName: this.clusterName,
        clusterInstance: cluster.id,
        registryMirrors: isSecret ? pulumi.secret(mirrors) : mirrors,
        dnsForward: pulumi
          .output(dnsForward)
          .apply((forward) => (forward === "auto" && !contract.bypassDockerResolver ? "node" : forward)),
        nativeRoutingCIDR: pairText(this.nativeRoutingCIDR, ipv6?.nativeRoutingCIDR),
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
        // the id changes when the cluster is recreated, and then all resources in it are replaced
        clusterIdentifier: cluster.id,
        // a refresh drops the resources of a deleted cluster instead of failing
        deleteUnreachable: true,
      },
      { parent: this },
    );
    this.registerOutputs({ nodes: this.nodes, endpoint: this.endpoint, kubeconfig: this.kubeconfig });
  }
}

/** What is asked of kube-proxy. @throws pulumi.RunError for an unknown mode, and for any where Cilium replaces kube-proxy */
function checkedMode(name: string, { mode, kubeProxyMode }: KindClusterArgs): KubeProxyMode | undefined {
  if (kubeProxyMode === undefined) return undefined;
  checkChoice(name, "kubeProxyMode", kubeProxyMode, KUBE_PROXY_MODES);
  if (MODE_CONTRACTS[mode].switches.kubeProxyReplacement !== false)
    throw new ProgramError(`${name}: kubeProxyMode requires mode kubeproxy, got mode ${mode}`);
  return kubeProxyMode;
}

/**
 * The networks by family, where their default depends on it.
 * @throws pulumi.RunError for an unknown family, a text that is no network, or an IPv6 network in a cluster without IPv6
 */
function checkedNetworks(
  name: string,
  ipFamily: KindClusterArgs["ipFamily"] = "ipv4",
  given: { readonly podCidr: string; readonly nativeRoutingCIDR: string },
) {
  checkChoice(name, "ipFamily", ipFamily, CLUSTER_IP_FAMILIES);
  const wrong = (["podCidr", "nativeRoutingCIDR"] as const).flatMap((key) => {
    const problem = networkPairProblem(given[key])?.rule;
    const unwanted =
      ipFamily === "ipv4" && given[key].includes(",") ? 'has an IPv6 network; set ipFamily: "dual"' : undefined;
    const rule = problem ?? unwanted;
    return rule === undefined ? [] : [`${name}: ${key} ${rule}, got ${JSON.stringify(given[key])}`];
  });
  if (wrong.length > 0) throw new ProgramError(wrong.join("\n"));
  const [pods, native] = [networkPair(given.podCidr), networkPair(given.nativeRoutingCIDR)];
  const { podCidr, nativeRoutingCIDR } = ipv6Networks({ podCidr: pods.ipv6, nativeRoutingCIDR: native.ipv6 });
  return {
    podCidr: pods.ipv4,
    nativeRoutingCIDR: native.ipv4,
    ipv6: ipFamily === "dual" ? { podCidr, nativeRoutingCIDR } : undefined,
  };
}

/** The Services' networks: kind takes one of each family of the cluster. */
function serviceNetworks(given: pulumi.Input<string>, isDual: boolean): pulumi.Input<string> {
  if (!isDual) return given;
  return pulumi.output(given).apply((text) => {
    const { ipv4, ipv6 } = networkPair(text);
    return pairText(ipv4, ipv6Networks({ serviceCidr: ipv6 }).serviceCidr);
  });
}

/** Mirrors with the contents of their PEM files. @throws pulumi.RunError naming files that cannot be read */
function pemContents(given: RegistryMirrors): RegistryMirrors {
  const { mirrors, problems } = readPemFiles(given, process.cwd());
  if (problems.length > 0) throw new ProgramError(problems.map(({ key, rule }) => `${key}: ${rule}`).join("\n"));
  return mirrors;
}
