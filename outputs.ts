import { inspect } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { PROOFS, VERDICTS, type NodeFacts, type VerificationSummary } from "./datapath/facts";
import { ALL_MODES, TUNNELS, type KubeProxyReplacement, type RoutingMode, type Tunnel } from "./modes/contract";

/**
 * The version of the outputs' shape. A field that is added leaves it; one that is taken away, or means something else,
 * makes the next.
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
    Object.defineProperty(this, "message", { get: () => message, set: () => undefined });
  }

  /** The message alone. */
  [inspect.custom](): string {
    return this.message;
  }
}

/** The outputs of a `cilium-modes` stack. */
export interface StackOutputs {
  /** Of these outputs: {@link SCHEMA_VERSION}. */
  readonly schemaVersion: typeof SCHEMA_VERSION;
  /** The routing mode that the stack's settings ask for. */
  readonly mode: RoutingMode;
  /** Name of the kind cluster, and Cilium's name of the cluster. */
  readonly clusterName: string;
  /** The cluster's own id: another whenever it was made again, for `clusterIdentifier` of a Kubernetes provider. */
  readonly clusterIdentifier: string;
  /** For the API server as this machine reaches it. Secret. */
  readonly kubeconfig: string;
  /** API server as this machine reaches it. */
  readonly apiEndpoint: string;
  /** The cluster's nodes, the control plane first. */
  readonly nodes: readonly {
    /** Its name in Kubernetes. */
    readonly name: string;
    /** What it is for; kind's control plane runs pods too. */
    readonly role: "control-plane" | "worker";
    /** IPv4 address in the nodes' network. */
    readonly address: string;
    /** Networks that Cilium gave this node's pods. */
    readonly podCidrs: readonly string[];
    /** The Cilium agent's pod on this node, in `kube-system`. */
    readonly agentPod: string;
  }[];
  /** How Cilium was installed. */
  readonly cilium: {
    /** Without v. */
    readonly version: string;
    /** How pod traffic crosses nodes. */
    readonly tunnel: Tunnel;
    /** Whether Cilium stands in for kube-proxy. */
    readonly kubeProxyReplacement: KubeProxyReplacement;
    /** Whether pod traffic that leaves the cluster is masqueraded in BPF. */
    readonly bpfMasquerade: boolean;
    /** IPv4 network that pods reach without masquerading, in native routing. */
    readonly nativeRoutingCIDR: string;
    /** IPv4 network where Cilium takes the nodes' /24 from. */
    readonly podCidr: string;
  };
  /** The last verification of the cluster: its evidence, and when it was made. */
  readonly verification: VerificationSummary;
  /** The test workload's NodePort on each node; there when the verification has ended. */
  readonly nodePortUrls: readonly string[];
  /** The test workload's names in the cluster. */
  readonly workload: {
    /** Of its own. */
    readonly namespace: string;
    /** The server on every node. */
    readonly daemonSet: string;
    /** Of type NodePort, before the servers. */
    readonly service: string;
    /** The pod that asks. */
    readonly clientPod: string;
  };
}

const text = z.string();
const schema: z.ZodType<StackOutputs> = z.object({
  schemaVersion: z.literal(SCHEMA_VERSION),
  mode: z.enum(ALL_MODES),
  clusterName: text,
  clusterIdentifier: text,
  kubeconfig: text,
  apiEndpoint: text,
  nodes: z.array(
    z.object({
      name: text,
      role: z.enum(["control-plane", "worker"]),
      address: text,
      podCidrs: z.array(text),
      agentPod: text,
    }),
  ),
  cilium: z.object({
    version: text,
    tunnel: z.enum(TUNNELS),
    kubeProxyReplacement: z.union([z.boolean(), z.enum(["partial", "probe"])]),
    bpfMasquerade: z.boolean(),
    nativeRoutingCIDR: text,
    podCidr: text,
  }),
  verification: z.object({
    verdict: z.enum(["pass", "fail", "off"]),
    proof: z.enum(PROOFS).optional(),
    causes: z.array(text).optional(),
    verifiedAt: text.optional(),
    revision: z.number().optional(),
    counts: z.partialRecord(z.enum(VERDICTS), z.number()),
    seconds: z.number(),
    checks: z.record(text, text),
    nodes: z.object({ looked: z.number(), all: z.number() }).optional(),
  }),
  nodePortUrls: z.array(text),
  workload: z.object({ namespace: text, daemonSet: text, service: text, clientPod: text }),
});

/** What the program exports: each output of {@link StackOutputs}, plain or to come. */
export type StackExports = { [K in keyof StackOutputs]: pulumi.Input<StackOutputs[K]> };

type Node = StackOutputs["nodes"][number];

/** What kind and what Cilium know of the same nodes, as one list in kind's order. */
export function joinNodes(
  kindNodes: pulumi.Input<readonly Pick<Node, "name" | "role" | "address">[]>,
  ciliumNodes: pulumi.Input<readonly NodeFacts[]>,
): pulumi.Output<Node[]> {
  return pulumi.all([kindNodes, ciliumNodes]).apply(([nodes, known]) =>
    nodes.map((node) => {
      const seen = known.find(({ name }) => name === node.name);
      return { ...node, podCidrs: [...(seen?.podCidrs ?? [])], agentPod: seen?.agentPod ?? "" };
    }),
  );
}

/** Check outputs that came from elsewhere. @throws StackOutputsError naming every output that is missing or wrong. */
export function parseStackOutputs(stack: string, outputs: object): StackOutputs {
  const up = `pulumi up -s ${stack.split("/").pop()}`;
  if (Object.keys(outputs).length === 0) {
    throw new StackOutputsError(`Stack ${stack} has no outputs: it was destroyed, or never brought up; run: ${up}`);
  }
  const { schemaVersion: version, mode } = outputs as { readonly schemaVersion?: unknown; readonly mode?: unknown };
  if (version !== SCHEMA_VERSION && mode !== undefined) {
    throw new StackOutputsError(
      typeof version === "number" && version > SCHEMA_VERSION
        ? `Stack ${stack} has outputs of version ${version}, and this cilium-modes reads version ${SCHEMA_VERSION}; install a newer one here`
        : `Stack ${stack} was brought up by a cilium-modes that is too old for this one; run with this one: ${up}`,
    );
  }
  const parsed = schema.safeParse(outputs, { error: outputRule });
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map((issue) => `  - ${issue.path.join(".")}: ${issue.message}`);
  throw new StackOutputsError(
    [`Stack ${stack} does not have the outputs of a cilium-modes stack; run: ${up}`, ...lines].join("\n"),
  );
}

/** The rule that an output breaks; never with its value, which may be the kubeconfig. */
function outputRule(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.input === undefined) return "is missing";
  if (issue.code === "invalid_value") return `must be one of ${issue.values.join(", ")}`;
  return issue.code === "invalid_type" ? `must be of type ${issue.expected}` : undefined;
}
