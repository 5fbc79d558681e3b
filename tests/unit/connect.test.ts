import * as pulumi from "@pulumi/pulumi";
import { checkExpectation, type Expected } from "../../connect";
import type { StackOutputs } from "../../outputs";
import { OUTPUTS } from "../support/outputs";

const STACK = "organization/cilium-modes/ebpf";

/** What a program is told that expects this. */
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
  proof: StackOutputs["verification"]["proof"] = undefined,
): StackOutputs => ({ ...OUTPUTS, verification: { ...OUTPUTS.verification, verdict, proof } });

describe("what a program expects of a stack", () => {
  it.each<Expected>([{}, { mode: "ebpf" }, { mode: ["replacement", "ebpf"], verified: true }])(
    "%j is met",
    (expected) => {
      expect(problemsOf(OUTPUTS, expected)).toEqual([]);
    },
  );

  it("is nothing of the verification unless it says so", () => {
    expect(problemsOf(verified("fail"), { mode: "ebpf" })).toEqual([]);
  });

  it("is met by outputs of versions that did not say how strong the evidence is", () => {
    expect(problemsOf(verified("pass"), { verified: true })).toEqual([]);
  });

  it("is not met by a verification that only has what agents report", () => {
    expect(problemsOf(verified("pass", "reported"), { verified: true })).toEqual([
      "  - its mode is not proved in force: the verification at 2026-11-26T05:40:00.000Z found no more than: reported; see: npx cilium-modes verify ebpf",
    ]);
  });

  it("is told with everything that is not so, and what to do", () => {
    expect(problemsOf(verified("fail"), { mode: ["replacement", "kubeproxy"], verified: true })).toEqual([
      "  - its mode is ebpf, and replacement or kubeproxy is expected; refer to a stack in that mode",
      "  - its mode is not proved in force: the verification at 2026-11-26T05:40:00.000Z failed; see: npx cilium-modes verify ebpf",
    ]);
    expect(problemsOf(verified("off"), { verified: true })).toEqual([
      "  - its mode is not proved in force: it does not verify; run: pulumi config set verify strict -s ebpf, then pulumi up -s ebpf",
    ]);
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

  it("has all outputs, of which the kubeconfig alone is secret", async () => {
    const { fresh, connection } = await connected();
    const { provider, ...outputs } = connection;
    expect(provider).toBeDefined();
    const values = await new Promise((resolve) => fresh.output(outputs).apply(resolve));
    expect(values).toEqual(OUTPUTS);
    for (const [key, output] of Object.entries(outputs)) {
      expect([key, await fresh.isSecret(output as pulumi.Output<unknown>)]).toEqual([key, key === "kubeconfig"]);
    }
  });

  it("has a provider that knows the cluster by its own id, and takes what went with the cluster for deleted", async () => {
    const { fresh, connection } = await connected();
    await new Promise((resolve) => fresh.output(connection.provider.urn).apply(resolve));
    expect(registered.find(({ type }) => type === "pulumi:providers:kubernetes")).toMatchObject({
      name: "organization-cilium-modes-ebpf-kubernetes",
      inputs: { clusterIdentifier: "5f4a", deleteUnreachable: "true" },
    });
  });
});
