import type { ApiServer, CiliumValuesArgs, HelmValues, ImageOverride } from "./ciliumValues";
import type { RoutingMode, Tunnel } from "./contract";
import { DEFAULTS } from "./defaults";
import { DEFAULT_RELEASE, RELEASES } from "./releases";

/** What Cilium's values depend on of the cluster that it is installed in. */
export interface CiliumCluster {
  /** The routing mode that Cilium gets there. */
  readonly mode: RoutingMode;
  /** Also Cilium's name of the cluster. */
  readonly clusterName: string;
  /** All nodes, the control plane included. */
  readonly nodeCount: number;
  /** Where agents reach the API server without kube-proxy. Default: kind's control plane. */
  readonly apiServer?: ApiServer | undefined;
  /** Where Cilium takes the nodes' /24 from. */
  readonly podCidr: string;
  /** Networks that pods reach without masquerading, in native routing. */
  readonly nativeRoutingCIDR: string;
}

/** What can be asked of Cilium itself. */
export interface CiliumChoice {
  /** Of chart and images, without v. Default: the newest release's that this project knows. */
  readonly version?: string | undefined;
  /** How pod traffic crosses nodes. Default: not at all encapsulated. */
  readonly tunnel?: Tunnel | undefined;
  /** Install routes to the other nodes' pods; needs all nodes in one network. Default: with native routing. */
  readonly autoDirectNodeRoutes?: boolean | undefined;
  /** Other images than the chart's own. Default: none. */
  readonly images?:
    | {
        /** Of `cilium-agent`, and of its init containers. */
        readonly agent?: ImageOverride | undefined;
        /** The chart appends `-generic` to the repository. */
        readonly operator?: ImageOverride | undefined;
        /** Of the pods of Envoy, where the chart starts them. */
        readonly envoy?: ImageOverride | undefined;
        /** Bring the images from this machine's Docker into the nodes instead of pulling them there. Default: false. */
        readonly load?: boolean | undefined;
      }
    | undefined;
  /** Hubble's relay, which collects all agents' flows, and its UI, which asks the relay. Default: neither. */
  readonly hubble?:
    | {
        /** Default: false. */
        readonly relay?: boolean | undefined;
        /** Needs `relay`. Default: false. */
        readonly ui?: boolean | undefined;
      }
    | undefined;
  /** Helm values merged last, over everything that this project sets. Default: none. */
  readonly values?: HelmValues | undefined;
}

/** All that Cilium's values depend on, the defaults included. */
export function ciliumValuesArgs(cluster: CiliumCluster, choice: CiliumChoice): CiliumValuesArgs {
  const { version, tunnel, autoDirectNodeRoutes, images = {}, hubble = {}, values } = choice;
  const { mode, clusterName, nodeCount, apiServer, podCidr, nativeRoutingCIDR } = cluster;
  // images that are brought into nodes have their tags there, and no digest that a node could find them by
  const image = (given: ImageOverride = {}) => (images.load ? { useDigest: false, ...defined(given) } : given);
  return {
    version: version ?? RELEASES[DEFAULT_RELEASE].cilium,
    mode,
    tunnel: tunnel ?? DEFAULTS.tunnel,
    clusterName,
    nodeCount,
    apiServer,
    podCidr,
    nativeRoutingCIDR,
    autoDirectNodeRoutes,
    hubble: { relay: hubble.relay ?? false, ui: hubble.ui ?? false },
    loadImages: images.load ?? false,
    images: { agent: image(images.agent), operator: image(images.operator), envoy: image(images.envoy) },
    extraValues: values ?? {},
  };
}

function defined(image: ImageOverride): ImageOverride {
  return Object.fromEntries(Object.entries(image).filter(([, value]) => value !== undefined));
}
