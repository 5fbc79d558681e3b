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
  nodePortUrls: ["http://172.18.0.2:32000"],
  workload: { namespace: "default", daemonSet: "nettool", service: "serversvc", clientPod: "net" },
};

describe("a stack's outputs", () => {
  it("are read whole", () => {
    expect(parseStackOutputs("organization/cilium-modes/ebpf", OUTPUTS)).toEqual(OUTPUTS);
  });

  it("that are missing or wrong are each named, with the way to make them", () => {
    const wrong = {
      ...OUTPUTS,
      kubeconfig: undefined,
      mode: "other",
      nodes: [{ ...OUTPUTS.nodes[0], role: "master" }],
    };
    const read = () => parseStackOutputs("organization/cilium-modes/ebpf", wrong);
    expect(read).toThrow(
      /^Stack organization\/cilium-modes\/ebpf does not have the outputs of a cilium-modes stack; run: pulumi up -s ebpf\n/,
    );
    for (const key of ["mode", "kubeconfig", "nodes.0.role"]) expect(read).toThrow(`  - ${key}: `);
    try {
      read();
    } catch (error) {
      expect(pulumi.RunError.isInstance(error)).toBe(true);
    }
    expect.hasAssertions();
  });

  it("join what kind and what Cilium know of a node by its name, in kind's order", async () => {
    const joined = joinNodes(
      [
        { name: "a", role: "control-plane", address: "1" },
        { name: "b", role: "worker", address: "2" },
      ],
      [
        { name: "b", podCidrs: ["y"], agentPod: "pb" },
        { name: "a", podCidrs: ["x"], agentPod: "pa" },
      ],
    );
    expect(await new Promise((resolve) => joined.apply(resolve))).toEqual([
      { name: "a", role: "control-plane", address: "1", podCidrs: ["x"], agentPod: "pa" },
      { name: "b", role: "worker", address: "2", podCidrs: ["y"], agentPod: "pb" },
    ]);
  });
});
