import type { ApiServer, CiliumValuesArgs, HelmValues, ImageOverride } from "./ciliumValues";
import type { RoutingMode, Tunnel } from "./contract";
import type { DatapathChoice } from "./datapathChoice";
import { DEFAULTS } from "./defaults";
import type { PodNetworks } from "./ipam";
import type { KubeProxyMode } from "./kubeProxy";
import { DEFAULT_RELEASE, RELEASES } from "./releases";

/** Properties of a cluster that Cilium's values depend on. */
export interface CiliumCluster extends PodNetworks {
  /** Routing mode of Cilium in this cluster. */
  readonly mode: RoutingMode;
  /** Name of the cluster, and Cilium's name of it. */
  readonly clusterName: string;
  /** Number of nodes, including the control plane. */
  readonly nodeCount: number;
  /** Address of the API server that agents can reach without kube-proxy. Default: kind's control plane. */
  readonly apiServer?: ApiServer | undefined;
  /** IPv4 network that pods reach without masquerading in native routing. */
  readonly nativeRoutingCIDR: string;
  /** How kube-proxy translates Services, where the stack sets it. Default: `iptables`; in an external cluster unknown. */
  readonly kubeProxyMode?: KubeProxyMode | undefined;
}

/** Options of Cilium itself. */
export interface CiliumChoice extends DatapathChoice {
  /** Version of Cilium's chart and images without v, 1.12.0 or newer. Default: that of this project's newest release. */
  readonly version?: string | undefined;
  /** Encapsulation of pod traffic between nodes: `disabled` (native routing), `vxlan` or `geneve`. Default: `disabled`. */
  readonly tunnel?: Tunnel | undefined;
  /** Install routes to the pods of other nodes; requires that all nodes share a network. Default: true in native routing. */
  readonly autoDirectNodeRoutes?: boolean | undefined;
  /** Images of Cilium. Default: the chart's. */
  readonly images?:
    | {
        /** Image of the agent and its init containers. */
        readonly agent?: ImageOverride | undefined;
        /** Image of the operator; the chart appends `-generic` to the repository. */
        readonly operator?: ImageOverride | undefined;
        /** Image of Envoy. */
        readonly envoy?: ImageOverride | undefined;
        /** Load Cilium's images from this machine's Docker into the nodes, and refer to them by tag. Default: false. */
        readonly load?: boolean | undefined;
        /** Names of the images to load. Default: those of agents, operator, Envoy, Hubble Relay and Hubble UI. */
        readonly names?: readonly string[] | undefined;
      }
    | undefined;
  /** Parts of Hubble in addition to the agents. Default: none. */
  readonly hubble?:
    | {
        /** Run Hubble Relay, which collects the flows of all agents. Default: false. */
        readonly relay?: boolean | undefined;
        /** Run the Hubble UI, which requires `relay`. Default: false. */
        readonly ui?: boolean | undefined;
      }
    | undefined;
  /**
   * Helm values that are merged last (https://docs.cilium.io/en/v1.18/helm-reference/), and not checked. A program reads
   * values files itself; Helm reads them as YAML 1.1, in which `yes` is true. Default: none.
   */
  readonly values?: HelmValues | undefined;
}

/** Inputs of Cilium's Helm values, with defaults. */
export function ciliumValuesArgs(cluster: CiliumCluster, choice: CiliumChoice): CiliumValuesArgs {
  const { version, tunnel, autoDirectNodeRoutes, images = {}, hubble = {}, values } = choice;
  const { loadBalancer, socketLB, datapathMode, enableTCX } = choice;
  const { mode, clusterName, nodeCount, apiServer, ipam, podCidr, podCidrMaskSize, nativeRoutingCIDR } = cluster;
  const { kubeProxyMode, ipv6 } = cluster;
  // nodes find loaded images by their tag, not by a digest
  const image = (given: ImageOverride = {}) => (images.load ? { useDigest: false, ...defined(given) } : given);
  return {
    version: version ?? RELEASES[DEFAULT_RELEASE].cilium,
    mode,
    tunnel: tunnel ?? DEFAULTS.tunnel,
    clusterName,
    nodeCount,
    apiServer,
    ipam,
    podCidr,
    podCidrMaskSize,
    nativeRoutingCIDR,
    ...(kubeProxyMode === undefined ? {} : { kubeProxyMode }),
    ...(ipv6 === undefined ? {} : { ipv6 }),
    autoDirectNodeRoutes,
    ...{ loadBalancer, socketLB, datapathMode, enableTCX },
    hubble: { relay: hubble.relay ?? false, ui: hubble.ui ?? false },
    loadImages: images.load ?? false,
    images: { agent: image(images.agent), operator: image(images.operator), envoy: image(images.envoy) },
    extraValues: values ?? {},
  };
}

function defined(image: ImageOverride): ImageOverride {
  return Object.fromEntries(Object.entries(image).filter(([, value]) => value !== undefined));
}
