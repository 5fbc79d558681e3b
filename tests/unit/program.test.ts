import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { inspect } from "node:util";
import type * as pulumi from "@pulumi/pulumi";
import type { ClusterFacts } from "../../datapath/facts";
import { DATAPATH, FACTS, inputsOf, NODES, READY, run, SUMMARY, type Registered } from "./support/mocks";
import { CERTIFICATE } from "./support/selfSigned";

type Program = () => Promise<Record<string, pulumi.Input<unknown>>>;

/** Run the whole program. */
const runProgram = (
  config: Readonly<Record<string, string>>,
  facts: ClusterFacts | { readonly problem: string } = FACTS,
  template?: Parameters<typeof run>[3],
  isPreview?: boolean,
) => {
  const load = async () => ((await import("../../index")) as unknown as { default: Program }).default;
  return run(load, config, facts, template, isPreview);
};

/** A provider's error, as the SDK reads it. */
const ofProvider = (details: string) => Object.assign(new Error(details), { details });

/** Helm's answer where a chart refuses the values. */
const refused = () => {
  throw ofProvider("execution error at (cilium/templates/validate.yaml:61:7): set .Values.hubble.relay.enabled=true");
};

/** Helm's answer where a chart cannot be had. */
const noChart = () => {
  throw ofProvider("failed to generate YAML for specified Helm chart: failed to pull chart: no route to host");
};

const MODES: Record<string, Record<string, string>> = {
  kubeproxy: { kubeProxyReplacement: "false" },
  replacement: { kubeProxyReplacement: "true" },
  ebpf: { kubeProxyReplacement: "true", "bpf.masquerade": "true" },
};

