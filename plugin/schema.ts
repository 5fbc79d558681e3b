import type { CiliumArgs } from "../components/cilium";
import type { KindClusterArgs } from "../components/kindCluster";
import type { NettoolWorkloadArgs } from "../components/nettoolWorkload";
import type { VerificationArgs } from "../components/verification";
import { PROOFS } from "../datapath/facts";
import { ALL_MODES, TUNNELS } from "../modes/contract";
import { DEFAULTS } from "../modes/defaults";

/** A property in a package's schema: https://www.pulumi.com/docs/iac/guides/building-extending/packages/schema/ */
type Property = Readonly<Record<string, unknown>>;

/** Arguments that the component has. */
type Inputs<Args> = { readonly [K in keyof Args]?: Property };

const text: Property = { type: "string" };
const whole: Property = { type: "integer" };
const flag: Property = { type: "boolean" };
const any: Property = { $ref: "pulumi.json#/Any" };
const listOf = (items: Property): Property => ({ type: "array", items });
const mapOf = (additionalProperties: Property): Property => ({ type: "object", additionalProperties });
const component = (name: string): Property => ({ $ref: `#/resources/cilium-modes:index:${name}`, plain: true });
const type = (name: string): Property => ({ $ref: `#/types/cilium-modes:index:${name}` });
const described = (property: Property, description: string, fallback?: unknown): Property => ({
  ...property,
  // components decide by their arguments what they make, so that every argument must be known
  plain: true,
  description: fallback === undefined ? description : `${description} Default: ${JSON.stringify(fallback)}.`,
});
const shown = (property: Property, description: string): Property => ({ ...property, description });

const TYPES = {
  Node: {
    type: "object",
    properties: {
      name: text,
      role: shown(text, "control-plane or worker"),
      address: shown(text, "IPv4 address in the nodes' network"),
    },
    required: ["name", "role", "address"],
  },
  CiliumNode: {
    type: "object",
    properties: {
      name: text,
      podCidrs: shown(listOf(text), "networks that Cilium gave this node's pods"),
      agentPod: shown(text, "the Cilium agent's pod on this node, in kube-system"),
    },
    required: ["name", "podCidrs", "agentPod"],
  },
  VerificationSummary: {
    type: "object",
    properties: {
      verdict: shown(text, "pass, fail or off"),
      proof: shown(text, `how strong the evidence is: ${PROOFS.join(", ")}`),
      causes: shown(listOf(text), "the root causes of a failure, a line each"),
      verifiedAt: shown(text, "when the cluster was verified, in ISO 8601"),
      revision: shown(whole, "revision of Cilium's Helm release that was verified"),
      counts: shown(mapOf(whole), "how many checks ended how"),
      seconds: { type: "number" },
      checks: shown(mapOf(text), "each check's id to its verdict and evidence"),
    },
    required: ["verdict", "counts", "seconds", "checks"],
  },
  Image: {
    type: "object",
    properties: {
      repository: described(text, "Name without tag."),
      tag: described(text, "The image's tag."),
      useDigest: described(flag, "Whether the chart's digest is appended."),
    },
  },
  Images: {
    type: "object",
    properties: {
      agent: described(type("Image"), "The agent's."),
      operator: described(type("Image"), "The operator's; the chart appends -generic to the repository."),
      envoy: described(type("Image"), "Envoy's."),
      load: described(flag, "Bring the images from this machine's Docker into the nodes.", false),
    },
  },
} as const;

