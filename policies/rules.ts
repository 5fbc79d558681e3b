import type { PolicyResource, ResourceValidationPolicy, StackValidationPolicy } from "@pulumi/policy";
import { valueAt, type HelmValues } from "../modes/ciliumValues";
import { longestClusterName } from "../modes/clusterName";
import { ALL_MODES, MODE_CONTRACTS, replacementWord } from "../modes/contract";

/** What `violationsOf` needs of a resource. */
type Seen = Pick<PolicyResource, "type" | "name" | "props">;

const CLUSTER = "kind:index:Cluster";
const INSTALLATION = "kind:index:CiliumInstallation";
const RELEASE = "kubernetes:helm.sh/v3:Release";

/** Rules of one resource and its inputs. */
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

/** Rules of resources that depend on one another. */
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
  "A cluster's name is short enough for the version of Cilium in it, and for its nodes' names",
  (resources) => {
    const version = find(resources, INSTALLATION)?.props["version"] as string | undefined;
    const name = find(resources, CLUSTER)?.props["name"] as string | undefined;
    if (version === undefined || name === undefined) return [];
    const longest = longestClusterName(version);
    return name.length <= longest
      ? []
      : [
          `the cluster's name ${name} has ${name.length} characters, and ${longest} are the most with Cilium ${version}`,
        ];
  },
);

export const noUnpinnedImages = ofResource(
  "no-unpinned-images",
  "Images are named by a tag other than latest, or by a digest",
  ({ type, props }) => {
    const images = [
      ...(type === CLUSTER ? [props["nodeImage"], ...(props["images"] ?? [])] : []),
      ...(type === "kind:index:NodeImages" ? (props["images"] ?? []) : []),
      ...(type.startsWith("kubernetes:") ? containersOf(props).map(({ image }) => image) : []),
    ] as unknown[];
    return images
      .filter((image): image is string => typeof image === "string" && !isPinned(image))
      .map((image) => `${image} may be another image tomorrow; name a tag other than latest, or a digest`);
  },
);

export const noOpenPorts = ofResource(
  "no-open-ports",
  "Nothing outside this machine reaches the cluster, unless the policy's configuration says so: openPorts: true",
  ({ type, props }, { openPorts }) => {
    if (type !== CLUSTER || openPorts === true) return [];
    const mappings = (props["portMappings"] ?? []) as readonly { listenAddress?: string; hostPort?: number }[];
    return mappings
      .filter(({ listenAddress = "127.0.0.1" }) => !listenAddress.startsWith("127."))
      .map(
        ({ listenAddress, hostPort }) =>
          `port ${hostPort} listens on ${listenAddress}, which others reach; set listenAddress to 127.0.0.1`,
      );
  },
  { properties: { openPorts: { type: "boolean", default: false } } },
);

export const oneMode = ofStack(
  "one-mode",
  "kube-proxy, kubeProxyReplacement and bpf.masquerade make one routing mode",
  (resources) => {
    const release = resources.find(({ type, props }) => type === RELEASE && props["name"] === "cilium");
    const version = find(resources, INSTALLATION)?.props["version"] as string | undefined;
    const values = release?.props["values"] as HelmValues | undefined;
    if (values === undefined || version === undefined) return [];
    const replacement = String(valueAt(values, "kubeProxyReplacement"));
    const masquerade = valueAt(values, "bpf.masquerade") ?? false;
    const kubeProxyMode = find(resources, CLUSTER)?.props["kubeProxyMode"] as string | undefined;
    const isOne = ALL_MODES.some((mode) => {
      const { switches, kubeProxyMode: wanted } = MODE_CONTRACTS[mode];
      return (
        replacementWord(switches.kubeProxyReplacement, version) === replacement &&
        switches.bpfMasquerade === masquerade &&
        (kubeProxyMode === undefined || kubeProxyMode === wanted)
      );
    });
    if (isOne) return [];
    const cluster = kubeProxyMode === undefined ? "" : `, in a cluster with kubeProxyMode ${kubeProxyMode},`;
    return [
      `kubeProxyReplacement ${replacement} and bpf.masquerade ${String(masquerade)}${cluster} make no routing mode`,
    ];
  },
);

function find(resources: readonly Seen[], type: string): Seen | undefined {
  return resources.find((resource) => resource.type === type);
}

interface Container {
  readonly image?: unknown;
}

/** Of a pod, or of what makes pods. */
function containersOf({ spec }: Seen["props"]): readonly Container[] {
  const pod = spec?.template?.spec ?? spec;
  return [...(pod?.initContainers ?? []), ...(pod?.containers ?? [])];
}

function isPinned(image: string): boolean {
  if (image.includes("@sha256:")) return true;
  const tag = /:([^/:]+)$/.exec(image)?.[1];
  return tag !== undefined && tag !== "latest";
}
