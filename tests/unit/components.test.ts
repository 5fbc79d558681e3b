import { verificationNotice } from "../../components/verification";
import type { TargetCluster } from "../../components/targetCluster";
import type { RoutingMode } from "../../modes/contract";
import { OUTPUTS } from "../support/outputs";
import { FACTS, inputsOf, NODES, run } from "./support/mocks";

/** A program that sets only required arguments. */
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

/** A program with an external cluster. */
const ownInExisting = (mode: string) =>
  run(async () => {
    const { ExistingCluster } = await import("../../components");
    return async () => {
      const args = { mode: mode as RoutingMode, kubeconfig: "its text", facts: FACTS };
      const { clusterName, podCidr, nativeRoutingCIDR, nodes } = new ExistingCluster("cluster", args);
      return { clusterName, podCidr, nativeRoutingCIDR, nodes };
    };
  });

/** The project's own program with this configuration. */
const stack = (config: Record<string, string>) =>
  run(async () => {
    type Program = () => Promise<Record<string, never>>;
    return ((await import("../../index")) as unknown as { default: Program }).default;
  }, config);

describe("components in another program", () => {
  it.each([
    ["kubeproxy", {}],
    ["ebpf", { kubeProxyReplacement: "true", "bpf.masquerade": "true" }],
  ])("register with their defaults the resources of a stack in mode %s", async (mode, config) => {
    const { registered, outputs } = await own(mode);
    const wanted = await stack(config);
    // with the last, the stack's program asks the chart before it creates anything
    const names = [...registered.map(({ name }) => name), "cilium-chart"];
    expect(names.sort()).toEqual(wanted.registered.map(({ name }) => name).sort());
    for (const { name, inputs } of registered)
      expect([name, inputs]).toEqual([name, inputsOf(wanted.registered, name)]);
    expect(outputs["verification"]).toEqual(wanted.outputs["verification"]);
  });

  it.each([
    [{ ipFamily: "ipv6" }, 'cluster: ipFamily must be one of ipv4, dual, got "ipv6"'],
    [
      { podCidr: "10.0.0.0/16,fd00:10::/56" },
      'cluster: podCidr has an IPv6 network; set ipFamily: "dual", got "10.0.0.0/16,fd00:10::/56"',
    ],
    [
      { ipFamily: "dual", nativeRoutingCIDR: "fd00:10::/56" },
      "cluster: nativeRoutingCIDR must be an IPv4 network and an IPv6 network",
    ],
  ])("reject the families and networks %j of a kind cluster", async (args, message) => {
    const program = run(async () => {
      const { KindCluster } = await import("../../components");
      return async () => ({ name: new KindCluster("cluster", { mode: "ebpf", ...(args as object) }).clusterName });
    });
    await expect(program).rejects.toThrow(message);
  });

  it("give Services' networks of both families to kind, also where they are an output", async () => {
    const { registered } = await run(async () => {
      const { KindCluster } = await import("../../components");
      return async () => {
        const serviceCidr = Promise.resolve("10.97.0.0/16");
        const cluster = new KindCluster("cluster", { mode: "ebpf", ipFamily: "dual", serviceCidr });
        return { name: cluster.clusterName };
      };
    });
    expect(inputsOf(registered, "cluster-nodes")).toMatchObject({
      podCidr: "10.0.0.0/16,fd00:10::/56",
      serviceCidr: "10.97.0.0/16,fd00:10:96::/112",
    });
  });

  it("have the same defaults in an external cluster", async () => {
    const { outputs } = await ownInExisting("kubeproxy");
    expect(outputs).toEqual({
      clusterName: "cilium-modes-dev",
      podCidr: "10.0.0.0/16",
      nativeRoutingCIDR: "10.0.0.0/8",
      nodes: NODES,
    });
  });

  it.each([
    ["a kind cluster", own],
    ["an external cluster", ownInExisting],
  ])("reject an unknown mode before anything is created, for %s", async (_name, program) => {
    await expect(program("epbf")).rejects.toThrow(
      'cluster: mode must be one of kubeproxy, replacement, ebpf, ebpf-legacy, partial, probe, probe-ebpf, got "epbf"',
    );
  });
});