const RESOURCES = {
  KindCluster: {
    description: "A kind cluster without CNI, with kube-proxy exactly where the mode wants it.",
    inputProperties: {
      mode: described(text, `The routing mode: ${ALL_MODES.join(", ")}.`),
      clusterName: described(text, "Name of the kind cluster and prefix of its nodes. Default: <project>-<stack>."),
      nodeImage: described(text, "Any image that kind accepts. Default: the newest release's."),
      workers: described(whole, "Nodes beside the control plane.", DEFAULTS.cluster.workers),
      podCidr: described(text, "Where Cilium takes the nodes' /24 from.", DEFAULTS.cluster.podCidr),
      serviceCidr: described(text, "The services' network.", DEFAULTS.cluster.serviceCidr),
      nativeRoutingCIDR: described(
        text,
        "Networks that pods reach without masquerading, in native routing.",
        DEFAULTS.cilium.nativeRoutingCIDR,
      ),
      exportKubeconfig: described(flag, "Write the context kind-<name> into the user's kubeconfig.", false),
      images: described(listOf(text), "Images of this machine's Docker that are wanted in nodes from the beginning."),
    } satisfies Inputs<KindClusterArgs>,
    requiredInputs: ["mode"],
    properties: {
      clusterName: text,
      clusterIdentifier: shown(text, "The cluster's own id: another whenever it was made again."),
      kubeconfig: { ...shown(text, "For the API server as this machine reaches it."), secret: true },
      endpoint: shown(text, "API server as this machine reaches it."),
      nodes: listOf(type("Node")),
    },
  },
  Cilium: {
    description: "Cilium's Helm Release in the cluster's routing mode, ready when its outputs are there.",
    inputProperties: {
      cluster: component("KindCluster"),
      version: described(text, "Of chart and images, without v. Default: the newest release's."),
      tunnel: described(text, `How pod traffic crosses nodes: ${TUNNELS.join(", ")}.`, DEFAULTS.tunnel),
      autoDirectNodeRoutes: described(flag, "Install routes to the other nodes' pods. Default: with native routing."),
      images: described(type("Images"), "Other images than the chart's."),
      values: described(mapOf(any), "Helm values merged last."),
      chart: described(text, "A chart's name, an oci:// reference, or a path.", DEFAULTS.cilium.chart),
      repository: described(text, "Helm repository of the chart.", DEFAULTS.cilium.repository),
    } satisfies Inputs<CiliumArgs>,
    requiredInputs: ["cluster"],
    properties: {
      nodes: listOf(type("CiliumNode")),
      revision: shown(whole, "Revision of the Helm release."),
    },
  },
  NettoolWorkload: {
    description: "The test workload: a server on every node, a NodePort service before them, and a client pod.",
    inputProperties: {
      cluster: component("KindCluster"),
      cilium: component("Cilium"),
      nodePort: described(whole, "30000 to 32767.", DEFAULTS.nettool.nodePort),
      baseImage: described(text, "Base of the image that is built here.", DEFAULTS.nettool.baseImage),
      image: described(text, "A ready image instead of the build."),
      loadImage: described(flag, "Bring the ready image from this machine's Docker into the nodes.", true),
    } satisfies Inputs<NettoolWorkloadArgs>,
    requiredInputs: ["cluster", "cilium"],
    properties: { image: text, nodePort: whole },
  },
  Verification: {
    description: "The proof that the mode asked for is the mode in force.",
    inputProperties: {
      cluster: component("KindCluster"),
      cilium: component("Cilium"),
      workload: component("NettoolWorkload"),
      verify: described(text, "strict: what is not in force fails the run; warn: it is told; off.", DEFAULTS.verify),
      when: described(
        text,
        "changed: verify after a change of the cluster, Cilium or the workload; always: in every run.",
        DEFAULTS.verifyWhen,
      ),
      maxNodes: described(whole, "How many nodes of a large cluster are looked at.", DEFAULTS.verifyNodes),
    } satisfies Inputs<VerificationArgs>,
    requiredInputs: ["cluster", "cilium", "workload"],
    properties: { summary: type("VerificationSummary") },
  },
} as const;

/** The package's schema, by which the engine and other languages know the components. */
export function packageSchema(version: string) {
  const tokens = (members: object) =>
    Object.fromEntries(Object.entries(members).map(([name, member]) => [`cilium-modes:index:${name}`, member]));
  const resources = Object.fromEntries(
    Object.entries(RESOURCES).map(([name, resource]) => [
      name,
      { isComponent: true, ...resource, required: Object.keys(resource.properties) },
    ]),
  );
  return {
    name: "cilium-modes",
    version,
    description: "Cilium's routing modes on kind, declared and checked",
    types: tokens(TYPES),
    resources: tokens(resources),
    language: {
      nodejs: { respectSchemaVersion: true },
      go: { respectSchemaVersion: true },
      python: { respectSchemaVersion: true },
    },
  };
}
