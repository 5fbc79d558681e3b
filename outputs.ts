import { inspect } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import {
  DEVIATIONS,
  PROOFS,
  VERDICTS,
  type DatapathSummary,
  type NodeFacts,
  type VerificationSummary,
} from "./datapath/facts";
import { ALL_MODES, TUNNELS, type KubeProxyReplacement, type RoutingMode, type Tunnel } from "./modes/contract";

/**
 * Version of the outputs' format. A new output keeps it; an output that is removed or changes its meaning increments
 * it.
 */
export const SCHEMA_VERSION = 1;

/**
 * A stack whose outputs a program cannot use. Pulumi's SDK writes `error serializing property …` in front of an error that
 * an input brings along, and inspects everything that hangs on it, which takes seconds: this one keeps its message, and
 * shows nothing else.
 */
export class StackOutputsError extends pulumi.RunError {
  /** @param message what the user reads: the stack, what is wrong with it, and the command that fixes it */
  constructor(message: string) {
    super(message);
    Object.defineProperty(this, "message", { get: () => message, set() {} });
  }

  /** The message alone. */
  [inspect.custom](): string {
    return this.message;
  }
}

/** The outputs of a `cilium-modes` stack. */
export interface StackOutputs {
  /** Version of these outputs' format: {@link SCHEMA_VERSION}. */
  readonly schemaVersion: typeof SCHEMA_VERSION;
  /** Routing mode that the stack's settings select. */
  readonly mode: RoutingMode;
  /** Name of the kind cluster, and Cilium's name of the cluster. */
  readonly clusterName: string;
  /** Id of the cluster, which changes when it is recreated; for `clusterIdentifier` of a Kubernetes provider. */
  readonly clusterIdentifier: string;
  /** Kubeconfig for the API server as this machine reaches it. Secret. */
  readonly kubeconfig: string;
  /** URL of the API server as this machine reaches it. */
  readonly apiEndpoint: string;
  /** Nodes of the cluster, the control plane first. */
  readonly nodes: readonly {
    /** Name in Kubernetes. */
    readonly name: string;
    /** Role; the control plane of a kind cluster also runs pods. */
    readonly role: "control-plane" | "worker";
    /** IPv4 address in the nodes' network. */
    readonly address: string;
    /** IPv6 address in the nodes' network. Undefined unless the cluster is dual-stack. */
    readonly ipv6Address?: string | undefined;
    /** Networks that Cilium assigned to the pods of this node: IPv4 ones, in a dual-stack cluster followed by IPv6 ones. */
    readonly podCidrs: readonly string[];
    /** Pod of the Cilium agent on this node, in `kube-system`. */
    readonly agentPod: string;
  }[];
  /** Configuration of Cilium. */
  readonly cilium: {
    /** Version without v. */
    readonly version: string;
    /** Encapsulation of pod traffic between nodes. */
    readonly tunnel: Tunnel;
    /** Whether Cilium replaces kube-proxy. */
    readonly kubeProxyReplacement: KubeProxyReplacement;
    /** Whether pod traffic that leaves the cluster is masqueraded in BPF. */
    readonly bpfMasquerade: boolean;
    /** IPv4 network that pods reach without masquerading in native routing. */
    readonly nativeRoutingCIDR: string;
    /** IPv4 network of the pods, of which each node gets a /24. */
    readonly podCidr: string;
    /** IPv6 networks. Undefined unless the cluster is dual-stack. */
    readonly ipv6?:
      | {
          /** Network of the pods, of which each node gets a /64. */
          readonly podCidr: string;
          /** Network that pods reach without masquerading in native routing. */
          readonly nativeRoutingCIDR: string;
        }
      | undefined;
  };
  /** The last verification of the cluster. */
  readonly verification: VerificationSummary;
  /** Datapath that the last verification found. Undefined without one, and in outputs of older versions. */
  readonly datapath?: DatapathSummary | undefined;
  /**
   * URL of the test workload's NodePort on each node, in a dual-stack cluster followed by those with IPv6 addresses; resolves
   * after the verification.
   */
  readonly nodePortUrls: readonly string[];
  /** Names of the test workload's objects. */
  readonly workload: {
    /** Namespace of the workload. */
    readonly namespace: string;
    /** DaemonSet of the servers. */
    readonly daemonSet: string;
    /** NodePort Service of the servers. */
    readonly service: string;
    /** Pod that sends requests. */
    readonly clientPod: string;
  };
}

const text = (description: string) => z.string().describe(description);
const optional = (description: string) => z.string().optional().describe(description);

