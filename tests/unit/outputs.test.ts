import * as pulumi from "@pulumi/pulumi";
import { joinNodes, nodePortUrls, parseStackOutputs } from "../../outputs";
import { OUTPUTS } from "../support/outputs";

const STACK = "organization/cilium-modes/ebpf";
const HEADLINE = `Stack ${STACK} does not have the outputs of a cilium-modes stack; run: pulumi up -s ebpf`;

/** The error that a user of these outputs gets. */
function messageFor(outputs: object): string {
  try {
    parseStackOutputs(STACK, outputs);
  } catch (error) {
    expect(pulumi.RunError.isInstance(error)).toBe(true);
    return (error as Error).message;
  }
  throw new Error("the outputs were accepted");
}

describe("parseStackOutputs", () => {
  it("returns all outputs", () => {
    expect(parseStackOutputs(STACK, OUTPUTS)).toEqual(OUTPUTS);
  });

  it("accepts a verification without the fields that older versions lack", () => {
    const { verdict, counts, seconds, checks } = OUTPUTS.verification;
    const old = { ...OUTPUTS, verification: { verdict, counts, seconds, checks } };
    expect(parseStackOutputs(STACK, old)).toEqual(old);
  });

  it("accepts outputs of older versions, which have no datapath", () => {
    const { datapath: _, ...old } = OUTPUTS;
    expect(parseStackOutputs(STACK, old)).toEqual(old);
  });

  it("names each missing or invalid output and the remedy, without its value", () => {
    const wrong = {
      ...OUTPUTS,
      mode: "other",
      clusterName: undefined,
      kubeconfig: { token: "s3cret" },
      nodes: [{ ...OUTPUTS.nodes[0], role: "master" }],
      cilium: { ...OUTPUTS.cilium, bpfMasquerade: "true" },
    };
    expect(messageFor(wrong)).toBe(`${HEADLINE}
  - mode: must be one of kubeproxy, replacement, ebpf, ebpf-legacy, partial, probe, probe-ebpf
  - clusterName: is missing
  - kubeconfig: must be of type string
  - nodes.0.role: must be one of control-plane, worker
  - cilium.bpfMasquerade: must be of type boolean`);
  });

  it("reports all outputs of another kind of stack as missing", () => {
    const missing = Object.keys(OUTPUTS)
      .filter((key) => key !== "datapath")
      .map((key) => `  - ${key}: is missing`);
    expect(messageFor({ vpcId: "vpc-1" })).toBe([HEADLINE, ...missing].join("\n"));
  });

  it("explains that a destroyed stack has no outputs", () => {
    expect(messageFor({})).toBe(
      `Stack ${STACK} has no outputs: it was destroyed, or never deployed; run: pulumi up -s ebpf`,
    );
  });

  it("rejects outputs of another version", () => {
    const { schemaVersion, ...old } = OUTPUTS;
    expect(messageFor(old)).toBe(
      `Stack ${STACK} was deployed by an older, incompatible cilium-modes; run with the current one: pulumi up -s ebpf`,
    );
    expect(messageFor({ ...OUTPUTS, schemaVersion: schemaVersion + 1 })).toBe(
      `Stack ${STACK} has outputs of version 2, but this cilium-modes reads version 1; install a newer cilium-modes here`,
    );
  });

  it("returns the second family of a dual-stack cluster", () => {
    const { nodes, cilium } = OUTPUTS;
    const dual = {
      ...OUTPUTS,
      nodes: nodes.map((node) => ({ ...node, ipv6Address: "fc00::2", podCidrs: [...node.podCidrs, "fd00:10::/64"] })),
      cilium: { ...cilium, ipv6: { podCidr: "fd00:10::/56", nativeRoutingCIDR: "fd00:10::/48" } },
    };
    expect(parseStackOutputs(STACK, dual)).toEqual(dual);
  });

  it("nodePortUrls has a node's IPv4 URL at its place, and URLs of IPv6 after all of them", () => {
    const nodes = [{ address: "172.18.0.2", ipv6Address: "fc00::2" }, { address: "172.18.0.3" }];
    expect(nodePortUrls(nodes, 32000)).toEqual([
      "http://172.18.0.2:32000",
      "http://172.18.0.3:32000",
      "http://[fc00::2]:32000",
    ]);
  });

  it("ignores unknown fields, which a newer version adds", () => {
    expect(parseStackOutputs(STACK, { ...OUTPUTS, later: true })).toEqual(OUTPUTS);
  });

  it("joinNodes joins the nodes of the cluster and of Cilium by name, in the cluster's order", async () => {
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
