import type { PolicyResource, ResourceValidationPolicy, StackValidationPolicy } from "@pulumi/policy";
import { valueAt, type HelmValues } from "../modes/ciliumValues";
import { longestClusterName } from "../modes/clusterName";
import { ALL_MODES, MODE_CONTRACTS, replacementWord } from "../modes/contract";

/** The part of a resource that policies read. */
type Seen = Pick<PolicyResource, "type" | "name" | "props">;

const CLUSTER = "kind:index:Cluster";
const INSTALLATION = "kind:index:CiliumInstallation";
const RELEASE = "kubernetes:helm.sh/v3:Release";

/** A policy for each resource and its inputs. */
function ofResource(
  name: string,
  description: string,
  violationsOf: (resource: Seen, config: Record<string, unknown>) => readonly string[],
  configSchema: ResourceValidationPolicy["configSchema"] = { properties: {} },
): ResourceValidationPolicy {
  return {
    name,
    description,
    enforcementLevel: "mandatory",
    configSchema,
    validateResource: ({ type, name, props, getConfig }, report) =>
      violationsOf({ type, name, props }, getConfig()).forEach((violation) => report(violation)),
  };
}

/** A policy for all resources of a stack. */
function ofStack(
  name: string,
  description: string,
  violationsOf: (resources: readonly Seen[]) => readonly string[],
): StackValidationPolicy {
  return {
    name,
    description,
    enforcementLevel: "mandatory",
    validateStack: ({ resources }, report) => violationsOf(resources).forEach((violation) => report(violation)),
  };
}

export const clusterNameLength = ofStack(
  "cluster-name-length",
  "The cluster's name is short enough for its version of Cilium and for its nodes' names",
  (resources) => {
    const version = find(resources, INSTALLATION)?.props["version"] as string | undefined;
    const name = find(resources, CLUSTER)?.props["name"] as string | undefined;
    if (version === undefined || name === undefined) return [];
    const longest = longestClusterName(version);
    return name.length <= longest
      ? []
      : [
          `the cluster's name ${name} must have at most ${longest} characters with Cilium ${version} (got ${name.length})`,
        ];
  },
);

export const noUnpinnedImages = ofResource(
  "no-unpinned-images",
  "Image references have a tag other than latest, or a digest",
  ({ type, props }) => {
    const images = [
      ...(type === CLUSTER ? [props["nodeImage"], ...(props["images"] ?? [])] : []),
      ...(type === "kind:index:NodeImages" ? (props["images"] ?? []) : []),
      ...(type.startsWith("kubernetes:") ? containersOf(props).map(({ image }) => image) : []),
    ] as unknown[];
    return images
      .filter((image): image is string => typeof image === "string" && !isPinned(image))
      .map((image) => `${image} can change at any time; use a tag other than latest, or a digest`);
  },
);

export const noOpenPorts = ofResource(
  "no-open-ports",
  "Other machines cannot reach the cluster, unless the policy's configuration has openPorts: true",
  ({ type, props }, { openPorts }) => {
    if (type !== CLUSTER || openPorts === true) return [];
    const mappings = (props["portMappings"] ?? []) as readonly { listenAddress?: string; hostPort?: number }[];
    return mappings
      .filter(({ listenAddress = "127.0.0.1" }) => !listenAddress.startsWith("127."))
      .map(
        ({ listenAddress, hostPort }) =>
          `port ${hostPort} listens on ${listenAddress}, which other machines can reach; set listenAddress to 127.0.0.1`,
      );
  },
  { properties: { openPorts: { type: "boolean", default: false } } },
);

export const oneMode = ofStack(
  "one-mode",
  "kube-proxy, kubeProxyReplacement, bpf.masquerade and bpf.hostLegacyRouting match one routing mode",
  (resources) => {
    const release = resources.find(({ type, props }) => type === RELEASE && props["name"] === "cilium");
    const version = find(resources, INSTALLATION)?.props["version"] as string | undefined;
    const values = release?.props["values"] as HelmValues | undefined;
    if (values === undefined || version === undefined) return [];
    const replacement = String(valueAt(values, "kubeProxyReplacement"));
    // charts render true and "true" alike
    const isOn = (path: string) => String(valueAt(values, path)) === "true";
    const masquerade = isOn("bpf.masquerade");
    // without BPF masquerading, packets pass the host's stack anyway
    const legacy = masquerade && isOn("bpf.hostLegacyRouting");
    const kubeProxyMode = find(resources, CLUSTER)?.props["kubeProxyMode"] as string | undefined;
    const isOne = ALL_MODES.some((mode) => {
      const { switches, kubeProxyMode: wanted } = MODE_CONTRACTS[mode];
      return (
        replacementWord(switches.kubeProxyReplacement, version) === replacement &&
        switches.bpfMasquerade === masquerade &&
        (switches.hostLegacyRouting ?? false) === legacy &&
        (kubeProxyMode === undefined || (kubeProxyMode === "none") === (wanted === "none"))
      );
    });
    if (isOne) return [];
    const cluster = kubeProxyMode === undefined ? "" : `, in a cluster with kubeProxyMode ${kubeProxyMode},`;
    const beside = legacy ? " with bpf.hostLegacyRouting" : "";
    return [
      `kubeProxyReplacement ${replacement} and bpf.masquerade ${masquerade}${beside}${cluster} match no routing mode`,
    ];
  },
);

function find(resources: readonly Seen[], type: string): Seen | undefined {
  return resources.find((resource) => resource.type === type);
}

interface Container {
  readonly image?: unknown;
}

/** Containers of a pod, or of a pod template. */
function containersOf({ spec }: Seen["props"]): readonly Container[] {
  const pod = spec?.template?.spec ?? spec;
  return [...(pod?.initContainers ?? []), ...(pod?.containers ?? [])];
}

function isPinned(image: string): boolean {
  if (image.includes("@sha256:")) return true;
  const tag = /:([^/:]+)$/.exec(image)?.[1];
  return tag !== undefined && tag !== "latest";
}
