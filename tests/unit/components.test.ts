import type { RoutingMode } from "../../modes/contract";
import { FACTS, inputsOf, NODES, run } from "./support/mocks";

/** A program of somebody's own, which says no more than it has to. */
const own = (mode: string) =>
  run(async () => {
    const { Cilium, KindCluster, NettoolWorkload, Verification } = await import("../../components");
    return async () => {
      const cluster = new KindCluster("cluster", { mode: mode as RoutingMode });
      const cilium = new Cilium("cilium", { cluster });
      const workload = new NettoolWorkload("nettool", { cluster, cilium });
      const verification = new Verification("verification", { cluster, cilium, workload });
      return { verification: verification.summary };
    };
  });

/** The same in a cluster that was there before. */
const ownInExisting = (mode: string) =>
  run(async () => {
    const { ExistingCluster } = await import("../../components");
    return async () => {
      const args = { mode: mode as RoutingMode, kubeconfig: "its text", facts: FACTS };
      const { clusterName, podCidr, nativeRoutingCIDR, nodes } = new ExistingCluster("cluster", args);
      return { clusterName, podCidr, nativeRoutingCIDR, nodes };
    };
  });

/** The stack of that mode, with all its defaults. */
const stack = (config: Record<string, string>) =>
  run(async () => {
    type Program = () => Promise<Record<string, never>>;
    return ((await import("../../index")) as unknown as { default: Program }).default;
  }, config);

describe("the components in a program of somebody's own", () => {
  it.each([
    ["kubeproxy", {}],
    ["ebpf", { kubeProxyReplacement: "true", "bpf.masquerade": "true" }],
  ])("make with their defaults what a stack in mode %s makes with its own", async (mode, config) => {
    const { registered, outputs } = await own(mode);
    const wanted = await stack(config);
    expect(registered.map(({ name }) => name).sort()).toEqual(wanted.registered.map(({ name }) => name).sort());
    for (const { name, inputs } of registered)
      expect([name, inputs]).toEqual([name, inputsOf(wanted.registered, name)]);
    expect(outputs["verification"]).toEqual(wanted.outputs["verification"]);
  });

  it("have the same defaults in a cluster that exists", async () => {
    const { outputs } = await ownInExisting("kubeproxy");
    expect(outputs).toEqual({
      clusterName: "cilium-modes-dev",
      podCidr: "10.0.0.0/16",
      nativeRoutingCIDR: "10.0.0.0/8",
      nodes: NODES,
    });
  });

  it.each([
    ["a new cluster", own],
    ["one that exists", ownInExisting],
  ])("refuse a word that is no mode before anything is made, for %s", async (_name, program) => {
    await expect(program("epbf")).rejects.toThrow(
      'cluster: mode must be one of kubeproxy, replacement, ebpf, partial, probe, probe-ebpf, got "epbf"',
    );
  });
});