/** The outputs with their descriptions, from which the documentation's table is generated. */
const schema = z.object({
  schemaVersion: z
    .literal(SCHEMA_VERSION)
    .describe("Version of the outputs' format; changes when an output is removed or changes its meaning"),
  mode: z.enum(ALL_MODES).describe("Routing mode that the settings select"),
  clusterName: text("Name of the cluster"),
  clusterIdentifier: text("Id of the cluster, which changes when it is recreated"),
  kubeconfig: text("Kubeconfig for the API server as this machine reaches it; secret"),
  apiEndpoint: text("URL of the API server as this machine reaches it"),
  nodes: z
    .array(
      z.object({
        name: text("Name in Kubernetes"),
        role: z.enum(["control-plane", "worker"]).describe("`control-plane` or `worker`"),
        address: text("IPv4 address in the nodes' network"),
        ipv6Address: optional("IPv6 address in the nodes' network; missing unless the cluster is dual-stack"),
        podCidrs: z
          .array(z.string())
          .describe("Networks that Cilium assigned to the node's pods: IPv4 ones, then IPv6 ones"),
        agentPod: text("Pod of the Cilium agent on the node, in `kube-system`"),
      }),
    )
    .describe("Nodes of the cluster, the control plane first"),
  cilium: z
    .object({
      version: text("Version without v"),
      tunnel: z.enum(TUNNELS).describe("Encapsulation of pod traffic between nodes"),
      kubeProxyReplacement: z
        .union([z.boolean(), z.enum(["partial", "probe"])])
        .describe("Whether Cilium replaces kube-proxy"),
      bpfMasquerade: z.boolean().describe("Whether pod traffic that leaves the cluster is masqueraded in BPF"),
      nativeRoutingCIDR: text("IPv4 network that pods reach without masquerading in native routing"),
      podCidr: text("IPv4 network of the pods"),
      ipv6: z
        .object({
          podCidr: text("IPv6 network of the pods"),
          nativeRoutingCIDR: text("IPv6 network that pods reach without masquerading in native routing"),
        })
        .optional()
        .describe("IPv6 networks; missing unless the cluster is dual-stack"),
    })
    .describe("Configuration of Cilium"),
  verification: z
    .object({
      verdict: z.enum(["pass", "fail", "off"]).describe("`pass`, `fail`, or `off` without a verification"),
      proof: z
        .enum(PROOFS)
        .optional()
        .describe(`Strength of the evidence: ${PROOFS.map((proof) => `\`${proof}\``).join(", ")}`),
      causes: z.array(z.string()).optional().describe("Root causes of a failure, one line each"),
      verifiedAt: z.string().optional().describe("Time of the verification, in ISO 8601"),
      revision: z.number().optional().describe("Verified revision of Cilium's Helm release"),
      counts: z.partialRecord(z.enum(VERDICTS), z.number()).describe("Number of checks by verdict"),
      seconds: z.number().describe("Duration in seconds"),
      checks: z.record(z.string(), z.string()).describe("Verdict and evidence by check"),
      nodes: z
        .object({
          looked: z.number().describe("Number of verified nodes"),
          all: z.number().describe("Number of nodes in the cluster"),
        })
        .optional()
        .describe("Numbers of nodes"),
    })
    .describe("The last verification of the cluster"),
  datapath: z
    .object({
      mode: z.enum(ALL_MODES).optional().describe("Mode by its name; missing if the cluster is in none"),
      nearest: z.enum(ALL_MODES).optional().describe("The most similar mode, if the cluster is in none"),
      differences: z.array(z.string()).describe("What separates the cluster from the most similar mode"),
      network: optional("`native`, `vxlan` or `geneve`"),
      services: optional("`Cilium`, or kube-proxy with its mode, such as `kube-proxy (iptables)`"),
      hostRouting: optional("`BPF` or `Legacy`"),
      masquerading: optional("`BPF`, `iptables` or `off`"),
      deviceMode: optional("Device of the pods: `veth` or `netkit`"),
      attachment: optional("Attachment of BPF programs to devices: `tcx` or `tc`"),
      socketLb: optional("Socket load balancer: `everywhere`, `host namespace` or `off`"),
      loadBalancer: optional("`snat`, `dsr` or `hybrid`; missing if Cilium serves no NodePorts"),
      mtu: optional("MTU of the pods in bytes, and the device's if it differs"),
      encryption: optional("`WireGuard`, `IPsec` or `off`"),
      deviations: z
        .array(
          z.object({
            title: text("Title of the row in `inspect`"),
            verdict: z.enum(DEVIATIONS).describe("`fallback`, `drift` or `contradiction`"),
            reason: text("Reason, with the observed value"),
            nodes: z.array(z.string()).describe("Nodes with this reason"),
          }),
        )
        .describe("Fallbacks, drift and contradictions"),
    })
    .optional()
    .describe("Datapath that the last verification found, as `inspect` shows it; missing without a verification"),
  nodePortUrls: z
    .array(z.string())
    .describe("URL of the test workload's NodePort on each node, by IPv4 and then, in a dual-stack cluster, by IPv6"),
  workload: z
    .object({
      namespace: text("Namespace of the workload"),
      daemonSet: text("DaemonSet of the servers"),
      service: text("NodePort Service of the servers"),
      clientPod: text("Pod that sends requests"),
    })
    .describe("Names of the test workload's objects"),
}) satisfies z.ZodType<StackOutputs>;

/**
 * Description of each output by its path, such as `nodes[].address`.
 * @internal
 */
export const OUTPUT_DESCRIPTIONS: Readonly<Record<string, string>> = Object.fromEntries(descriptionsOf(schema));

function descriptionsOf(object: z.ZodObject, above = ""): [string, string][] {
  return Object.entries(object.shape as Record<string, z.ZodType>).flatMap(([key, field]) => {
    const path = `${above}${key}`;
    const own: [string, string] = [path, field.description ?? ""];
    const inner = field instanceof z.ZodOptional ? field.unwrap() : field;
    if (inner instanceof z.ZodObject) return [own, ...descriptionsOf(inner, `${path}.`)];
    const element = inner instanceof z.ZodArray ? inner.element : undefined;
    return element instanceof z.ZodObject ? [own, ...descriptionsOf(element, `${path}[].`)] : [own];
  });
}

/** The exports of the program: each output of {@link StackOutputs}, plain or an output. */
export type StackExports = { [K in keyof StackOutputs]: pulumi.Input<StackOutputs[K]> };

type Node = StackOutputs["nodes"][number];

/** URLs of a NodePort, those with IPv4 addresses first: then older programs find a node's URL at the node's place. */
export function nodePortUrls(nodes: readonly Pick<Node, "address" | "ipv6Address">[], nodePort: number): string[] {
  return [
    ...nodes.map(({ address }) => `http://${address}:${nodePort}`),
    ...nodes.flatMap(({ ipv6Address }) => (ipv6Address === undefined ? [] : [`http://[${ipv6Address}]:${nodePort}`])),
  ];
}

/** Nodes of the cluster with what Cilium knows of them, in the cluster's order. */
export function joinNodes(
  clusterNodes: pulumi.Input<readonly Pick<Node, "name" | "role" | "address" | "ipv6Address">[]>,
  ciliumNodes: pulumi.Input<readonly NodeFacts[]>,
): pulumi.Output<Node[]> {
  return pulumi.all([clusterNodes, ciliumNodes]).apply(([nodes, known]) =>
    nodes.map((node) => {
      const facts = known.find(({ name }) => name === node.name);
      return { ...node, podCidrs: [...(facts?.podCidrs ?? [])], agentPod: facts?.agentPod ?? "" };
    }),
  );
}

/** Check outputs that came from elsewhere. @throws StackOutputsError naming every output that is missing or wrong. */
export function parseStackOutputs(stack: string, outputs: object): StackOutputs {
  const up = `pulumi up -s ${stack.split("/").pop()}`;
  if (Object.keys(outputs).length === 0) {
    throw new StackOutputsError(`Stack ${stack} has no outputs: it was destroyed, or never deployed; run: ${up}`);
  }
  const { schemaVersion: version, mode } = outputs as { readonly schemaVersion?: unknown; readonly mode?: unknown };
  if (version !== SCHEMA_VERSION && mode !== undefined) {
    throw new StackOutputsError(
      typeof version === "number" && version > SCHEMA_VERSION
        ? `Stack ${stack} has outputs of version ${version}, but this cilium-modes reads version ${SCHEMA_VERSION}; install a newer cilium-modes here`
        : `Stack ${stack} was deployed by an older, incompatible cilium-modes; run with the current one: ${up}`,
    );
  }
  const parsed = schema.safeParse(outputs, { error: outputRule });
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map((issue) => `  - ${issue.path.join(".")}: ${issue.message}`);
  throw new StackOutputsError(
    [`Stack ${stack} does not have the outputs of a cilium-modes stack; run: ${up}`, ...lines].join("\n"),
  );
}

/** The rule that an output breaks, without its value, which may be the kubeconfig. */
function outputRule(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.input === undefined) return "is missing";
  if (issue.code === "invalid_value") return `must be one of ${issue.values.join(", ")}`;
  return issue.code === "invalid_type" ? `must be of type ${issue.expected}` : undefined;
}
