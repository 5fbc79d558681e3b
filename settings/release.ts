import { DEFAULTS } from "../modes/defaults";
import type { IpamMode } from "../modes/ipam";
import { ipv6Networks, networkPair, type Ipv6Networks } from "../modes/ipFamily";
import { kubernetesOf, NODE_IMAGES, RELEASES } from "../modes/releases";
import type { ParsedSettings } from "./schema";

/** Settings with the versions of the release filled in. */
export interface ReleasedSettings extends Omit<ParsedSettings, "cluster" | "cilium"> {
  readonly cluster: Omit<ParsedSettings["cluster"], "kubernetesVersion" | "nodeImage" | "podCidr"> & {
    readonly kubernetesVersion: string;
    readonly nodeImage: string;
    /** The IPv4 network, as that of Services and the one for native routing. */
    readonly podCidr: string;
  };
  /** Networks of the second family; undefined unless the cluster is dual-stack. */
  readonly ipv6?: Ipv6Networks | undefined;
  /** What is set of the pods' networks: the Cilium of an external cluster decides the rest. */
  readonly podNetworks: { readonly ipam?: IpamMode | undefined; readonly podCidr?: string | undefined };
  readonly cilium: Omit<ParsedSettings["cilium"], "version"> & { readonly version: string };
}

/** Whether a stack uses an external cluster instead of creating a kind cluster. */
export function isExternal({
  kubeconfig,
  context,
}: Pick<ParsedSettings["cluster"], "kubeconfig" | "context">): boolean {
  return kubeconfig !== undefined || context !== undefined;
}

/** Fill in the values that depend on the release or on the kind of cluster. */
export function withRelease(parsed: ParsedSettings): ReleasedSettings {
  const release = RELEASES[parsed.release];
  const { cluster, cilium, nettool } = parsed;
  const kubernetesVersion = cluster.kubernetesVersion ?? release.kubernetes;
  const networks = networksIn(parsed);
  const podCidr = networks.podCidr?.ipv4;
  return {
    ...parsed,
    ...(cluster.ipFamily === "dual"
      ? {
          ipv6: ipv6Networks({
            podCidr: networks.podCidr?.ipv6,
            serviceCidr: networks.serviceCidr.ipv6,
            nativeRoutingCIDR: networks.nativeRoutingCIDR.ipv6,
          }),
        }
      : {}),
    cluster: {
      ...cluster,
      kubernetesVersion,
      nodeImage: cluster.nodeImage ?? NODE_IMAGES[kubernetesVersion]!.image,
      podCidr: podCidr ?? DEFAULTS.cluster.podCidr,
      serviceCidr: networks.serviceCidr.ipv4,
    },
    podNetworks: { ipam: cilium.ipam.mode, podCidr },
    // nodes of an external cluster pull their images
    nettool: { ...nettool, loadImage: nettool.loadImage && !isExternal(cluster) },
    cilium: {
      ...cilium,
      version: cilium.version ?? release.cilium,
      nativeRoutingCIDR: networks.nativeRoutingCIDR.ipv4,
    },
  };
}

/** The networks that are set, by family. */
export function networksIn({ cluster, cilium }: ParsedSettings) {
  return {
    podCidr: cluster.podCidr === undefined ? undefined : networkPair(cluster.podCidr),
    serviceCidr: networkPair(cluster.serviceCidr),
    nativeRoutingCIDR: networkPair(cilium.nativeRoutingCIDR),
  };
}

/** The Kubernetes version that a chart is rendered for: that of the node image's tag, or else of the settings. */
export const kubernetesToAsk = ({ nodeImage, kubernetesVersion }: ReleasedSettings["cluster"]) =>
  kubernetesOf(nodeImage) ?? kubernetesVersion;