describe("the program", () => {
  it.each(Object.keys(MODES))("registers exactly these resources in mode %s", async (mode) => {
    const { registered } = await runProgram(MODES[mode]!);
    expect(registered.map(({ type, name }) => `${type} ${name}`).sort()).toEqual([
      "cilium-modes:index:Cilium cilium",
      "cilium-modes:index:KindCluster cluster",
      "cilium-modes:index:NettoolWorkload nettool",
      "cilium-modes:index:Verification verification",
      "command:local:Command verification-checks",
      "docker:index/image:Image nettool-image",
      "kind:index:CiliumInstallation cilium-installation",
      "kind:index:CiliumReadiness cilium-ready",
      "kind:index:Cluster cluster-nodes",
      "kind:index:Mark cilium-mark",
      "kind:index:Mark nettool-mark",
      "kind:index:NodeImages nettool-node-images",
      "kind:index:NodeSettings cluster-settings",
      "kind:index:StackMark cluster-mark",
      "kind:index:WorkloadGround nettool-ground",
      "kind:index:WorkloadReadiness nettool-ready",
      "kubernetes:apps/v1:DaemonSet nettool-server",
      "kubernetes:core/v1:Namespace nettool-namespace",
      "kubernetes:core/v1:Pod nettool-client",
      "kubernetes:core/v1:Service nettool-service",
      "kubernetes:core/v1:ServiceAccount nettool-service-account",
      "kubernetes:helm.sh/v3:Release cilium-release",
      "pulumi:providers:kubernetes cilium-chart",
      "pulumi:providers:kubernetes cluster-kubernetes",
    ]);
  });

  it("asks the chart whether it takes the values, without a cluster", async () => {
    const { called, registered } = await runProgram({
      cilium: JSON.stringify({ chart: "./images/nettool", values: { debug: { enabled: false } } }),
    });
    expect(inputsOf(registered, "cilium-chart")).toEqual({ kubeconfig: "none" });
    const { inputs } = called.find(({ token }) => token === "kubernetes:helm:template")!;
    expect(JSON.parse(inputs["jsonOpts"] as string)).toMatchObject({
      chart: "nettool",
      path: expect.stringMatching(/\/images$/) as string,
      release_name: "cilium",
      namespace: "kube-system",
      kube_version: "1.34.0",
      values: { debug: { enabled: false } },
    });
  });

  it("loads the images that the chart renders", async () => {
    const spec = { template: { spec: { containers: [{ image: "relay:v1" }] } } };
    const { registered } = await runProgram({ cilium: JSON.stringify({ images: { load: true } }) }, FACTS, () => ({
      result: [{ apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "relay" }, spec }],
    }));
    expect(inputsOf(registered, "cluster-nodes")).toMatchObject({ images: ["relay:v1"] });
    expect(inputsOf(registered, "cilium-images")).toMatchObject({ images: ["relay:v1"] });
  });

  it("asks for processor time for the servers of its own cluster", async () => {
    const { registered } = await runProgram({});
    expect(inputsOf(registered, "nettool-server")).toMatchObject({
      spec: { template: { spec: { containers: [{ resources: { requests: { cpu: "50m" } } }] } } },
    });
  });

  it.each([
    [
      "the chart's refusal",
      { "cilium.values.hubble": '{"ui":{"enabled":true}}' },
      refused,
      "  - cilium.values.hubble.ui.enabled: the chart of Cilium 1.20.2 refuses it: set .Values.hubble.relay.enabled=true (cilium/templates/validate.yaml:61)",
    ],
    [
      "what the chart renders against the mode",
      { "cilium.values.eni": '{"enabled":true}' },
      () => ({ result: [{ kind: "ConfigMap", metadata: { name: "cilium-config" }, data: { ipam: "eni" } }] }),
      'ipam is "eni" instead of "cluster-pool"',
    ],
  ])("ends with %s before a cluster is created", async (_what, config, template, message) => {
    const run = runProgram({ kubeProxyReplacement: "true", "bpf.masquerade": "true", ...config }, FACTS, template);
    await expect(run).rejects.toThrow(message);
    await expect(run).rejects.toThrow("The configuration of stack dev has 1 problem; nothing was changed:");
  });

  it.each([
    ["goes on in a preview while the chart is asked, as far as the cluster's nodes", true, ["cluster", "cluster-mark"]],
    ["creates nothing in an update before the chart has answered", false, []],
  ])("%s", async (_what, isPreview, meanwhile) => {
    let registeredThen: readonly string[] = [];
    const refusing = async (registered: readonly Registered[]) => {
      await setTimeout(200);
      registeredThen = registered.map(({ name }) => name).filter((name) => name !== "cilium-chart");
      return refused();
    };
    await expect(runProgram({}, FACTS, refusing, isPreview)).rejects.toThrow("the chart of Cilium 1.20.2 refuses it");
    expect([...registeredThen].sort()).toEqual(meanwhile);
  });

  it("tells what the chart refuses beside what is wrong with the settings", async () => {
    const config = { "cilium.values.hubble": '{"ui":{"enabled":true}}', "cilium.autoDirectNodeRoutes": "true" };
    const run = runProgram({ ...config, tunnel: "vxlan" }, FACTS, refused);
    await expect(run).rejects.toThrow(/2 problems.*autoDirectNodeRoutes.*hubble\.ui\.enabled/s);
    // a chart that renders them is no problem, and one that does not exist is not the point
    await expect(runProgram({ ...config, tunnel: "vxlan" })).rejects.toThrow("has 1 problem;");
    await expect(runProgram({ ...config, tunnel: "vxlan", "cilium.chart": "../none.tgz" })).rejects.toThrow(
      "autoDirectNodeRoutes",
    );
  });

  it("asks the chart for the release's Kubernetes where a node image's name does not tell it", async () => {
    const { called } = await runProgram({ release: "1.17", "cluster.nodeImage": "registry.example/node:mine" });
    const { inputs } = called.find(({ token }) => token === "kubernetes:helm:template")!;
    expect(JSON.parse(inputs["jsonOpts"] as string)).toMatchObject({
      kube_version: expect.stringMatching(/^1\.\d+\.\d+$/) as string,
    });
  });

  it("goes on where the chart cannot be had, which the release will tell", async () => {
    const { registered } = await runProgram({}, FACTS, noChart);
    expect(inputsOf(registered, "cilium-release")).toBeDefined();
  });

  it.each([
    ["kubeproxy", "iptables", "node", "false", false],
    ["replacement", "none", "auto", "true", false],
    ["ebpf", "none", "auto", "true", true],
  ])(
    "configures kind and Cilium for mode %s",
    async (mode, kubeProxyMode, dnsForward, kubeProxyReplacement, masquerade) => {
      const { registered, outputs } = await runProgram(MODES[mode]!);
      expect(inputsOf(registered, "cluster-nodes")).toMatchObject({
        name: "cilium-modes-dev",
        kubeProxyMode,
        workers: 2,
        owner: "cilium-modes/dev/cluster-mark-id",
      });
      expect(inputsOf(registered, "cluster-settings")).toMatchObject({
        dnsForward,
        clusterInstance: "cluster-nodes-id",
      });
      expect(inputsOf(registered, "cilium-release")).toMatchObject({
        name: "cilium",
        namespace: "kube-system",
        chart: "cilium",
        version: "1.20.2",
        repositoryOpts: { repo: "https://helm.cilium.io" },
        values: {
          kubeProxyReplacement,
          bpf: { masquerade },
          routingMode: "native",
          k8sServiceHost: "cilium-modes-dev-control-plane",
          rollOutCiliumPods: true,
        },
      });
      expect(outputs["mode"]).toBe(mode);
    },
  );

  it("configures kind and the verification for kube-proxy's nftables, and nothing else", async () => {
    const { registered } = await runProgram({ "kubeProxy.mode": "nftables" });
    const plain = await runProgram({});
    expect(inputsOf(registered, "cluster-nodes")).toEqual({
      ...inputsOf(plain.registered, "cluster-nodes"),
      kubeProxyMode: "nftables",
    });
    const values = ({ registered: all }: typeof plain) => inputsOf(all, "cilium-release")!["values"];
    expect(values({ ...plain, registered })).toEqual(values(plain));
    const promised = ({ registered: all }: typeof plain) => {
      const { environment } = inputsOf(all, "verification-checks") as { environment: Record<string, string> };
      return JSON.parse(environment["CILIUM_MODES_EXPECTATION"]!) as { evidence: { kubeProxy: object } };
    };
    const { kubeProxy } = promised(plain).evidence;
    expect(kubeProxy).toEqual({ pods: "every node", chains: "present" });
    expect(promised({ ...plain, registered }).evidence.kubeProxy).toEqual({ ...kubeProxy, mode: "nftables" });
  });

  it.each([
    [{}, false],
    [{ authorization: "Basic eA==" }, true],
  ])("configures a mirror with %j, as a secret: %s", async (fields, isSecret) => {
    const mirrors = { "docker.io": { endpoints: [{ url: "http://mirror.example:5000", ...fields }] } };
    const { registered } = await runProgram({ "cluster.registryMirrors": JSON.stringify(mirrors) });
    const text = JSON.stringify(inputsOf(registered, "cluster-settings")!["registryMirrors"]);
    expect(text).toContain("http://mirror.example:5000");
    expect(text.includes("1b47061264138c4ac30d75fd1eb44270")).toBe(isSecret);
  });

  it("gives nodes the content of a mirror's PEM file, and names the setting of one that cannot be read", async () => {
    const run = (ca: string) =>
      runProgram({
        "cluster.registryMirrors": JSON.stringify({ "docker.io": { endpoints: [{ url: "https://m.example", ca }] } }),
      });
    const folder = mkdtempSync(join(tmpdir(), "cilium-modes-test-"));
    const file = join(folder, "ca.crt");
    writeFileSync(file, CERTIFICATE);
    const { registered } = await run(file);
    expect(inputsOf(registered, "cluster-settings")!["registryMirrors"]).toMatchObject({
      "docker.io": { endpoints: [{ ca: CERTIFICATE }] },
    });
    rmSync(folder, { recursive: true });
    await expect(run(file)).rejects.toThrow(
      `  - cluster.registryMirrors.docker.io.endpoints.0.ca: ${file} does not exist`,
    );
  });

  it("exports the nodes, the NodePort's URLs, the kubeconfig, the verification and its datapath", async () => {
    const { outputs } = await runProgram({ ...MODES["ebpf"], "nettool.nodePort": "31000" });
    expect(outputs).toEqual({
      schemaVersion: 1,
      mode: "ebpf",
      clusterName: "cilium-modes-dev",
      clusterIdentifier: "cluster-nodes-id",
      kubeconfig: "kubeconfig of c",
      apiEndpoint: "https://127.0.0.1:6443",
      nodes: NODES.map((node, index) => ({ ...node, ...READY.nodes[index] })),
      cilium: {
        version: "1.20.2",
        tunnel: "disabled",
        kubeProxyReplacement: true,
        bpfMasquerade: true,
        nativeRoutingCIDR: "10.0.0.0/8",
        podCidr: "10.0.0.0/16",
      },
      verification: SUMMARY,
      datapath: DATAPATH,
      nodePortUrls: ["http://172.18.0.2:31000", "http://172.18.0.3:31000"],
      workload: {
        namespace: "nettool",
        daemonSet: "nettool",
        service: "serversvc",
        clientPod: "net",
      },
    });
  });

  it("gives kind, Cilium and the workload both families, and exports them, with cluster.ipFamily dual", async () => {
    const { registered, outputs } = await runProgram({ ...MODES["ebpf"], "cluster.ipFamily": "dual" });
    expect(inputsOf(registered, "cluster-nodes")).toMatchObject({
      ipFamily: "dual",
      podCidr: "10.0.0.0/16,fd00:10::/56",
      serviceCidr: "10.96.0.0/16,fd00:10:96::/112",
    });
    expect(inputsOf(registered, "cluster-settings")).toMatchObject({ nativeRoutingCIDR: "10.0.0.0/8,fd00:10::/56" });
    expect(inputsOf(registered, "cilium-release")).toMatchObject({ values: { ipv6: { enabled: true } } });
    expect(inputsOf(registered, "cilium-ready")).toMatchObject({ isDual: true });
    expect(inputsOf(registered, "nettool-service")).toMatchObject({ spec: { ipFamilyPolicy: "PreferDualStack" } });
    expect(outputs["cilium"]).toMatchObject({
      podCidr: "10.0.0.0/16",
      ipv6: { podCidr: "fd00:10::/56", nativeRoutingCIDR: "fd00:10::/56" },
    });
  });

  it("says nothing of IPv6 with cluster.ipFamily ipv4", async () => {
    const { registered, outputs } = await runProgram({ ...MODES["ebpf"], "cluster.ipFamily": "ipv4" });
    // the verification's expectation has the keys of IPv6 that must be off
    const others = registered.filter(({ name }) => name !== "verification-checks");
    expect(JSON.stringify([others, outputs])).not.toMatch(/ipv6|ipFamil|isDual|DualStack/i);
  });

  it("runs a privileged server on every node behind a NodePort, and one client", async () => {
    const { registered } = await runProgram({ "nettool.nodePort": "31000" });
    const image = (inputsOf(registered, "nettool-image") as { imageName: string }).imageName;
    expect(image).toMatch(/^cilium-modes\/nettool:[0-9a-f]{12}$/);
    const container = { image, imagePullPolicy: "IfNotPresent", securityContext: { privileged: true } };
    expect(inputsOf(registered, "nettool-server")).toMatchObject({
      spec: { template: { metadata: { labels: { app: "nettool" } }, spec: { containers: [container] } } },
    });
    expect(inputsOf(registered, "nettool-client")).toMatchObject({
      metadata: { name: "net" },
      spec: { containers: [container] },
    });
    expect(inputsOf(registered, "nettool-service")).toMatchObject({
      metadata: { name: "serversvc" },
      spec: {
        type: "NodePort",
        selector: { app: "nettool" },
        ports: [
          { port: 80, targetPort: 80, nodePort: 31000 },
          { protocol: "UDP", port: 80, targetPort: 80, nodePort: 31000 },
        ],
      },
    });
    expect(inputsOf(registered, "nettool-node-images")).toMatchObject({ images: [image] });
  });

  it("gives the pods a ServiceAccount of their own, since the default one may come after them, and no token", async () => {
    const { registered } = await runProgram({});
    const identity = { serviceAccountName: "nettool", automountServiceAccountToken: false };
    expect(inputsOf(registered, "nettool-service-account")).toMatchObject({
      metadata: { name: "nettool", namespace: "nettool" },
      automountServiceAccountToken: false,
    });
    expect(inputsOf(registered, "nettool-client")).toMatchObject({ spec: identity });
    expect(inputsOf(registered, "nettool-server")).toMatchObject({ spec: { template: { spec: identity } } });
  });

  it("names the built image by a hash of its base and context", async () => {
    const nameWith = async (baseImage: string) =>
      (
        inputsOf((await runProgram({ "nettool.baseImage": baseImage })).registered, "nettool-image") as {
          imageName: string;
        }
      ).imageName;
    const [first, again, other] = [
      await nameWith("debian:12-slim"),
      await nameWith("debian:12-slim"),
      await nameWith("ubuntu:24.04"),
    ];
    expect(again).toBe(first);
    expect(other).not.toBe(first);
  });

  it("passes settings to kind, Cilium, the commands and the outputs", async () => {
    const { registered, outputs } = await runProgram(
      {
        ...MODES["replacement"],
        "cluster.workers": "1",
        "cluster.nodeImage": "node:1",
        "cilium.values.l7Proxy": "false",
        "cilium.images.load": "true",
      },
      FACTS,
      noChart,
    );
    expect(inputsOf(registered, "cluster-nodes")).toMatchObject({ nodeImage: "node:1", workers: 1 });
    expect(inputsOf(registered, "cilium-ready")).toMatchObject({ nodeCount: 2 });
    expect(inputsOf(registered, "cilium-release")).toMatchObject({ values: { l7Proxy: false } });
    expect(inputsOf(registered, "cilium-images")).toMatchObject({
      clusterInstance: "cluster-nodes-id",
      // l7Proxy false: no Envoy
      images: ["quay.io/cilium/cilium:v1.20.2", "quay.io/cilium/operator-generic:v1.20.2"],
    });
    expect(outputs["cilium"]).toMatchObject({ kubeProxyReplacement: true, bpfMasquerade: false });
  });

  it("does not build an existing image, and loads it only with nettool.loadImage", async () => {
    const loaded = await runProgram({ "nettool.image": "tools:1" });
    expect(inputsOf(loaded.registered, "nettool-image")).toBeUndefined();
    expect(inputsOf(loaded.registered, "nettool-node-images")).toMatchObject({ images: ["tools:1"] });
    const pulled = await runProgram({ nettool: '{"image":"tools:1","loadImage":false}' });
    expect(inputsOf(pulled.registered, "nettool-node-images")).toBeUndefined();
  });

  it("configures the Kubernetes provider with the cluster's kubeconfig and id", async () => {
    const { registered } = await runProgram({});
    expect(inputsOf(registered, "cluster-kubernetes")).toMatchObject({
      kubeconfig: "kubeconfig of c",
      clusterIdentifier: "cluster-nodes-id",
      deleteUnreachable: "true",
    });
  });

  it("passes inputs to the commands in the environment, with what makes them run again", async () => {
    const { registered } = await runProgram({ "nettool.image": "tools:1" });
    const commandOf = (name: string) =>
      inputsOf(registered, name) as { create: string; update: string; environment: Record<string, string> };
    expect(inputsOf(registered, "cilium-ready")).toMatchObject({
      kubeconfig: "kubeconfig of c",
      nodeCount: 3,
      timeoutSeconds: 600,
      cause: "cluster-nodes-id restarts 0 revision 1",
    });
    expect(inputsOf(registered, "nettool-ready")).toMatchObject({
      ...{ namespace: "nettool", daemonSets: ["nettool"], pods: ["net"], timeoutSeconds: 600 },
      // pods that are created again or change are waited for again
      cause: "cluster-nodes-id restarts 0 image tools:1 pods nettool-server-uid/1 nettool-client-uid/1",
    });
    const verification = commandOf("verification-checks");
    expect([verification.create, verification.update]).toEqual(Array(2).fill("node cli/cilium-modes.mjs verify-stack"));
    const { CILIUM_MODES_EXPECTATION: expectation, ...rest } = verification.environment;
    expect(JSON.parse(expectation!)).toMatchObject({
      nodeCount: 3,
      nodePort: 32000,
      ciliumConfig: { "kube-proxy-replacement": "false", "cluster-name": "cilium-modes-dev" },
      evidence: { kubeProxy: { pods: "every node" } },
    });
    expect(rest).toEqual({
      CILIUM_MODES_KUBECONFIG: "kubeconfig of c",
      CILIUM_MODES_CLUSTER: "cilium-modes-dev",
      CILIUM_MODES_VERIFY: "strict",
      CILIUM_MODES_SETTLE_SECONDS: "60",
      CILIUM_MODES_MAX_NODES: "20",
      CILIUM_MODES_NODES_ARE: "containers",
      CILIUM_MODES_REVISION: "1",
      CILIUM_MODES_CAUSE: "cluster-nodes-id restarts 0 image tools:1",
    });
  });

  it("changes an input of the verification in every run only with verifyWhen: always", async () => {
    const runOf = async (verifyWhen: string) => {
      const { registered } = await runProgram({ verifyWhen });
      const { environment } = inputsOf(registered, "verification-checks") as { environment: Record<string, string> };
      return environment["CILIUM_MODES_RUN"];
    };
    const first = await runOf("always");
    // another run is another process
    jest.resetModules();
    const second = await runOf("always");
    expect(new Date(first!).getTime()).toBeLessThan(new Date(second!).getTime());
    expect(await runOf("changed")).toBeUndefined();
  });

  it("logs that an earlier run verified the cluster if this one did not", async () => {
    const { logged } = await runProgram({});
    expect(logged).toEqual([
      expect.stringMatching(
        /^Nothing has changed since the last verification .+ \(2026-11-26 05:40 UTC, revision 1\), so this run did not verify again\. Result: proven\. To verify the running cluster: npx cilium-modes verify dev$/,
      ),
    ]);
  });

  it.each(["off", "false"])("does not verify with verify: %s, and says so in its output", async (verify) => {
    const { registered, outputs, logged } = await runProgram({ verify });
    expect(registered.map(({ name }) => name)).not.toContain("verification-checks");
    const nothing = { causes: [], counts: {}, seconds: 0, checks: {} };
    expect(outputs["verification"]).toEqual({ verdict: "off", proof: "off", ...nothing });
    expect(outputs["datapath"]).toBeUndefined();
    expect(logged).toEqual([
      "This run did not verify the cluster (verify: off). To verify the running cluster: npx cilium-modes verify dev",
    ]);
  });

  it.each([
    ["oci://r.example/cilium", { chart: "oci://r.example/cilium", version: "1.20.2", repositoryOpts: undefined }],
    ["cilium", { chart: "cilium", version: "1.20.2", repositoryOpts: { repo: "https://charts.example" } }],
    ["./images/nettool", { chart: "./images/nettool", version: undefined, repositoryOpts: undefined }],
  ])("reads the chart %s from its source", async (chart, source) => {
    const { registered } = await runProgram({
      cilium: JSON.stringify({ chart, repository: "https://charts.example" }),
    });
    const release = inputsOf(registered, "cilium-release")!;
    const { version, repositoryOpts } = release;
    expect({ chart: release["chart"], version, repositoryOpts }).toEqual(source);
  });

  it("rejects a chart's path that does not exist, before anything is created", async () => {
    const run = runProgram({ "cilium.chart": "../charts/none.tgz" });
    await expect(run).rejects.toThrow("cilium: chart ../charts/none.tgz does not exist; nothing was changed");
  });

  it.each([
    ["a setting", { "bpf.masquerade": "maybe" }],
    ["a chart's path", { "cilium.chart": "../charts/none.tgz" }],
  ])("ends because of %s with a message alone, which Pulumi formats at once", async (_what, config) => {
    const error = await runProgram(config).catch((thrown: Error) => thrown);
    expect(inspect(error, { colors: true })).toBe((error as Error).message);
  });

  it("installs a chart from a path, and loads Cilium's images into the nodes", async () => {
    const { registered } = await runProgram(
      {
        cilium:
          '{"chart":"./images/nettool","images":{"load":true,"agent":{"repository":"a/cilium"},"operator":{"tag":"t"}}}',
      },
      FACTS,
      noChart,
    );
    const release = inputsOf(registered, "cilium-release")!;
    expect([release["chart"], release["version"], release["repositoryOpts"]]).toEqual([
      "./images/nettool",
      undefined,
      undefined,
    ]);
    expect(inputsOf(registered, "cilium-images")).toMatchObject({
      images: [
        "a/cilium:v1.20.2",
        "quay.io/cilium/operator-generic:t",
        expect.stringMatching(/^quay\.io\/cilium\/cilium-envoy:v1\.37\.6-[\w-]+$/),
      ],
    });
  });

  it("identifies its Cilium by the release's description and an ownership record", async () => {
    const { registered } = await runProgram(MODES["ebpf"]!);
    const owner = "cilium-modes/dev/cluster-mark-id";
    expect(inputsOf(registered, "cilium-release")).toMatchObject({ description: `${owner}, repairs 0`, replace: true });
    expect(inputsOf(registered, "cilium-mark")).toMatchObject({ name: "cilium-modes", owner, generation: "0" });
    expect(inputsOf(registered, "cilium-installation")).toMatchObject({
      owner,
      version: "1.20.2",
      adopt: false,
      clusterInstance: "cluster-nodes-id",
    });
    const { config } = inputsOf(registered, "cilium-mark") as { config: string };
    expect(JSON.parse(config)).toMatchObject({ "enable-bpf-masquerade": "true" });
  });
});

