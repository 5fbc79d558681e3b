import { z } from "zod";
import type { CiliumArgs } from "../components/cilium";
import type { KindClusterArgs } from "../components/kindCluster";
import type { NettoolWorkloadArgs } from "../components/nettoolWorkload";
import type { VerificationArgs } from "../components/verification";
import type {
  DatapathDeviation,
  DatapathSummary,
  NodeFacts,
  NodesLookedAt,
  VerificationSummary,
} from "../datapath/facts";
import { ALL_MODES } from "../modes/contract";
import { OUTPUT_DESCRIPTIONS, type StackOutputs } from "../outputs";
import { defaultOf, knownKeys, metaOf, schemaAt, unwrap } from "../settings/schemaPaths";

/** A property in a package's schema: https://www.pulumi.com/docs/iac/guides/building-extending/packages/schema/ */
type Property = Readonly<Record<string, unknown>>;

/** An argument of a component. */
interface Argument {
  readonly property: Property;
  /** The setting that it stands for. */
  readonly setting?: string;
}

/** All arguments of a component: the type checker demands each of them. */
type Arguments<Args> = { readonly [K in keyof Required<Args>]: Argument };

/** All properties of an object: the type checker demands each of them. */
type Properties<T> = { readonly [K in keyof Required<T>]: Property };

const text: Property = { type: "string" };
const integer: Property = { type: "integer" };
const number: Property = { type: "number" };
const boolean: Property = { type: "boolean" };
const any: Property = { $ref: "pulumi.json#/Any" };
const listOf = (items: Property): Property => ({ type: "array", items });
const mapOf = (additionalProperties: Property): Property => ({ type: "object", additionalProperties });
const type = (name: string): Property => ({ $ref: `#/types/cilium-modes:index:${name}` });

/** Another component. */
const component = (name: string, description: string): Argument =>
  own({ $ref: `#/resources/cilium-modes:index:${name}` }, description);

/** An argument without a setting, which must be known in previews. */
const own = (property: Property, description: string): Argument => ({
  property: { ...property, plain: true, description },
});

/** An argument that must be known in previews, described as its setting is. */
const plain = (setting: string): Argument => {
  const { property } = input(setting);
  return { property: { ...property, plain: true }, setting };
};

/** An argument that accepts outputs of other resources, described as its setting is. */
const input = (setting: string): Argument => ({ property: described(setting.split(".")), setting });

/** A setting's type with its description and default. */
function described(path: readonly string[]): Property {
  const { description, defaultText } = metaOf(path);
  const value = defaultOf(path);
  const fallback = defaultText ?? (value === undefined ? undefined : `\`${JSON.stringify(value)}\``);
  return {
    ...typeOf(schemaAt(path)!),
    description:
      fallback === undefined || fallback === "required" ? `${description}.` : `${description}. Default: ${fallback}.`,
  };
}

/** The type of a setting's value in programs, which do not need its text form. */
function typeOf(schema: z.ZodType): Property {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodUnion) {
    const options = (inner.options as readonly z.ZodType[]).filter((option) => !(option instanceof z.ZodPipe));
    return options.length === 1 ? typeOf(options[0]!) : { oneOf: options.map(typeOf) };
  }
  if (inner instanceof z.ZodObject) return type(titleOf(schema));
  if (inner instanceof z.ZodArray) return listOf(typeOf(inner.element as z.ZodType));
  if (inner instanceof z.ZodRecord) {
    return mapOf(inner.valueType instanceof z.ZodLazy ? any : typeOf(inner.valueType as z.ZodType));
  }
  if (inner instanceof z.ZodBoolean) return boolean;
  return inner instanceof z.ZodNumber ? integer : text;
}

function titleOf(schema: z.ZodType): string {
  return schema.meta()!["title"] as string;
}

/** An object type of the settings. @param isPlain whether its values must be known in previews */
function objectType(path: string, isPlain = false): Property {
  const steps = path.split(".");
  const keys = knownKeys(steps);
  const required = keys.filter((key) => metaOf([...steps, key]).defaultText === "required");
  const properties = keys.map((key) => {
    const property = described([...steps, key]);
    return [key, isPlain ? { ...property, plain: true } : property];
  });
  return { type: "object", properties: Object.fromEntries(properties), ...(required.length > 0 ? { required } : {}) };
}

/** An object of a component's outputs, described as the stack's outputs are. */
const outputType = <T>(above: string, properties: Properties<T>, optional: readonly (keyof T)[] = []): Property => ({
  type: "object",
  properties: Object.fromEntries(
    Object.entries<Property>(properties).map(([key, property]) => [
      key,
      { ...property, description: OUTPUT_DESCRIPTIONS[`${above}${key}`] },
    ]),
  ),
  required: Object.keys(properties).filter((key) => !optional.includes(key as keyof T)),
});

