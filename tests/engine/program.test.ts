import { describeIf, engineMissing, TestProject } from "../support/project";

interface PreviewStep {
  op: string;
  urn: string;
  newState?: {
    type: string;
    deletedWith?: string;
    additionalSecretOutputs?: string[];
    parent?: string;
    inputs?: Record<string, unknown>;
  };
}

// a busy machine takes a minute for two previews
jest.setTimeout(180_000);

const nameOf = (urn: string) => urn.split("::").pop()!;

describeIf(engineMissing(), "the program under the real engine", () => {
  let project: TestProject;
  beforeAll(async () => {
    project = new TestProject();
    for (const stack of ["ebpf", "replacement", "kubeproxy"]) {
      project.configure(stack, { "cilium.chart": "./tests/engine/chart", "nettool.image": "nettool:test" });
      await project.succeed("stack", "init", stack);
    }
  });
  afterAll(() => project.remove());

  const preview = (stack: string) => project.json<{ steps: PreviewStep[] }>("preview", "--json", "-s", stack).steps;
  const previews = new Map<string, PreviewStep[]>();
  /** The preview of a stack whose settings were not changed yet. */
  const first = (stack: string) => {
    if (!previews.has(stack)) previews.set(stack, preview(stack));
    return previews.get(stack)!;
  };

  it.each([
    { stack: "ebpf", kubeProxyMode: "none", kubeProxyReplacement: "true", masquerade: true },
    { stack: "replacement", kubeProxyMode: "none", kubeProxyReplacement: "true", masquerade: false },
    { stack: "kubeproxy", kubeProxyMode: "iptables", kubeProxyReplacement: "false", masquerade: false },
  ])("previews $stack before any cluster exists", ({ stack, kubeProxyMode, kubeProxyReplacement, masquerade }) => {
    const steps = first(stack);
    expect(steps.map(({ op }) => op)).toEqual(steps.map(() => "create"));
    const inputs = (name: string) => steps.find(({ urn }) => nameOf(urn) === name)!.newState!.inputs!;
    expect(inputs("cluster-nodes")).toMatchObject({ name: `cilium-modes-${stack}`, kubeProxyMode, workers: 2 });
    expect(inputs("cilium-release")).toMatchObject({
      name: "cilium",
      namespace: "kube-system",
      values: { kubeProxyReplacement, bpf: { masquerade } },
    });
    expect(inputs("nettool-service")).toMatchObject({
      metadata: { name: "serversvc" },
      spec: {
        type: "NodePort",
        ports: [
          { port: 80, nodePort: 32000 },
          { protocol: "UDP", port: 80, nodePort: 32000 },
        ],
      },
    });
  });

  it("gives every resource in the cluster deletedWith the cluster, so that destroy needs no API server", () => {
    const steps = first("ebpf");
    const inCluster = steps.filter(({ newState }) =>
      /^(kubernetes:|command:|kind:index:(Node|Cilium|Mark|Workload))/.test(newState!.type),
    );
    expect(inCluster.map(({ urn }) => nameOf(urn)).sort()).toEqual([
      "cilium-installation",
      "cilium-mark",
      "cilium-ready",
      "cilium-release",
      "cluster-settings",
      "nettool-client",
      "nettool-ground",
      "nettool-mark",
      "nettool-namespace",
      "nettool-node-images",
      "nettool-ready",
      "nettool-server",
      "nettool-service",
      "nettool-service-account",
      "verification-checks",
    ]);
    for (const { urn, newState } of inCluster)
      expect([nameOf(urn), nameOf(newState!.deletedWith ?? "")]).toEqual([nameOf(urn), "cluster-nodes"]);
  });

  it("keeps the kubeconfig secret from its origin on", () => {
    const cluster = first("ebpf").find(({ urn }) => nameOf(urn) === "cluster-nodes")!;
    expect(cluster.newState!.additionalSecretOutputs).toEqual(["kubeconfig"]);
  });

  it("puts every resource into its component", () => {
    const parents = Object.fromEntries(
      first("ebpf").map(({ urn, newState }) => [nameOf(urn), nameOf(newState!.parent ?? "")]),
    );
    expect(parents).toMatchObject({
      "cluster-mark": "cluster",
      "cluster-nodes": "cluster",
      "cluster-kubernetes": "cluster",
      "cilium-release": "cilium",
      "nettool-server": "nettool",
      "verification-checks": "verification",
    });
  });

  it("tells five mistakes in one message with five lines, without a stack trace, and creates nothing", async () => {
    await project.succeed("stack", "init", "mistakes");
    project.configure("mistakes", {
      tunel: "disabled",
      kubeProxyReplacement: "maybe",
      "bpf.masquerade": "yes",
      cluster: { workers: 99, podCidr: "10.0.0.1/16" },
    });
    const { code, output } = await project.pulumi("up", "--yes", "-s", "mistakes");
    expect(code).not.toBe(0);
    const diagnostics = output.slice(output.indexOf("Diagnostics:"));
    const lines = diagnostics
      .split("\n")
      .filter((line) => /^\s+- /.test(line))
      .map((line) => line.trim());
    expect(lines).toHaveLength(5);
    for (const key of ["tunel", "kubeProxyReplacement", "bpf.masquerade", "cluster.workers", "cluster.podCidr"]) {
      expect(lines.filter((line) => line.startsWith(`- ${key}:`))).toHaveLength(1);
    }
    expect(lines.find((line) => line.startsWith("- tunel:"))).toContain('did you mean "tunnel"?');
    expect(output).not.toMatch(/\n\s+at .*\.ts/);
    expect(
      project.json<{ deployment: { resources?: unknown[] } }>("stack", "export", "-s", "mistakes").deployment
        .resources ?? [],
    ).toHaveLength(0);
  });

  it("warns in a preview of Helm values that the chart ignores, and refuses those that it refuses, without a cluster", async () => {
    await project.succeed("stack", "init", "values");
    const chart = { "cilium.chart": "./tests/engine/chart", "nettool.image": "nettool:test" };
    project.configure("values", { ...chart, "cilium.values": { monitorAggregation: "none" } });
    expect(await project.succeed("preview", "-s", "values")).toMatch(
      /The configuration of stack values has warnings:\s+- cilium\.values\.monitorAggregation: is ignored by the chart of Cilium 1\.20\.2; use bpf\.monitorAggregation/,
    );
    await project.succeed("config", "set", "cilium.values.tunnel", "disabled", "-s", "values");
    const { code, output } = await project.pulumi("preview", "-s", "values");
    expect(code).not.toBe(0);
    expect(output).toMatch(
      /- cilium\.values\.tunnel: is rejected by the chart of Cilium 1\.20\.2; use the setting tunnel/,
    );
  });

  it("tells the chart's own refusal in a preview, in which no cluster is created", async () => {
    await project.succeed("stack", "init", "refused");
    const chart = { "cilium.chart": "./tests/engine/chart", "nettool.image": "nettool:test" };
    project.configure("refused", { ...chart, "cilium.values": { refused: true } });
    const { code, output } = await project.pulumi("preview", "-s", "refused");
    expect(code).not.toBe(0);
    expect(output).toMatch(
      /- cilium\.values\.refused: the chart of Cilium 1\.20\.2 refuses it: refused must not be set \(cilium\/templates\/validate\.yaml:2\)/,
    );
    expect(output).not.toMatch(/cluster-nodes/);
  });

  it("previews the articles' Cilium with the values of its time", async () => {
    await project.succeed("stack", "init", "article");
    const chart = { "cilium.chart": "./tests/engine/chart", "nettool.image": "nettool:test" };
    project.configure("article", { ...chart, release: "1.13", kubeProxyReplacement: "strict" });
    const steps = preview("article");
    const inputs = (name: string) => steps.find(({ urn }) => nameOf(urn) === name)!.newState!.inputs!;
    expect(inputs("cluster-nodes")["nodeImage"]).toMatch(/^kindest\/node:v1\.23\.4@sha256:/);
    const { values } = inputs("cilium-release") as { values: Record<string, unknown> };
    expect(values).toMatchObject({ kubeProxyReplacement: "strict", tunnel: "disabled" });
    expect(values).not.toHaveProperty("routingMode");
  });

  it("shows a changed kubeProxyReplacement in kind's kube-proxy mode and in the resolver", async () => {
    await project.succeed("config", "set", "bpf.masquerade", "false", "-s", "ebpf");
    await project.succeed("config", "set", "kubeProxyReplacement", "false", "-s", "ebpf");
    const steps = preview("ebpf");
    const step = (name: string) => steps.find(({ urn }) => nameOf(urn) === name)!;
    expect(step("cluster-nodes").op).toBe("create");
    expect(step("cluster-nodes").newState!.inputs).toMatchObject({ kubeProxyMode: "iptables" });
    // kube-proxy's mode uses Docker's resolver
    expect(step("cluster-settings").newState!.inputs).toMatchObject({ dnsForward: "node" });
  });
});
