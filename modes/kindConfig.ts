import type { ClusterIpFamily } from "./ipFamily";
import { CERTS_DIRECTORY } from "./registryMirrors";

/** A path of this machine that every node mounts. */
export interface KindMount {
  /** Path on this machine, without `~`. */
  readonly hostPath: string;
  /** Absolute path in every node. */
  readonly containerPath: string;
  /** Mount read-only. Default: false. */
  readonly readOnly?: boolean;
}

/** A port of this machine that leads to a port of a node. */
export interface KindPortMapping {
  /** Node: `control-plane`, `worker-1`, … Default: `control-plane`. */
  readonly node: string;
  /** Port of the node, 1 to 65535. */
  readonly containerPort: number;
  /** Port of this machine, 1 to 65535; with 0 Docker chooses a free one. */
  readonly hostPort: number;
  /** IPv4 address of this machine to listen on; other machines cannot reach 127.0.0.1. Default: 127.0.0.1. */
  readonly listenAddress: string;
  /** `TCP`, `UDP` or `SCTP`. Default: `TCP`. */
  readonly protocol: string;
}

/**
 * The resolvers that CoreDNS asks for names outside the cluster: those of this machine (`auto`), the node's own
 * (`node`), or a list of IPv4 addresses.
 */
export type DnsForward = "auto" | "node" | readonly string[];

/** Inputs of kind's configuration. */
export interface KindConfigArgs {
  /** Name of the cluster, and prefix of its nodes' names. */
  readonly name: string;
  readonly nodeImage: string;
  /** Number of nodes in addition to the control plane. */
  readonly workers: number;
  /** `iptables`, `nftables` or `ipvs`, or `none` if Cilium replaces kube-proxy. */
  readonly kubeProxyMode: string;
  /** Families of the cluster's addresses. Default: `ipv4`. */
  readonly ipFamily?: ClusterIpFamily | undefined;
  /** IPv4 network, in a dual-stack cluster with an IPv6 one behind a comma. */
  readonly podCidr: string;
  /** The same of the Services. */
  readonly serviceCidr: string;
  readonly portMappings: readonly KindPortMapping[];
  /** Mounts of every node. */
  readonly mounts: readonly KindMount[];
  /** Labels by node (`control-plane`, `worker-1`, …) and key. */
  readonly nodeLabels: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Whether each of these feature gates of Kubernetes is enabled. */
  readonly featureGates: Readonly<Record<string, boolean>>;
  /** Merge patches of kubeadm's configuration, in YAML. */
  readonly kubeadmConfigPatches: readonly string[];
  /** IPv4 address of this machine on which the API server listens. */
  readonly apiServerAddress: string;
  /** Port of this machine for the API server; with 0 kind chooses a free one. */
  readonly apiServerPort: number;
}

/**
 * Containerd's registry section by version of its configuration; kind applies the one that matches the node image.
 * https://github.com/containerd/containerd/blob/v2.0.0/docs/cri/registry.md
 */
const REGISTRY_SECTIONS: readonly { readonly version: number; readonly section: string }[] = [
  { version: 2, section: 'plugins."io.containerd.grpc.v1.cri".registry' },
  { version: 3, section: 'plugins."io.containerd.cri.v1.images".registry' },
  { version: 4, section: 'plugins."io.containerd.cri.v1.images".registry' },
];

/**
 * kind's cluster configuration (https://kind.sigs.k8s.io/docs/user/configuration/), as an object that serializes
 * to JSON, which kind reads as YAML.
 */
export function kindConfig(args: KindConfigArgs): Record<string, unknown> {
  const node = (role: string, name: string) => ({
    role,
    image: args.nodeImage,
    labels: args.nodeLabels[name] ?? {},
    extraMounts: args.mounts.map(({ hostPath, containerPath, readOnly }) => ({
      hostPath,
      containerPath,
      readOnly: readOnly ?? false,
    })),
    extraPortMappings: args.portMappings
      .filter((mapping) => mapping.node === name)
      .map(({ containerPort, hostPort, listenAddress, protocol }) => ({
        containerPort,
        hostPort,
        listenAddress,
        protocol,
      })),
  });
  const workers = Array.from({ length: args.workers }, (_, index) => node("worker", `worker-${index + 1}`));
  return {
    kind: "Cluster",
    apiVersion: "kind.x-k8s.io/v1alpha4",
    name: args.name,
    networking: {
      ...(args.ipFamily === "dual" ? { ipFamily: args.ipFamily } : {}),
      disableDefaultCNI: true,
      kubeProxyMode: args.kubeProxyMode,
      podSubnet: args.podCidr,
      serviceSubnet: args.serviceCidr,
      apiServerAddress: args.apiServerAddress,
      apiServerPort: args.apiServerPort,
    },
    featureGates: args.featureGates,
    kubeadmConfigPatches: args.kubeadmConfigPatches,
    nodes: [node("control-plane", "control-plane"), ...workers],
    // allows to change registry mirrors in a running cluster
    containerdConfigPatches: REGISTRY_SECTIONS.map(
      ({ version, section }) => `version = ${version}
[${section}]
  config_path = "${CERTS_DIRECTORY}"
`,
    ),
  };
}
