import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { VERDICTS } from "./datapath/checks/check";
import type { NodeFacts } from "./datapath/readiness";
import { ALL_MODES, TUNNELS } from "./modes/contract";

const node = z.object({
  name: z.string(),
  role: z.enum(["control-plane", "worker"]),
  /** IPv4 address in the nodes' Docker network. */
  address: z.string(),
  /** Networks that Cilium gave this node's pods. */
  podCidrs: z.array(z.string()),
  /** The Cilium agent's pod on this node, in `kube-system`. */
  agentPod: z.string(),
});

/** The outputs of a `cilium-modes` stack. */
export const StackOutputs = z.object({
  /** The routing mode that the stack's settings ask for. */
  mode: z.enum(ALL_MODES),
  clusterName: z.string(),
  /** For the API server as this machine reaches it. Secret. */
  kubeconfig: z.string(),
  /** API server as this machine reaches it. */
  apiEndpoint: z.string(),
  nodes: z.array(node),
  cilium: z.object({
    version: z.string(),
    tunnel: z.enum(TUNNELS),
    kubeProxyReplacement: z.union([z.boolean(), z.enum(["partial", "probe"])]),
    bpfMasquerade: z.boolean(),
    nativeRoutingCIDR: z.string(),
    podCidr: z.string(),
  }),
  /** What proved that the mode is in force. */
  verification: z.object({
    /** `off`: the settings turn verification off. */
    verdict: z.enum(["pass", "fail", "off"]),
    /** How many checks ended how. */
    counts: z.partialRecord(z.enum(VERDICTS), z.number()),
    seconds: z.number(),
    /** Each check's id to `<verdict>: <evidence>`, such as `pass: cluster: 15 keys as asked for`. */
    checks: z.record(z.string(), z.string()),
    /** How many nodes were looked at, of how many; missing where nothing was. */
    nodes: z.object({ looked: z.number(), all: z.number() }).optional(),
  }),
  /** The test workload's NodePort on each node; there when the verification has ended. */
  nodePortUrls: z.array(z.string()),
  workload: z.object({
    namespace: z.string(),
    daemonSet: z.string(),
    service: z.string(),
    clientPod: z.string(),
  }),
});
export type StackOutputs = z.infer<typeof StackOutputs>;

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

/** Check outputs that came from elsewhere. @throws pulumi.RunError naming every output that is missing or wrong. */
export function parseStackOutputs(stack: string, outputs: unknown): StackOutputs {
  const parsed = StackOutputs.safeParse(outputs, { error: outputRule });
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map((issue) => `  - ${issue.path.join(".")}: ${issue.message}`);
  throw new pulumi.RunError(
    [
      `Stack ${stack} does not have the outputs of a cilium-modes stack; run: pulumi up -s ${stack.split("/").pop()}`,
      ...lines,
    ].join("\n"),
  );
}

/** The rule that an output breaks; never with its value, which may be the kubeconfig. */
function outputRule(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.input === undefined) return "is missing";
  if (issue.code === "invalid_value") return `must be one of ${issue.values.join(", ")}`;
  return issue.code === "invalid_type" ? `must be of type ${issue.expected}` : undefined;
}

/**
 * The checked outputs of a `cilium-modes` stack, for the program of another stack. The kubeconfig makes the whole
 * secret; use {@link pulumi.unsecret} on the fields that are none.
 * @param stack name as StackReference takes it, such as `organization/cilium-modes/ebpf` with a file backend.
 */
export function readStackOutputs(stack: string, opts?: pulumi.CustomResourceOptions): pulumi.Output<StackOutputs> {
  const reference = new pulumi.StackReference(stack, {}, opts);
  return reference.outputs.apply((outputs) => parseStackOutputs(stack, outputs));
}
