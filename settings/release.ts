import { NODE_IMAGES, RELEASES } from "../modes/releases";
import type { ParsedSettings } from "./schema";

/** Settings in which the release's members stand where nothing else was set. */
export interface ReleasedSettings extends Omit<ParsedSettings, "cluster" | "cilium"> {
  readonly cluster: Omit<ParsedSettings["cluster"], "kubernetesVersion" | "nodeImage"> & {
    readonly kubernetesVersion: string;
    readonly nodeImage: string;
  };
  readonly cilium: Omit<ParsedSettings["cilium"], "version"> & { readonly version: string };
}

/** Whether a stack is for a cluster that exists, instead of one that it makes with kind. */
export function isExisting({
  kubeconfig,
  context,
}: Pick<ParsedSettings["cluster"], "kubeconfig" | "context">): boolean {
  return kubeconfig !== undefined || context !== undefined;
}

/** Fill in what the release, or the kind of cluster, decides. */
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
    },
    // a cluster that exists pulls its images
    nettool: { ...nettool, loadImage: nettool.loadImage && !isExisting(cluster) },
    cilium: { ...cilium, version: cilium.version ?? release.cilium },
  };
}
