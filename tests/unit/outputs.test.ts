import * as pulumi from "@pulumi/pulumi";
import { joinNodes, parseStackOutputs } from "../../outputs";
import { OUTPUTS } from "../support/outputs";

const STACK = "organization/cilium-modes/ebpf";
const HEADLINE = `Stack ${STACK} does not have the outputs of a cilium-modes stack; run: pulumi up -s ebpf`;

/** What a user of these outputs is told. */
function messageFor(outputs: object): string {
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

  it("are read without the parts of the verification that older versions did not have", () => {
    const { verdict, counts, seconds, checks } = OUTPUTS.verification;
    const old = { ...OUTPUTS, verification: { verdict, counts, seconds, checks } };
    expect(parseStackOutputs(STACK, old)).toEqual(old);
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

  it("of a stack that is destroyed are told as such", () => {
    expect(messageFor({})).toBe(
      `Stack ${STACK} has no outputs: it was destroyed, or never brought up; run: pulumi up -s ebpf`,
    );
  });

  it("of another version are refused by it", () => {
    const { schemaVersion, ...old } = OUTPUTS;
    expect(messageFor(old)).toBe(
      `Stack ${STACK} was brought up by a cilium-modes that is too old for this one; run with this one: pulumi up -s ebpf`,
    );
    expect(messageFor({ ...OUTPUTS, schemaVersion: schemaVersion + 1 })).toBe(
      `Stack ${STACK} has outputs of version 2, and this cilium-modes reads version 1; install a newer one here`,
    );
  });

  it("may have more fields than are known, which a later version adds", () => {
    expect(parseStackOutputs(STACK, { ...OUTPUTS, later: true })).toEqual(OUTPUTS);
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
