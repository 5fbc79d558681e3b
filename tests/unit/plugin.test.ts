import type * as pulumi from "@pulumi/pulumi";
import { packageSchema } from "../../plugin/schema";
import { inputsOf, run } from "./support/mocks";

const token = (name: string) => `cilium-modes:index:${name}`;

/** Every reference in a schema. */
function references(node: unknown): string[] {
  if (typeof node !== "object" || node === null) return [];
  return Object.entries(node).flatMap(([key, value]) => (key === "$ref" ? [value as string] : references(value)));
}

describe("the components' package for other languages", () => {
  it("has a schema that refers to nothing that is not there", () => {
    const schema = packageSchema("1.2.3");
    expect(schema).toMatchObject({ name: "cilium-modes", version: "1.2.3" });
    const known = [
      ...Object.keys(schema.types).map((name) => `#/types/${name}`),
      ...Object.keys(schema.resources).map((name) => `#/resources/${name}`),
      "pulumi.json#/Any",
    ];
    for (const reference of references(schema)) expect(known).toContain(reference);
    expect(Object.keys(schema.resources)).toEqual(
      ["KindCluster", "Cilium", "NettoolWorkload", "Verification"].map(token),
    );
  });

  it("makes components that refer to one another, with the same resources as a program's own", async () => {
    const { registered, outputs } = await run(async () => {
      const { componentProvider } = await import("../../plugin/provider");
      return async () => {
        const provider = componentProvider("1.2.3");
        const make = async (name: string, type: string, inputs: pulumi.Inputs) => {
          const { urn, state } = await provider.construct!(name, token(type), inputs, {});
          const known = await new Promise<string>((resolve) => (urn as pulumi.Output<string>).apply(resolve));
          return { urn: known, state: state as Record<string, pulumi.Input<unknown>> };
        };
        const cluster = await make("cluster", "KindCluster", { mode: "ebpf", workers: 1 });
        const cilium = await make("cilium", "Cilium", { cluster: cluster.urn, tunnel: "vxlan" });
        const workload = await make("nettool", "NettoolWorkload", { cluster: cluster.urn, cilium: cilium.urn });
        const parts = { cluster: cluster.urn, cilium: cilium.urn, workload: workload.urn };
        const { state } = await make("verification", "Verification", parts);
        return { ...cluster.state, ...state };
      };
    });
    expect(inputsOf(registered, "cluster-nodes")).toMatchObject({ workers: 1, kubeProxyMode: "none" });
    expect(inputsOf(registered, "cilium-release")).toMatchObject({
      values: { tunnelProtocol: "vxlan", bpf: { masquerade: true } },
    });
    expect(outputs).toMatchObject({
      clusterIdentifier: "cluster-nodes-id",
      kubeconfig: "kubeconfig of c",
      summary: { verdict: "pass" },
    });
  });

  it("makes nothing else", async () => {
    const other = run(async () => {
      const { componentProvider } = await import("../../plugin/provider");
      return async () => ({ made: (await componentProvider("1").construct!("x", token("Other"), {}, {})).urn });
    });
    await expect(other).rejects.toThrow(
      "cilium-modes has no component cilium-modes:index:Other; it has cilium-modes:index:KindCluster",
    );
  });
});
