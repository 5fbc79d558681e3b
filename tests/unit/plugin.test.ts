import type * as pulumi from "@pulumi/pulumi";
import { argumentsOf, COMPONENT_NAMES, packageSchema, WITHOUT_ARGUMENT } from "../../plugin/schema";
import { settingPaths } from "../../settings/schemaPaths";
import { inputsOf, run } from "./support/mocks";

const token = (name: string) => `cilium-modes:index:${name}`;

const inOrderOf = (all: readonly string[]) => (a: string, b: string) => all.indexOf(a) - all.indexOf(b);

/** All references in a schema. */
function references(node: unknown): string[] {
  if (typeof node !== "object" || node === null) return [];
  return Object.entries(node).flatMap(([key, value]) => (key === "$ref" ? [value as string] : references(value)));
}

describe("the package for other languages", () => {
  it("has a schema without dangling references", () => {
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

  it("has an argument for every setting, or a reason why not", () => {
    const settings = COMPONENT_NAMES.flatMap((name) => Object.values(argumentsOf(name)).map(({ setting }) => setting));
    const isCovered = (path: string) => settings.some((setting) => `${path}.`.startsWith(`${setting}.`));
    const leaves = settingPaths().filter((path) => !settingPaths().some((other) => other.startsWith(`${path}.`)));
    expect(leaves.filter((path) => !isCovered(path))).toEqual(Object.keys(WITHOUT_ARGUMENT).sort(inOrderOf(leaves)));
  });

  it("describes every argument and every output", () => {
    const { resources, types } = packageSchema("1.2.3");
    const described = [...Object.values(resources), ...Object.values(types)] as {
      inputProperties?: Record<string, { description?: string }>;
      properties: Record<string, { description?: string }>;
    }[];
    for (const { inputProperties = {}, properties } of described) {
      for (const [name, { description }] of Object.entries({ ...inputProperties, ...properties })) {
        expect([name, description]).toEqual([name, expect.stringMatching(/\w/)]);
      }
    }
  });

  it("does not promise for values what only settings have", () => {
    const { values } = argumentsOf("Cilium");
    expect(values!.property).toMatchObject({ type: "object", plain: true });
    expect(values!.property["description"]).toMatch(/not checked\. A program reads values files itself/);
    expect(values!.property["description"]).not.toMatch(/dotted|`cilium\.values/);
  });

  it("requires no datapath of a verification, which has none with verify: off", () => {
    const { resources, types } = packageSchema("1.2.3") as unknown as Record<
      "resources" | "types",
      Record<string, { required: string[]; properties: object }>
    >;
    const { required, properties } = resources[token("Verification")]!;
    expect([required, Object.keys(properties)]).toEqual([["summary"], ["summary", "datapath"]]);
    expect(types[token("DatapathSummary")]!.required).toEqual(["differences", "deviations"]);
  });

  it("makes components that refer to each other, with the same resources as a program's own", async () => {
    const { registered, outputs } = await run(async () => {
      const { componentProvider } = await import("../../plugin/provider");
      return async () => {
        const provider = componentProvider("1.2.3");
        const make = async (name: string, type: string, inputs: pulumi.Inputs) => {
          const { urn, state } = await provider.construct!(name, token(type), inputs, {});
          const known = await new Promise<string>((resolve) => (urn as pulumi.Output<string>).apply(resolve));
          return { urn: known, state: state as Record<string, pulumi.Input<unknown>> };
        };
        const { output } = await import("@pulumi/pulumi");
        const cluster = await make("cluster", "KindCluster", {
          mode: "ebpf",
          workers: 1,
          nodeImage: output("node:1"),
          portMappings: output([{ containerPort: 80, hostPort: 8080 }]),
          dnsForward: "node",
        });
        const cilium = await make("cilium", "Cilium", { cluster: cluster.urn, tunnel: "vxlan" });
        const workload = await make("nettool", "NettoolWorkload", { cluster: cluster.urn, cilium: cilium.urn });
        const parts = { cluster: cluster.urn, cilium: cilium.urn, workload: workload.urn };
        const { state } = await make("verification", "Verification", parts);
        return { ...cluster.state, ...state };
      };
    });
    expect(inputsOf(registered, "cluster-nodes")).toMatchObject({
      workers: 1,
      kubeProxyMode: "none",
      nodeImage: "node:1",
      portMappings: [
        { node: "control-plane", containerPort: 80, hostPort: 8080, listenAddress: "127.0.0.1", protocol: "TCP" },
      ],
    });
    expect(inputsOf(registered, "cluster-settings")).toMatchObject({ dnsForward: "node" });
    expect(inputsOf(registered, "cilium-release")).toMatchObject({
      values: { tunnelProtocol: "vxlan", bpf: { masquerade: true } },
    });
    expect(outputs).toMatchObject({
      clusterIdentifier: "cluster-nodes-id",
      kubeconfig: "kubeconfig of c",
      summary: { verdict: "pass" },
      datapath: { mode: "ebpf" },
    });
  });

  it("rejects an unknown component", async () => {
    const other = run(async () => {
      const { componentProvider } = await import("../../plugin/provider");
      return async () => ({ made: (await componentProvider("1").construct!("x", token("Other"), {}, {})).urn });
    });
    await expect(other).rejects.toThrow(
      "cilium-modes has no component cilium-modes:index:Other; it has cilium-modes:index:KindCluster",
    );
  });
});
