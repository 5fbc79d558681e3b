import type { CiliumArgs } from "../components/cilium";
import type { KindClusterArgs } from "../components/kindCluster";
import type { NettoolWorkloadArgs } from "../components/nettoolWorkload";
import type { VerificationArgs } from "../components/verification";
import { PROOFS } from "../datapath/facts";
import { ALL_MODES, TUNNELS } from "../modes/contract";
import { DEFAULTS } from "../modes/defaults";

/** A property in a package's schema: https://www.pulumi.com/docs/iac/guides/building-extending/packages/schema/ */
type Property = Readonly<Record<string, unknown>>;

/** Properties for arguments of a component. */
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
  // a component's arguments decide which resources it creates, so every argument must be known
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
      podCidrs: shown(listOf(text), "Networks of this node's pods"),
      agentPod: shown(text, "Name of this node's Cilium agent pod, in kube-system"),
    },
    required: ["name", "podCidrs", "agentPod"],
  },
  VerificationSummary: {
    type: "object",
    properties: {
      verdict: shown(text, "pass, fail or off"),
      proof: shown(text, `Strength of the evidence: ${PROOFS.join(", ")}`),
      causes: shown(listOf(text), "Root causes of a failure, one line each"),
      verifiedAt: shown(text, "Time of the verification, in ISO 8601"),
      revision: shown(whole, "Verified revision of Cilium's Helm release"),
      counts: shown(mapOf(whole), "Number of checks by verdict"),
      seconds: { type: "number" },
      checks: shown(mapOf(text), "Verdict and evidence by the check's id"),
    },
    required: ["verdict", "counts", "seconds", "checks"],
  },
  Image: {
    type: "object",
    properties: {
      repository: described(text, "Name without tag."),
      tag: described(text, "Tag of the image."),
      useDigest: described(flag, "Append the chart's digest."),
    },
  },
  Images: {
    type: "object",
    properties: {
      agent: described(type("Image"), "Image of the agent."),
      operator: described(type("Image"), "Image of the operator. The chart appends -generic to the repository."),
      envoy: described(type("Image"), "Image of Envoy."),
      load: described(flag, "Load the images from this machine's Docker into the nodes.", false),
    },
  },
} as const;

const RESOURCES = {
  KindCluster: {
    description: "A kind cluster without CNI. It has kube-proxy only where the mode needs it.",
    inputProperties: {
      mode: described(text, `The routing mode: ${ALL_MODES.join(", ")}.`),
      clusterName: described(text, "Name of the kind cluster and prefix of its nodes. Default: <project>-<stack>."),
      nodeImage: described(text, "Node image of kind. Default: that of the newest release."),
      workers: described(whole, "Number of nodes beside the control plane, 0 to 20.", DEFAULTS.cluster.workers),
      podCidr: described(text, "IPv4 network of the pods. Each node gets a /24 of it.", DEFAULTS.cluster.podCidr),
      serviceCidr: described(text, "IPv4 network of the Services' ClusterIPs.", DEFAULTS.cluster.serviceCidr),
      nativeRoutingCIDR: described(
        text,
        "IPv4 network that pods reach without masquerading, in native routing.",
        DEFAULTS.cilium.nativeRoutingCIDR,
      ),
      exportKubeconfig: described(flag, "Write the context kind-<name> into the user's kubeconfig.", false),
      images: described(
        listOf(text),
        "Images of this machine's Docker to load into the nodes while the cluster is created.",
      ),
    } satisfies Inputs<KindClusterArgs>,
    requiredInputs: ["mode"],
    properties: {
      clusterName: text,
      clusterIdentifier: shown(text, "Id of the cluster, which changes when the cluster is replaced."),
      kubeconfig: { ...shown(text, "Kubeconfig for the API server, as this machine reaches it."), secret: true },
      endpoint: shown(text, "URL of the API server, as this machine reaches it."),
      nodes: listOf(type("Node")),
    },
  },
  Cilium: {
    description: "Cilium's Helm release in the cluster's routing mode. Its outputs resolve when Cilium is ready.",
    inputProperties: {
      cluster: component("KindCluster"),
      version: described(text, "Version of chart and images, without v. Default: that of the newest release."),
      tunnel: described(text, `How pod traffic crosses nodes: ${TUNNELS.join(", ")}.`, DEFAULTS.tunnel),
      autoDirectNodeRoutes: described(
        flag,
        "Install routes to the other nodes' pods. Default: true with native routing.",
      ),
      images: described(type("Images"), "Images to use instead of the chart's."),
      values: described(mapOf(any), "Helm values that are merged last."),
      chart: described(text, "Name of a chart, an oci:// reference, or a path.", DEFAULTS.cilium.chart),
      repository: described(text, "Helm repository of the chart.", DEFAULTS.cilium.repository),
    } satisfies Inputs<CiliumArgs>,
    requiredInputs: ["cluster"],
    properties: {
      nodes: listOf(type("CiliumNode")),
      revision: shown(whole, "Revision of the Helm release."),
    },
  },
  NettoolWorkload: {
    description: "The test workload: a server on every node, a NodePort Service in front of them, and a client pod.",
    inputProperties: {
      cluster: component("KindCluster"),
      cilium: component("Cilium"),
      nodePort: described(whole, "NodePort of the Service, 30000 to 32767.", DEFAULTS.nettool.nodePort),
      baseImage: described(
        text,
        "Base of the image that is built here: a Debian or Ubuntu.",
        DEFAULTS.nettool.baseImage,
      ),
      image: described(text, "Ready image with the same tools, instead of the build."),
      loadImage: described(flag, "Load the ready image from this machine's Docker into the nodes.", true),
    } satisfies Inputs<NettoolWorkloadArgs>,
    requiredInputs: ["cluster", "cilium"],
    properties: { image: text, nodePort: whole },
  },
  Verification: {
    description: "The verification that the cluster's mode is in force.",
    inputProperties: {
      cluster: component("KindCluster"),
      cilium: component("Cilium"),
      workload: component("NettoolWorkload"),
      verify: described(
        text,
        "strict: a mode that is not in force fails the run; warn: it is a warning; off: no verification.",
        DEFAULTS.verify,
      ),
      when: described(
        text,
        "changed: verify after a change of the cluster, Cilium or the workload; always: verify in every run.",
        DEFAULTS.verifyWhen,
      ),
      maxNodes: described(
        whole,
        "Maximum number of nodes to verify, 1 to 1000. Larger clusters are sampled.",
        DEFAULTS.verifyNodes,
      ),
    } satisfies Inputs<VerificationArgs>,
    requiredInputs: ["cluster", "cilium", "workload"],
    properties: { summary: type("VerificationSummary") },
  },
} as const;

/** The package's schema, from which the engine and other languages learn the components. */
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
    description: "Cilium's routing modes on kind, declared and verified",
    types: tokens(TYPES),
    resources: tokens(resources),
    language: {
      nodejs: { respectSchemaVersion: true },
      go: { respectSchemaVersion: true },
      python: { respectSchemaVersion: true },
    },
  };
}
