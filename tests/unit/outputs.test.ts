import * as pulumi from "@pulumi/pulumi";
import { joinNodes, parseStackOutputs, type StackOutputs } from "../../outputs";

const OUTPUTS: StackOutputs = {
  mode: "ebpf",
  clusterName: "c1",
  kubeconfig: "k",
  apiEndpoint: "https://127.0.0.1:1",
  nodes: [
    {
      name: "c1-control-plane",
      role: "control-plane",
      address: "172.18.0.2",
      podCidrs: ["10.0.0.0/24"],
      agentPod: "cilium-a",
    },
  ],
  cilium: {
    version: "1.20.2",
    tunnel: "disabled",
    kubeProxyReplacement: true,
    bpfMasquerade: true,
    nativeRoutingCIDR: "10.0.0.0/8",
    podCidr: "10.0.0.0/16",
  },
  verification: {
    verdict: "pass",
    counts: { pass: 1 },
    seconds: 4.2,
    checks: { config: "pass: cluster: 12 keys as asked for" },
  },
  nodePortUrls: ["http://172.18.0.2:32000"],
  workload: { namespace: "nettool", daemonSet: "nettool", service: "serversvc", clientPod: "net" },
};

const STACK = "organization/cilium-modes/ebpf";
const HEADLINE = `Stack ${STACK} does not have the outputs of a cilium-modes stack; run: pulumi up -s ebpf`;

/** What a user of these outputs is told. */
function messageFor(outputs: unknown): string {
  try {
    parseStackOutputs(STACK, outputs);
  } catch (error) {
    expect(pulumi.RunError.isInstance(error)).toBe(true);
    return (error as Error).message;
  }
  throw new Error("the outputs were accepted");
}

describe("a stack's outputs", () => {
  it("are read whole", () => {
    expect(parseStackOutputs(STACK, OUTPUTS)).toEqual(OUTPUTS);
  });

  it("that are missing or wrong are each named, with the way to make them, and never with their value", () => {
    const wrong = {
      ...OUTPUTS,
      mode: "other",
      clusterName: undefined,
      kubeconfig: { token: "s3cret" },
      nodes: [{ ...OUTPUTS.nodes[0], role: "master" }],
      cilium: { ...OUTPUTS.cilium, bpfMasquerade: "true" },
    };
    expect(messageFor(wrong)).toBe(`${HEADLINE}
  - mode: must be one of kubeproxy, replacement, ebpf, partial, probe, probe-ebpf
  - clusterName: is missing
  - kubeconfig: must be of type string
  - nodes.0.role: must be one of control-plane, worker
  - cilium.bpfMasquerade: must be of type boolean`);
  });

  it("of a stack of another kind are all missing", () => {
    const missing = Object.keys(OUTPUTS).map((key) => `  - ${key}: is missing`);
    expect(messageFor({ vpcId: "vpc-1" })).toBe([HEADLINE, ...missing].join("\n"));
  });

  it("join what kind and what Cilium know of a node by its name, in kind's order", async () => {
    const joined = joinNodes(
      [
        { name: "a", role: "control-plane", address: "1" },
        { name: "b", role: "worker", address: "2" },
        { name: "c", role: "worker", address: "3" },
      ],
      [
        { name: "b", podCidrs: ["y"], agentPod: "pb" },
        { name: "a", podCidrs: ["x"], agentPod: "pa" },
      ],
    );
    expect(await new Promise((resolve) => joined.apply(resolve))).toEqual([
      { name: "a", role: "control-plane", address: "1", podCidrs: ["x"], agentPod: "pa" },
      { name: "b", role: "worker", address: "2", podCidrs: ["y"], agentPod: "pb" },
      { name: "c", role: "worker", address: "3", podCidrs: [], agentPod: "" },
    ]);
  });
});