describe("the program for an external cluster", () => {
  const KUBECONFIG = JSON.stringify({
    "current-context": "c",
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    clusters: [{ name: "c", cluster: { server: "https://192.0.2.1:6443" } }],
    users: [{ name: "u", user: { token: "t" } }],
  });
  const existing = { "cluster.kubeconfig": KUBECONFIG, "nettool.image": "registry.example/tools:1" };

  it("registers no resources of kind, and pods to reach the nodes", async () => {
    const { registered, called, outputs } = await runProgram(existing);
    expect(called.map(({ token }) => token)).toEqual(["command:local:run", "kubernetes:helm:template"]);
    expect(registered.map(({ type, name }) => `${type} ${name}`).sort()).toEqual([
      "cilium-modes:index:Cilium cilium",
      "cilium-modes:index:ExistingCluster cluster",
      "cilium-modes:index:NettoolWorkload nettool",
      "cilium-modes:index:Verification verification",
      "command:local:Command verification-checks",
      "kind:index:CiliumInstallation cilium-installation",
      "kind:index:CiliumReadiness cilium-ready",
      "kind:index:Mark cilium-mark",
      "kind:index:Mark nettool-mark",
      "kind:index:StackMark cluster-mark",
      "kind:index:WorkloadGround nettool-ground",
      "kind:index:WorkloadReadiness nettool-ready",
      "kubernetes:apps/v1:DaemonSet nettool-node",
      "kubernetes:apps/v1:DaemonSet nettool-server",
      "kubernetes:core/v1:Namespace nettool-namespace",
      "kubernetes:core/v1:Pod nettool-client",
      "kubernetes:core/v1:Service nettool-service",
      "kubernetes:core/v1:ServiceAccount nettool-service-account",
      "kubernetes:helm.sh/v3:Release cilium-release",
      "pulumi:providers:kubernetes cluster-kubernetes",
    ]);
    expect(inputsOf(registered, "cilium-release")).toMatchObject({
      values: { k8sServiceHost: "172.18.0.2", k8sServicePort: 6443, operator: { replicas: 2 } },
    });
    expect(inputsOf(registered, "cluster-kubernetes")).toMatchObject({ clusterIdentifier: "5f4a" });
    expect(inputsOf(registered, "cluster-kubernetes")).not.toHaveProperty("deleteUnreachable");
    // secret as a whole, by the kubeconfig in it
    const environmentOf = (name: string) =>
      (inputsOf(registered, name) as { environment: { value: Record<string, string> } }).environment.value;
    expect(inputsOf(registered, "cilium-ready")).toMatchObject({ nodeCount: 2 });
    expect(inputsOf(registered, "nettool-ready")).toMatchObject({
      daemonSets: ["nettool", "nettool-node"],
      cause: expect.stringMatching(/ nettool-node-uid\/1$/),
    });
    const environment = environmentOf("verification-checks");
    expect(environment["CILIUM_MODES_NODES_ARE"]).toBe("others");
    expect(JSON.parse(environment["CILIUM_MODES_EXPECTATION"]!)).toMatchObject({
      nodeCount: 2,
      evidence: { nodeRoutes: "via the other node" },
    });
    expect(inputsOf(registered, "nettool-node")).toMatchObject({
      spec: { template: { spec: { hostPID: true, hostNetwork: true } } },
    });
    expect(outputs).toMatchObject({ apiEndpoint: "https://192.0.2.1:6443", nodes: NODES });
  });

  it("lets agents use another address of the API server, such as Talos' own", async () => {
    const config = { ...existing, "cilium.values": '{"k8sServiceHost":"localhost","k8sServicePort":7445}' };
    const { registered } = await runProgram(config);
    expect(inputsOf(registered, "cilium-release")).toMatchObject({
      values: { k8sServiceHost: "localhost", k8sServicePort: 7445 },
    });
  });

  const DEFAULT_POOL = {
    ipam: "cluster-pool",
    podCidr: "10.0.0.0/8",
    podCidrMaskSize: 24,
    nodePodCidrs: ["10.0.0.0/24", "10.0.1.0/24"],
  };
  const GIVEN = NODES.map((node, index) => ({ ...node, podCidrs: [`10.244.${index}.0/24`] })) as ClusterFacts["nodes"];

  it.each<[string, Record<string, string>, Partial<ClusterFacts>, object, object]>([
    [
      "the chart's default pool, which contains the services",
      {},
      { serviceCidr: "10.96.0.0/12", cilium: DEFAULT_POOL },
      { operator: { clusterPoolIPv4PodCIDRList: ["10.0.0.0/8"], clusterPoolIPv4MaskSize: 24 } },
      { "cluster-pool-ipv4-cidr": "10.0.0.0/8", "cluster-pool-ipv4-mask-size": "24" },
    ],
    [
      "the same pool, as it is set",
      { "cluster.podCidr": "10.0.0.0/8" },
      { cilium: DEFAULT_POOL },
      { operator: { clusterPoolIPv4PodCIDRList: ["10.0.0.0/8"], clusterPoolIPv4MaskSize: 24 } },
      { "cluster-pool-ipv4-cidr": "10.0.0.0/8" },
    ],
    [
      "two pools and another size of their parts",
      {},
      { cilium: { ...DEFAULT_POOL, podCidr: "10.1.0.0/16 10.2.0.0/16", podCidrMaskSize: 26 } },
      { operator: { clusterPoolIPv4PodCIDRList: ["10.1.0.0/16", "10.2.0.0/16"], clusterPoolIPv4MaskSize: 26 } },
      { "cluster-pool-ipv4-cidr": "10.1.0.0/16 10.2.0.0/16", "cluster-pool-ipv4-mask-size": "26" },
    ],
    [
      "the networks that Kubernetes gave its nodes",
      {},
      { nodes: GIVEN, cilium: { ipam: "kubernetes", nodePodCidrs: ["10.244.0.0/24", "10.244.1.0/24"] } },
      { mode: "kubernetes" },
      { ipam: "kubernetes", "cluster-pool-ipv4-cidr": null },
    ],
    [
      "IPv6 addresses where Helm values say so",
      { "cilium.values": '{"ipv6":{"enabled":true}}' },
      { cilium: { ...DEFAULT_POOL, hasIpv6: true } },
      { operator: { clusterPoolIPv4PodCIDRList: ["10.0.0.0/8"] } },
      { "cluster-pool-ipv4-cidr": "10.0.0.0/8" },
    ],
    [
      "the networks of Kubernetes, in a cluster without a Cilium",
      { "cilium.ipam.mode": "kubernetes" },
      { nodes: GIVEN },
      { mode: "kubernetes" },
      { ipam: "kubernetes", "cluster-pool-ipv4-mask-size": null },
    ],
  ])("keeps %s", async (_what, config, facts, ipam, expected) => {
    const { registered } = await runProgram({ ...existing, ...config }, { ...FACTS, ...facts });
    const { values } = inputsOf(registered, "cilium-release") as { values: { ipam: object } };
    expect(values.ipam).toMatchObject(ipam);
    const { config: recorded } = inputsOf(registered, "cilium-mark") as { config: string };
    expect(JSON.parse(recorded)).toMatchObject(expected);
  });

  it.each([
    ["true", "PreferDualStack"],
    ["false", undefined],
  ])("gives the workload's Service the families of Cilium's values, with ipv6.enabled %s", async (word, policy) => {
    const values = { "cilium.values": `{"ipv6":{"enabled":${word}}}` };
    const { registered } = await runProgram({ ...existing, ...values }, FACTS);
    const { spec } = inputsOf(registered, "nettool-service") as { spec: { ipFamilyPolicy?: string } };
    expect(spec.ipFamilyPolicy).toBe(policy);
  });

  it("reports why the cluster could not be read", async () => {
    const problem = "The cluster at https://192.0.2.1:6443 cannot be read: connect ECONNREFUSED";
    await expect(runProgram(existing, { problem })).rejects.toThrow(problem);
  });

  it.each<[string, Record<string, string>, Partial<ClusterFacts>, RegExp]>([
    ["kube-proxy runs and must be replaced", MODES["ebpf"]!, {}, /it runs kube-proxy, .*remove it first: kubectl/],
    ["no kube-proxy runs", {}, { kubeProxy: false }, /it runs no kube-proxy, which mode kubeproxy needs/],
    [
      "its pods would lose their IPv6 addresses",
      { "cilium.adopt": "true" },
      { cilium: { ...DEFAULT_POOL, hasIpv6: true } },
      /its Cilium gives pods IPv6 addresses too, .*set ipv6\.enabled and its networks in cilium\.values/,
    ],
    [
      "pods would get addresses of nodes",
      { "cluster.podCidr": "172.16.0.0/12", "cilium.nativeRoutingCIDR": "172.0.0.0/8" },
      {},
      /podCidr 172\.16\.0\.0\/12 contains the address of c-control-plane, c-worker/,
    ],
    [
      "pods would get addresses of services",
      {},
      { serviceAddress: "10.0.4.1" },
      /podCidr 10\.0\.0\.0\/16 contains the service address 10\.0\.4\.1/,
    ],
    [
      "a node's part of the pool overlaps the services",
      {},
      {
        serviceCidr: "10.96.0.0/12",
        cilium: { ...DEFAULT_POOL, nodePodCidrs: ["10.0.0.0/24", "10.100.3.0/24"] },
      },
      /the pods' network 10\.100\.3\.0\/24 of a node overlaps the services' network 10\.96\.0\.0\/12/,
    ],
    [
      "a node's part of the pool contains the first service",
      {},
      { cilium: { ...DEFAULT_POOL, nodePodCidrs: ["10.96.0.0/24"] } },
      /10\.96\.0\.0\/24 of a node contains the service address 10\.96\.0\.1/,
    ],
    [
      "another pool than its Cilium's contains the services",
      { "cluster.podCidr": "10.0.0.0/9" },
      { cilium: DEFAULT_POOL },
      /cluster\.podCidr 10\.0\.0\.0\/9 contains the service address/,
    ],
    [
      "Kubernetes gave the nodes no pod networks",
      { "cilium.ipam.mode": "kubernetes" },
      {},
      /c-control-plane, c-worker: no spec\.podCIDR.*--allocate-node-cidrs/,
    ],
    [
      "cluster.podCidr does not contain what Kubernetes gave",
      { "cilium.ipam.mode": "kubernetes", "cluster.podCidr": "10.0.0.0/16" },
      { nodes: GIVEN },
      /podCidr 10\.0\.0\.0\/16 does not contain 10\.244\.0\.0\/24, 10\.244\.1\.0\/24 of its nodes; remove it/,
    ],
    [
      "another network plugin runs",
      {},
      { otherNetwork: "kube-flannel/kube-flannel-ds" },
      /it runs the network plugin kube-flannel-ds.*kubectl -n kube-flannel delete daemonset kube-flannel-ds/,
    ],
    [
      "nodes have no IPv4 address",
      {},
      { nodes: [{ name: "six", role: "worker", address: "" }], apiServer: undefined },
      /six: no IPv4 address[^]*service kubernetes has no IPv4 endpoint/,
    ],
  ])("changes nothing if %s", async (_why, config, facts, words) => {
    const run = runProgram({ ...existing, ...config }, { ...FACTS, ...facts });
    await expect(run).rejects.toThrow(
      /^Cilium cannot be installed in the cluster at https:\/\/192\.0\.2\.1:6443; nothing was changed:/,
    );
    await expect(run).rejects.toThrow(words);
  });

  it("asks no cluster if the kubeconfig has none", async () => {
    await expect(runProgram({ ...existing, "cluster.context": "d" })).rejects.toThrow(
      '- cluster.kubeconfig: names no cluster: cluster.kubeconfig has no context "d"; its contexts are: c; set',
    );
  });

  it("changes nothing if native routing would masquerade the pods of its Cilium", async () => {
    const cilium = { ...DEFAULT_POOL, podCidr: "172.20.0.0/16", nodePodCidrs: ["172.20.0.0/24"] };
    const problem = "nativeRoutingCIDR 10.0.0.0/8 does not contain the pods' network 172.20.0.0/16";
    await expect(runProgram(existing, { ...FACTS, cilium })).rejects.toThrow(problem);
    await expect(runProgram({ ...existing, tunnel: "vxlan" }, { ...FACTS, cilium })).resolves.toBeDefined();
  });
});