const NODE = { name: text, role: text, address: text, ipv6Address: text };
/** Values of a datapath that may be unknown. */
const VALUES = {
  ...{ mode: text, nearest: text, network: text, services: text, hostRouting: text, masquerading: text },
  ...{ deviceMode: text, attachment: text, socketLb: text, loadBalancer: text, mtu: text, encryption: text },
};
const AGENT = { name: text, podCidrs: listOf(text), agentPod: text };

const TYPES: Readonly<Record<string, Property>> = {
  Hubble: objectType("hubble", true),
  Image: objectType("cilium.images.agent", true),
  Images: objectType("cilium.images", true),
  LoadBalancer: objectType("loadBalancer", true),
  SocketLB: objectType("socketLB", true),
  Mount: objectType("cluster.mounts.0"),
  PortMapping: objectType("cluster.portMappings.0"),
  RegistryEndpoint: objectType("cluster.registryMirrors.host.endpoints.0"),
  RegistryMirror: objectType("cluster.registryMirrors.host"),
  Node: outputType<Pick<StackOutputs["nodes"][number], keyof typeof NODE>>("nodes[].", NODE, ["ipv6Address"]),
  CiliumNode: outputType<NodeFacts>("nodes[].", AGENT),
  VerificationSummary: outputType<VerificationSummary>(
    "verification.",
    {
      verdict: text,
      proof: text,
      causes: listOf(text),
      verifiedAt: text,
      revision: integer,
      counts: mapOf(integer),
      seconds: number,
      checks: mapOf(text),
      nodes: type("VerifiedNodes"),
    },
    ["proof", "causes", "verifiedAt", "revision", "nodes"],
  ),
  DatapathSummary: outputType<DatapathSummary>(
    "datapath.",
    { ...VALUES, differences: listOf(text), deviations: listOf(type("DatapathDeviation")) },
    Object.keys(VALUES) as (keyof typeof VALUES)[],
  ),
  DatapathDeviation: outputType<DatapathDeviation>("datapath.deviations[].", {
    title: text,
    verdict: text,
    reason: text,
    nodes: listOf(text),
  }),
  VerifiedNodes: outputType<NodesLookedAt>("verification.nodes.", { looked: integer, all: integer }),
};

const ARGUMENTS = {
  KindCluster: {
    mode: own(text, `Routing mode: ${ALL_MODES.join(", ")}.`),
    kubeProxyMode: plain("kubeProxy.mode"),
    clusterName: plain("cluster.name"),
    nodeImage: input("cluster.nodeImage"),
    workers: plain("cluster.workers"),
    ipFamily: plain("cluster.ipFamily"),
    podCidr: plain("cluster.podCidr"),
    ipam: plain("cilium.ipam.mode"),
    serviceCidr: input("cluster.serviceCidr"),
    nativeRoutingCIDR: plain("cilium.nativeRoutingCIDR"),
    portMappings: input("cluster.portMappings"),
    mounts: input("cluster.mounts"),
    nodeLabels: input("cluster.nodeLabels"),
    featureGates: input("cluster.featureGates"),
    kubeadmConfigPatches: input("cluster.kubeadmConfigPatches"),
    apiServerAddress: input("cluster.apiServerAddress"),
    apiServerPort: input("cluster.apiServerPort"),
    registryMirrors: input("cluster.registryMirrors"),
    dnsForward: input("dns.forward"),
    exportKubeconfig: input("cluster.exportKubeconfig"),
    images: {
      property: {
        ...listOf(text),
        description: "Images of this machine's Docker to load while kind creates the nodes, by tag.",
      },
    },
    pulledImages: {
      property: {
        ...listOf(text),
        description:
          "Images that nodes pull: one node pulls each while kind creates the cluster, and the others copy it. Ignored with registryMirrors.",
      },
    },
  } satisfies Arguments<KindClusterArgs>,
  Cilium: {
    cluster: component("KindCluster", "Cluster to install Cilium in."),
    version: plain("cilium.version"),
    tunnel: plain("tunnel"),
    autoDirectNodeRoutes: plain("cilium.autoDirectNodeRoutes"),
    images: plain("cilium.images"),
    hubble: plain("hubble"),
    loadBalancer: plain("loadBalancer"),
    socketLB: plain("socketLB"),
    datapathMode: plain("bpf.datapathMode"),
    enableTCX: plain("bpf.enableTCX"),
    values: {
      ...own(
        mapOf(any),
        "Helm values that are merged last, and not checked. A program reads values files itself; Helm reads them as YAML 1.1. Default: none.",
      ),
      setting: "cilium.values",
    },
    chart: plain("cilium.chart"),
    repository: input("cilium.repository"),
    manifests: own(listOf(mapOf(any)), "Objects to create before the chart's. Default: none."),
    adopt: plain("cilium.adopt"),
  } satisfies Arguments<CiliumArgs>,
  NettoolWorkload: {
    cluster: component("KindCluster", "Cluster that the workload runs in."),
    cilium: component("Cilium", "Cilium of the cluster."),
    nodePort: plain("nettool.nodePort"),
    baseImage: plain("nettool.baseImage"),
    image: input("nettool.image"),
    loadImage: plain("nettool.loadImage"),
  } satisfies Arguments<NettoolWorkloadArgs>,
  Verification: {
    cluster: component("KindCluster", "Cluster to verify."),
    cilium: component("Cilium", "Cilium of the cluster."),
    workload: component("NettoolWorkload", "Workload whose pods send the test traffic."),
    verify: plain("verify"),
    when: plain("verifyWhen"),
    maxNodes: input("verifyNodes"),
  } satisfies Arguments<VerificationArgs>,
};

