import { verificationNotice } from "../../components/verification";
import type { RoutingMode } from "../../modes/contract";
import { OUTPUTS } from "../support/outputs";
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

describe("the notice on the verification", () => {
  const SUMMARY = OUTPUTS.verification;
  const VERIFIED = new Date("2026-11-26T05:40:00Z");
  const later = (minutes: number) => new Date(VERIFIED.getTime() + minutes * 60_000);
  const REMEDY = "To verify the running cluster: npx cilium-modes verify ebpf";
  const noticeOf = (summary: typeof SUMMARY, started: Date, now = started) =>
    verificationNotice(summary, { stack: "ebpf", started, now });

  it("says that this run verified when the verification is younger than the run", () => {
    expect(noticeOf(SUMMARY, later(-1), later(1))).toBe(
      "This run verified the cluster (2026-11-26 05:40 UTC, revision 1). Result: proven",
    );
    expect(noticeOf({ ...SUMMARY, verdict: "fail", proof: "not in force" }, later(-1))).toBe(
      "This run verified the cluster (2026-11-26 05:40 UTC, revision 1). Result: not in force",
    );
  });

  it.each([
    [0.2, "0 minutes ago"],
    [12, "12 minutes ago"],
    [150, "3 hours ago"],
    [3 * 24 * 60, "3 days ago"],
  ])("says %s minutes later that an earlier run verified, %s", (minutes, age) => {
    expect(noticeOf(SUMMARY, later(minutes))).toBe(
      `Nothing has changed since the last verification ${age} (2026-11-26 05:40 UTC, revision 1), so this run did not verify again. Result: proven. ${REMEDY}`,
    );
  });

  it("says that a stack with verify: off was not verified", () => {
    const off = { verdict: "off", proof: "off", counts: {}, seconds: 0, checks: {} } as const;
    expect(noticeOf(off, VERIFIED)).toBe(`This run did not verify the cluster (verify: off). ${REMEDY}`);
  });
});