describe("arguments of components", () => {
  const inProgram = (program: (pulumi: typeof import("@pulumi/pulumi")) => Promise<Record<string, unknown>>) =>
    run(async () => {
      const pulumi = await import("@pulumi/pulumi");
      return async () => (await program(pulumi)) as Record<string, never>;
    });

  it("accept outputs of other resources", async () => {
    const { registered, called } = await inProgram(async ({ output }) => {
      const { Cilium, ExistingCluster, inspectCluster, KindCluster, NettoolWorkload } =
        await import("../../components");
      const mirrors = { "docker.io": { endpoints: ["http://mirror:5000"], insecure: false } };
      const cluster = new KindCluster("cluster", {
        mode: "kubeproxy",
        nodeImage: output("node:1"),
        serviceCidr: Promise.resolve("10.97.0.0/16"),
        registryMirrors: output(mirrors),
        dnsForward: output("auto" as const),
      });
      const cilium = new Cilium("cilium", { cluster, repository: output("https://charts.example") });
      const { names } = new NettoolWorkload("nettool", { cluster, cilium, image: output("tools:1") });
      const kubeconfig = output("a kubeconfig");
      const facts = await inspectCluster(kubeconfig);
      const { owner } = new ExistingCluster("external", { mode: "kubeproxy", kubeconfig, facts });
      return { names, owner };
    });
    expect(called.map(({ inputs }) => inputs["environment"])).toEqual([{ CILIUM_MODES_KUBECONFIG: "a kubeconfig" }]);
    expect(inputsOf(registered, "cluster-nodes")).toMatchObject({ nodeImage: "node:1", serviceCidr: "10.97.0.0/16" });
    // without kube-proxy's replacement, auto is the node's own resolver; mirrors of an output are secret
    expect(inputsOf(registered, "cluster-settings")).toMatchObject({
      dnsForward: "node",
      registryMirrors: { value: { "docker.io": { endpoints: ["http://mirror:5000"] } } },
    });
    expect(inputsOf(registered, "cilium-release")).toMatchObject({
      repositoryOpts: { repo: "https://charts.example" },
    });
    expect(inputsOf(registered, "nettool-node-images")).toMatchObject({ images: ["tools:1"] });
  });

  it("select the datapath beside the mode", async () => {
    const { registered } = await inProgram(async () => {
      const { Cilium, KindCluster } = await import("../../components");
      const cluster = new KindCluster("cluster", { mode: "ebpf" });
      new Cilium("cilium", { cluster, loadBalancer: { mode: "dsr" }, datapathMode: "veth" });
      return {};
    });
    expect(inputsOf(registered, "cilium-release")).toMatchObject({
      values: { loadBalancer: { mode: "dsr" }, bpf: { masquerade: true, datapathMode: "veth" } },
    });
    expect(inputsOf(registered, "cilium-installation")).toMatchObject({ datapathMode: "veth" });
  });

  it.each<[object, string]>([
    [{ loadBalancer: { mode: "drs" } }, 'cilium: loadBalancer.mode must be one of snat, dsr, hybrid, got "drs"'],
    [{ datapathMode: "macvlan" }, "cilium: datapathMode must be one of veth, netkit, netkit-l2, auto"],
    [{ loadBalancer: { mode: "dsr" } }, "cilium: loadBalancer.mode requires kubeProxyReplacement: true"],
  ])("reject a datapath that does not exist, or not in the mode: %j", async (choice, message) => {
    const program = inProgram(async () => {
      const { Cilium } = await import("../../components");
      const cluster = { mode: "kubeproxy", lifetime: undefined } as unknown as TargetCluster;
      new Cilium("cilium", { cluster, ...choice });
      return {};
    });
    await expect(program).rejects.toThrow(message);
  });

  it("reject a kubeconfig that is not known yet, since previews inspect the cluster", async () => {
    const program = inProgram(async ({ Output }) => {
      const { inspectCluster } = await import("../../components");
      const [resources, no] = [new Set<never>(), Promise.resolve(false)];
      type Unknown = new (...args: readonly unknown[]) => import("@pulumi/pulumi").Output<string>;
      const unknown = new (Output as unknown as Unknown)(
        resources,
        Promise.resolve(""),
        no,
        no,
        Promise.resolve(resources),
      );
      return { facts: await inspectCluster(unknown) };
    });
    await expect(program).rejects.toThrow("kubeconfig must be known in a preview");
  });
});

describe("verificationNotice", () => {
  const SUMMARY = OUTPUTS.verification;
  const VERIFIED = new Date("2026-11-26T05:40:00Z");
  const later = (minutes: number) => new Date(VERIFIED.getTime() + minutes * 60_000);
  const REMEDY = "To verify the running cluster: npx cilium-modes verify ebpf";
  const noticeOf = (summary: typeof SUMMARY, started: Date, now = started) =>
    verificationNotice(summary, { stack: "ebpf", started, now });

  it("says that this run verified the cluster if the verification is newer than the run", () => {
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
  ])("says %s minutes later that an earlier run verified the cluster, %s", (minutes, age) => {
    expect(noticeOf(SUMMARY, later(minutes))).toBe(
      `Nothing has changed since the last verification ${age} (2026-11-26 05:40 UTC, revision 1), so this run did not verify again. Result: proven. ${REMEDY}`,
    );
  });

  it("says that a stack with verify: off was not verified", () => {
    const off = { verdict: "off", proof: "off", counts: {}, seconds: 0, checks: {} } as const;
    expect(noticeOf(off, VERIFIED)).toBe(`This run did not verify the cluster (verify: off). ${REMEDY}`);
  });
});
