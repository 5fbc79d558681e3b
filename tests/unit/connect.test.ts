import { inspect } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { checkExpectation, type Expected } from "../../connect";
import { StackOutputsError, type StackOutputs } from "../../outputs";
import { OUTPUTS } from "../support/outputs";

const STACK = "organization/cilium-modes/ebpf";

/** The problems that an expectation reports. */
function problemsOf(outputs: StackOutputs, expected: Expected): string[] {
  try {
    checkExpectation(STACK, outputs, expected);
    return [];
  } catch (error) {
    expect(pulumi.RunError.isInstance(error)).toBe(true);
    const [headline, ...problems] = (error as Error).message.split("\n");
    expect(headline).toBe(`Stack ${STACK} is not as expected:`);
    return problems;
  }
}

const verified = (
  verdict: StackOutputs["verification"]["verdict"],
  proof?: StackOutputs["verification"]["proof"],
): StackOutputs => ({ ...OUTPUTS, verification: { ...OUTPUTS.verification, verdict, proof } });

describe("an expectation of a stack", () => {
  it.each<Expected>([{}, { mode: "ebpf" }, { mode: ["replacement", "ebpf"], verified: true }])(
    "accepts a stack in mode ebpf that is verified: %j",
    (expected) => {
      expect(problemsOf(OUTPUTS, expected)).toEqual([]);
    },
  );

  it("ignores a failed verification unless verified is true", () => {
    expect(problemsOf(verified("fail"), { mode: "ebpf" })).toEqual([]);
  });

  it("accepts the outputs of older versions, which lack proof", () => {
    expect(problemsOf(verified("pass"), { verified: true })).toEqual([]);
  });

  it("refuses a verification that only reported the mode", () => {
    expect(problemsOf(verified("pass", "reported"), { verified: true })).toEqual([
      "  - its mode is not proven: the verification at 2026-11-26T05:40:00.000Z ended with proof: reported; see: npx cilium-modes verify ebpf",
    ]);
  });

  it("reports every mismatch together, each with its fix", () => {
    expect(problemsOf(verified("fail"), { mode: ["replacement", "kubeproxy"], verified: true })).toEqual([
      "  - its mode is ebpf, expected replacement or kubeproxy; refer to a stack in that mode",
      "  - its mode is not proven: the verification at 2026-11-26T05:40:00.000Z failed; see: npx cilium-modes verify ebpf",
    ]);
    expect(problemsOf(verified("off"), { verified: true })).toEqual([
      "  - its mode is not proven: the stack does not verify; run: pulumi config set verify strict -s ebpf, then pulumi up -s ebpf",
    ]);
  });
});

describe("an error of a stack's outputs", () => {
  it("keeps its message when Pulumi's SDK puts the name of an input in front", () => {
    const error = new StackOutputsError("Stack s is not as expected");
    error.message = `error serializing property "kubeconfig": ${error.message}`;
    expect(error.message).toBe("Stack s is not as expected");
    expect(pulumi.RunError.isInstance(error)).toBe(true);
  });

  it("is inspected as its message alone, whatever the SDK has hung on it", () => {
    const error = Object.assign(new StackOutputsError("Stack s is not as expected"), { promise: { secret: "k" } });
    expect(inspect(error)).toBe("Stack s is not as expected");
  });
});

describe("a connection", () => {
  const registered: { type: string; name: string; inputs: Record<string, unknown> }[] = [];

  async function connected() {
    jest.resetModules();
    const fresh = (await import("@pulumi/pulumi")) as typeof pulumi;
    registered.length = 0;
    await fresh.runtime.setMocks({
      newResource: ({ type, name, inputs }) => {
        registered.push({ type, name, inputs: inputs as Record<string, unknown> });
        const state = type === "pulumi:pulumi:StackReference" ? { ...inputs, outputs: OUTPUTS } : inputs;
        return { id: `${name}-id`, state: state as Record<string, unknown> };
      },
      call: () => ({}),
    });
    const { connect } = (await import("../../connect")) as typeof import("../../connect");
    return { fresh, connection: connect(STACK, { mode: "ebpf", verified: true }) };
  }

  it("has every output, and only the kubeconfig is secret", async () => {
    const { fresh, connection } = await connected();
    const { provider, ...outputs } = connection;
    expect(provider).toBeDefined();
    const values = await new Promise((resolve) => fresh.output(outputs).apply(resolve));
    expect(values).toEqual(OUTPUTS);
    for (const [key, output] of Object.entries(outputs)) {
      expect([key, await fresh.isSecret(output as pulumi.Output<unknown>)]).toEqual([key, key === "kubeconfig"]);
    }
  });

  it("has a provider that identifies the cluster by its id and drops resources of a deleted cluster", async () => {
    const { fresh, connection } = await connected();
    await new Promise((resolve) => fresh.output(connection.provider.urn).apply(resolve));
    expect(registered.find(({ type }) => type === "pulumi:providers:kubernetes")).toMatchObject({
      name: "organization-cilium-modes-ebpf-kubernetes",
      inputs: { clusterIdentifier: "5f4a", deleteUnreachable: "true" },
    });
  });
});
