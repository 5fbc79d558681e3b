import { DEFAULTS } from "../modes/defaults";
import type { IpamMode } from "../modes/ipam";
import { kubernetesOf, NODE_IMAGES, RELEASES } from "../modes/releases";
import type { ParsedSettings } from "./schema";

/** Settings with the versions of the release filled in. */
export interface ReleasedSettings extends Omit<ParsedSettings, "cluster" | "cilium"> {
  readonly cluster: Omit<ParsedSettings["cluster"], "kubernetesVersion" | "nodeImage" | "podCidr"> & {
    readonly kubernetesVersion: string;
    readonly nodeImage: string;
    readonly podCidr: string;
  };
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
  return {
    ...parsed,
    cluster: {
      ...cluster,
      kubernetesVersion,
      nodeImage: cluster.nodeImage ?? NODE_IMAGES[kubernetesVersion]!.image,
      podCidr: cluster.podCidr ?? DEFAULTS.cluster.podCidr,
    },
    podNetworks: { ipam: cilium.ipam.mode, podCidr: cluster.podCidr },
    // nodes of an external cluster pull their images
    nettool: { ...nettool, loadImage: nettool.loadImage && !isExternal(cluster) },
    cilium: { ...cilium, version: cilium.version ?? release.cilium },
  };
}

/** The Kubernetes version that a chart is rendered for: that of the node image's tag, or else of the settings. */
export const kubernetesToAsk = ({ nodeImage, kubernetesVersion }: ReleasedSettings["cluster"]) =>
  kubernetesOf(nodeImage) ?? kubernetesVersion;