export type ComponentName = keyof typeof ARGUMENTS;

/** Settings without an argument, and why. */
export const WITHOUT_ARGUMENT: Readonly<Record<string, string>> = {
  release: "programs set cilium.version and cluster.nodeImage",
  kubeProxyReplacement: "programs set the mode",
  "bpf.masquerade": "programs set the mode",
  "bpf.hostLegacyRouting": "programs set the mode",
  "cluster.kubeconfig": "only programs in TypeScript can use external clusters",
  "cluster.context": "only programs in TypeScript can use external clusters",
  "cluster.kubernetesVersion": "programs set cluster.nodeImage",
  "cilium.manifests": "programs read manifests themselves and pass their objects",
  "cilium.valuesFiles": "programs read values files themselves and pass values",
};

const RESOURCES = {
  KindCluster: {
    description: "A kind cluster without a network plugin, with kube-proxy only if the mode uses it.",
    requiredInputs: ["mode"],
    properties: {
      clusterName: { ...text, description: OUTPUT_DESCRIPTIONS["clusterName"] },
      clusterIdentifier: { ...text, description: OUTPUT_DESCRIPTIONS["clusterIdentifier"] },
      kubeconfig: { ...text, description: OUTPUT_DESCRIPTIONS["kubeconfig"], secret: true },
      endpoint: { ...text, description: OUTPUT_DESCRIPTIONS["apiEndpoint"] },
      nodes: { ...listOf(type("Node")), description: OUTPUT_DESCRIPTIONS["nodes"] },
    },
  },
  Cilium: {
    description: "Cilium's Helm release in the cluster's routing mode. Its outputs resolve when Cilium is ready.",
    requiredInputs: ["cluster"],
    properties: {
      nodes: { ...listOf(type("CiliumNode")), description: "Nodes as Cilium sees them" },
      revision: { ...integer, description: "Revision of the Helm release" },
    },
  },
  NettoolWorkload: {
    description: "The test workload: a server on every node, a NodePort Service of the servers, and a client pod.",
    requiredInputs: ["cluster", "cilium"],
    properties: {
      image: { ...text, description: "Image of the workload" },
      nodePort: { ...integer, description: "NodePort of the Service" },
    },
  },
  Verification: {
    description: "Verifies, with evidence, that the routing mode is in force.",
    requiredInputs: ["cluster", "cilium", "workload"],
    properties: {
      summary: { ...type("VerificationSummary"), description: OUTPUT_DESCRIPTIONS["verification"] },
      datapath: { ...type("DatapathSummary"), description: OUTPUT_DESCRIPTIONS["datapath"] },
    },
  },
} satisfies Readonly<Record<ComponentName, Property>>;

/** The output that a component lacks without a verification. */
const WITHOUT_VERIFICATION = "datapath" satisfies keyof (typeof RESOURCES)["Verification"]["properties"];

/** The arguments of a component. */
export function argumentsOf(name: ComponentName): Readonly<Record<string, Argument>> {
  return ARGUMENTS[name];
}

export const COMPONENT_NAMES = Object.keys(RESOURCES) as readonly ComponentName[];

/** The package's schema, from which the engine and other languages know the components. */
export function packageSchema(version: string) {
  const tokens = (members: object) =>
    Object.fromEntries(Object.entries(members).map(([name, member]) => [`cilium-modes:index:${name}`, member]));
  const resources = COMPONENT_NAMES.map((name) => {
    const inputProperties = Object.entries(argumentsOf(name)).map(([key, { property }]) => [key, property]);
    const resource = RESOURCES[name];
    return [
      name,
      {
        isComponent: true,
        ...resource,
        inputProperties: Object.fromEntries(inputProperties) as Record<string, Property>,
        required: Object.keys(resource.properties).filter((key) => key !== WITHOUT_VERIFICATION),
      },
    ] as const;
  });
  return {
    name: "cilium-modes",
    version,
    description: "Cilium's routing modes on kind, declared and verified",
    types: tokens(TYPES),
    resources: tokens(Object.fromEntries(resources)),
    language: {
      nodejs: { respectSchemaVersion: true },
      go: { respectSchemaVersion: true },
      python: { respectSchemaVersion: true },
    },
  };
}
