import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { diffPlans } from "../../cli/planDiff";
import { readStackFile } from "../../cli/stackFile";
import { planStack } from "../../cli/stackPlan";
import { ROUTING_MODES } from "../../modes/contract";
import { cli, CLI, cliProcess, withEnvironment } from "../support/cli";
import { recordedExpectation } from "../unit/support/evidence";

// an ES module, which jest cannot load, and asked for nothing here
jest.mock("@kubernetes/client-node", () => ({}));

const ROOT = resolve(__dirname, "../..");

describe("cilium-modes plan", () => {
  it.each(ROUTING_MODES)("tells the stack %s in a few lines", async (mode) => {
    const { out, err, code } = await cli("plan", mode);
    expect([err, code]).toEqual(["", 0]);
    const { contract } = planStack(readStackFile(mode).settings);
    expect(out).toContain(`Stack ${mode}: mode ${mode}`);
    expect(out).toContain(`kube-proxy ${mode === "kubeproxy" ? "iptables" : "none"}`);
    expect(out).toContain(
      `services by ${contract.services}, host routing ${contract.hostRouting}, masquerading ${contract.masquerading}`,
    );
    expect(out).toContain(`Routing: Network: Native Host: ${contract.hostRouting}`);
  });

  it("tells what is chosen beside the mode", async () => {
    const { out, code } = await cli("plan", "ebpf", "--set", "loadBalancer.mode=dsr", "--set", "bpf.enableTCX=false");
    expect(code).toBe(0);
    expect(out).toContain("loadBalancer.mode dsr, bpf.enableTCX false");
  });

  const kubeconfig = JSON.stringify({
    contexts: [{ name: "lab", context: { cluster: "c", user: "u" } }],
    clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:1" } }],
  });
  const lab = ["--set", "nettool.image=registry.example/tools:1", "--set", "cluster.context=lab"];

  it("tells nothing of kind, and no device, for an external cluster", async () => {
    const external = [...lab, "--set", `cluster.kubeconfig=${kubeconfig}`];
    const { out, err, code } = await cli("plan", "ebpf", ...external);
    expect([err, code]).toEqual(["", 0]);
    expect(out).toContain("external, context lab of cluster.kubeconfig");
    expect(out).not.toMatch(/kindest|kind \d|eth0|nodes of|10\.0\.0\.0\/16/);
    const parts = await cli("plan", "ebpf", "--values", "--images", ...external);
    expect(parts.out).not.toMatch(/kindest|control-plane|k8sServiceHost/);
    expect(parts.err).toContain("read by pulumi preview");
    expect((await cli("plan", "ebpf", "--kind-config", ...external)).err).toContain("has no kind configuration");
  });

  it.each([
    ["/none/config", "The kubeconfig /none/config cannot be read (ENOENT)"],
    ["{contexts: [}", "cluster.kubeconfig is not a kubeconfig: it is not a YAML object"],
    [kubeconfig.replace("lab", "prod"), 'cluster.kubeconfig has no context "lab"; its contexts are: prod'],
  ])("refuses a kubeconfig without the external cluster, before it asks any: %s", async (reference, words) => {
    const { out, err, code } = await cli("plan", "ebpf", ...lab, "--set", `cluster.kubeconfig=${reference}`);
    expect([out, code]).toEqual(["", 1]);
    expect(err).toContain(`  - cluster.kubeconfig: names no cluster: ${words}; set cluster.kubeconfig and`);
  });

  it("prints kind's configuration, Helm's values and the contract as YAML, one document each", async () => {
    const { out } = await cli("plan", "ebpf", "--kind-config", "--values", "--contract");
    const { kindConfig, values, contract } = planStack(readStackFile("ebpf").settings);
    expect(parseAllDocuments(out).map((document) => document.toJS() as unknown)).toEqual([
      kindConfig,
      values,
      contract,
    ]);
    expect(kindConfig).toMatchObject({ kind: "Cluster", networking: { kubeProxyMode: "none" } });
    expect(values).toMatchObject({ kubeProxyReplacement: "true" });
    expect(contract).toMatchObject({ ciliumConfig: { "enable-bpf-masquerade": "true" } });
  });

  it("lists every image, with the chart's digests, and Envoy where the chart starts it", async () => {
    const lines = async (...more: string[]) => (await cli("plan", "ebpf", "--images", ...more)).out.trim().split("\n");
    expect(await lines("--set", "cilium.version=1.19.6")).toEqual([
      expect.stringMatching(/^kindest\/node:v1\.34\.0@sha256:[0-9a-f]{64}$/),
      expect.stringMatching(/^quay\.io\/cilium\/cilium:v1\.19\.6@sha256:[0-9a-f]{64}$/),
      expect.stringMatching(/^quay\.io\/cilium\/operator-generic:v1\.19\.6@sha256:[0-9a-f]{64}$/),
      expect.stringMatching(/^quay\.io\/cilium\/cilium-envoy:v[\w.-]+@sha256:[0-9a-f]{64}$/),
      expect.stringMatching(/^cilium-modes\/nettool:[0-9a-f]{12}$/),
    ]);
    expect(await lines("--set", "cilium.values.l7Proxy=false")).toHaveLength(4);
    expect(await lines("--set", "nettool.image=tools:1")).toContain("tools:1");
    const hubble = await lines("--set", "hubble.relay=true", "--set", "hubble.ui=true");
    expect(hubble.filter((image) => image.includes("hubble"))).toEqual([
      "quay.io/cilium/hubble-relay:v1.20.2",
      expect.stringMatching(/^quay\.io\/cilium\/hubble-ui-backend:v[\d.]+@sha256:[0-9a-f]{64}$/),
      expect.stringMatching(/^quay\.io\/cilium\/hubble-ui:v[\d.]+@sha256:[0-9a-f]{64}$/),
    ]);
    const old = await lines("--set", "release=1.13");
    expect(old).toEqual([
      expect.stringMatching(/^kindest\/node:v1\.23\.4@/),
      expect.stringMatching(/^quay\.io\/cilium\/cilium:v1\.13\.0-rc5@/),
      expect.stringMatching(/^quay\.io\/cilium\/operator-generic:v1\.13\.0-rc5@/),
      expect.stringContaining("nettool"),
    ]);
  });

  it("lists the images that the chart renders, where it is at hand", async () => {
    const helm = join(mkdtempSync(join(tmpdir(), "cilium-modes-test-")), "helm");
    const chart = join(helm, "..", "chart.tgz");
    const pod = { template: { spec: { containers: [{ image: "relay:v1" }, { image: "agent:v1" }] } } };
    writeFileSync(chart, "");
    writeFileSync(
      helm,
      `#!/bin/sh\nif [ "$1" = env ]; then echo /nowhere; else cat > /dev/null; echo '${JSON.stringify({ kind: "Deployment", spec: pod })}'; fi\n`,
      { mode: 0o755 },
    );
    try {
      const { out } = await withEnvironment({ PATH: `${join(helm, "..")}:${process.env["PATH"]}` }, () =>
        cli("plan", "ebpf", "--images", "--set", `cilium.chart=${chart}`),
      );
      expect(out.trim().split("\n").slice(1, 3)).toEqual(["agent:v1", "relay:v1"]);
    } finally {
      rmSync(join(helm, ".."), { recursive: true });
    }
  });

  it("says which tag is not known of a Cilium newer than the table", async () => {
    const { out, err } = await cli("plan", "ebpf", "--images", "--set", "cilium.version=1.22.0");
    expect(out).toContain("quay.io/cilium/cilium-envoy:<the chart's own tag>");
    expect(err).toContain("The tag of envoy in the chart of Cilium 1.22.0 is unknown");
    expect(err).toContain("is newer than 1.20, the newest supported Cilium");
  });

  it("gives everything as JSON", async () => {
    const { out } = await cli("plan", "replacement", "--json");
    expect(JSON.parse(out)).toEqual(JSON.parse(JSON.stringify(planStack(readStackFile("replacement").settings))));
  });

  it("shows no credentials as JSON", async () => {
    const mirrors = { "docker.io": { endpoints: [{ url: "https://m", authorization: "Basic dTpw" }] } };
    const { out } = await cli("plan", "ebpf", "--json", "--set", `cluster.registryMirrors=${JSON.stringify(mirrors)}`);
    expect(JSON.parse(out)).toMatchObject({ settings: { cluster: { registryMirrors: { "docker.io": {} } } } });
    expect(out).not.toContain("dTpw");
  });

  it("tells what is wrong with manifests together with other problems", async () => {
    const set = ["--set", "cilium.manifests=nowhere.yaml", "--set", "cluster.serviceCidr=10.0.0.0/16"];
    const { code, err } = await cli("plan", "ebpf", ...set);
    expect(code).toBe(1);
    expect(err).toMatch(/has 2 problems[^]*podCidr: [^]*cilium\.manifests: nowhere\.yaml: does not exist/);
  });

  it("tells what is wrong with the chart's path together with other problems", async () => {
    const set = ["--set", "cilium.chart=./none.tgz", "--set", "cluster.serviceCidr=10.0.0.0/16"];
    const { code, err } = await cli("plan", "ebpf", ...set);
    expect(code).toBe(1);
    expect(err).toMatch(/has 2 problems[^]*podCidr: [^]*\n {2}- cilium\.chart: \.\/none\.tgz does not exist$/m);
  });

  it("shows what separates two stacks, by section", async () => {
    const { out } = await cli("plan", "--diff", "replacement", "ebpf");
    expect(out).toMatch(/^replacement → ebpf\n/);
    const sections = out.split("\n").filter((line) => /^\S/.test(line));
    expect(sections.slice(1)).toEqual(["settings", "kind configuration", "Helm values", "expected evidence"]);
    expect(out).toMatch(/^ {2}bpf\.masquerade +false → true$/m);
    expect(out).toMatch(/^ {2}evidence\.statusJson\.routing\.intra-host-routing-mode +"Legacy" → "BPF"$/m);
    expect((await cli("plan", "--diff", "ebpf", "ebpf")).out).toBe("Stacks ebpf and ebpf do not differ\n");
    const { out: json } = await cli("plan", "--diff", "--json", "kubeproxy", "ebpf");
    expect(JSON.parse(json)).toContainEqual({
      section: "kindConfig",
      path: "networking.kubeProxyMode",
      left: "iptables",
      right: "none",
    });
  });

  it("tries settings, over nested and dotted ones", async () => {
    const { out } = await cli("plan", "ebpf", "--values", "--set", "tunnel=vxlan", "--set", "bpf.masquerade=false");
    expect(parse(out)).toMatchObject({ routingMode: "tunnel", tunnelProtocol: "vxlan", bpf: { masquerade: false } });
  });

  it.each([
    [["plan", "nope"], 1, /There is no .*Pulumi\.nope\.yaml; known stacks are ebpf, kubeproxy, replacement/],
    // before it says how long it takes
    [["compare", "ebpf", "nope"], 1, /^There is no .*Pulumi\.nope\.yaml/],
    [["plan", "ebpf", "--set", "tunel=x"], 1, /tunel: is not a setting; did you mean "tunnel"\?/],
    [["plan", "ebpf", "--set", "tunnel"], 2, /--set must be key=value, such as --set tunnel=vxlan \(got "tunnel"\)/],
    [["plan", "ebpf", "kubeproxy"], 2, /plan takes one stack \(got 2\); --diff takes two/],
    [["plan", "--diff", "ebpf"], 2, /--diff takes two stacks \(got 1\)/],
    [["plan"], 2, /missing required argument 'stacks'/],
    [["plna"], 2, /unknown command 'plna'[^]*Did you mean plan/],
    [["plan", "ebpf", "--valeus"], 2, /unknown option '--valeus'[^]*Did you mean --values/],
  ])("answers %j with the exit code %i and the way out", async (argv, code, message) => {
    const result = await cli(...argv);
    expect(result.code).toBe(code);
    expect(result.err).toMatch(message);
    expect(result.out).toBe("");
  });

  it("prints values that mean the same in YAML 1.1, which Helm reads", async () => {
    const texts = { yes: "no", port: "0777", count: "1_000", when: "2001-01-01", ratio: "1e3", empty: "~" };
    const { out } = await cli(
      "plan",
      "ebpf",
      "--values",
      "--set",
      `cilium.values.podAnnotations=${JSON.stringify(texts)}`,
    );
    expect(parse(out, { version: "1.1" })).toMatchObject({ podAnnotations: texts });
  });

  it("runs from any folder as a command of its own", () => {
    const { out, err, code } = cliProcess(["plan", "ebpf", "--values"], {}, { cwd: tmpdir() });
    expect([err, code]).toEqual(["", 0]);
    expect(parse(out)).toEqual(planStack(readStackFile("ebpf").settings).values);
  });

  it.each([
    [["verify", "ebpf", "--settle-seconds", "soon"], /--settle-seconds must be a number of seconds, 0 or more/],
    [
      ["verify", "ebpf", "--only", "statsu"],
      /There is no check statsu; the checks are nodes, webhooks, config, helm-objects, agents, status/,
    ],
    [["verify", "ebpf", "--only", "status", "--skip", "status"], /--only and --skip leave no check/],
    [
      ["verify"],
      /Name a stack, or give --kubeconfig <file> and --expect <mode>.*; cilium-modes inspect shows the mode/,
    ],
    [
      ["verify", "--kubeconfig", "prod"],
      /Add --expect <mode> .*; cilium-modes inspect --kubeconfig prod shows the mode/,
    ],
    [["verify", "ebpf", "--expect", "ebpf"], /Stack ebpf already sets the mode/],
  ])("answers %j before it asks any cluster", async (argv, message) => {
    const { code, err, out } = await cli(...argv);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toMatch(message);
  });

  it("ends with the exit code of a usage error as a process too", () => {
    const { code, err, out } = cliProcess(["verify"]);
    expect([code, out, err]).toEqual([2, "", expect.stringMatching(/^Name a stack, /)]);
  });
});

describe("a command that a resource runs", () => {
  it("ends with the process that started it, as when a run is cancelled", async () => {
    const kubeconfig = JSON.stringify({
      "current-context": "c",
      contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
      clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:1" } }],
      users: [{ name: "u", user: {} }],
    });
    const environment = {
      CILIUM_MODES_KUBECONFIG: kubeconfig,
      CILIUM_MODES_CLUSTER: "c",
      CILIUM_MODES_NODES_ARE: "others",
      CILIUM_MODES_EXPECTATION: JSON.stringify(recordedExpectation()),
      CILIUM_MODES_VERIFY: "strict",
      CILIUM_MODES_MAX_NODES: "1",
      CILIUM_MODES_SETTLE_SECONDS: "60",
      CILIUM_MODES_REVISION: "1",
    };
    const shell = spawn("sh", ["-c", '"$0" "$1" verify-stack; true', process.execPath, CLI], {
      env: { ...process.env, ...environment },
      stdio: ["ignore", "ignore", "pipe"],
    });
    await once(shell.stderr, "data"); // it waits, and has said for what
    shell.kill("SIGKILL");
    // the pipe closes when the last of its writers is gone
    const start = Date.now();
    shell.stderr.resume();
    await once(shell.stderr, "close");
    expect(Date.now() - start).toBeLessThan(20_000);
  }, 60_000);
});

describe("a stack's file", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "cilium-modes-test-"));
    cpSync(join(ROOT, "Pulumi.yaml"), join(directory, "Pulumi.yaml"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));
  const write = (text: string) => writeFileSync(join(directory, "Pulumi.x.yaml"), text);
  const read = (...overrides: string[]) => readStackFile("x", overrides, directory).settings;

  it("is read as the engine reads it: with and without the project's name, nested and plain, empty", () => {
    write(
      "config:\n  cilium-modes:cluster:\n    workers: 1\n    podCidr: 10.0.0.0/20\n  tunnel: vxlan\n  kubernetes:context: c\n",
    );
    expect(read()).toMatchObject({ tunnel: "vxlan", cluster: { workers: 1, podCidr: "10.0.0.0/20" } });
    expect(read("cluster.workers=0").cluster).toMatchObject({ workers: 0, podCidr: "10.0.0.0/20" });
    for (const text of ["", "config:\n", "encryptionsalt: v1:x\n"]) {
      write(text);
      expect(read().mode).toBe("kubeproxy");
    }
  });

  it("with secrets needs values to plan with in their place", () => {
    write(
      "config:\n  cilium-modes:nettool.image:\n    secure: v1:abc\n  cilium-modes:cilium:\n    values:\n      a:\n        secure: v1:abc\n",
    );
    expect(() => read()).toThrow(
      /has secrets, which only Pulumi can read:\n {2}- nettool\.image: set a value for this command with --set nettool\.image=…\n {2}- cilium:/,
    );
    expect(read("nettool.image=tools:1", "cilium={}").nettool.image).toBe("tools:1");
  });

  it("with a mirror's encrypted authorization needs no value, since only nodes use it", () => {
    write(
      "config:\n  cilium-modes:cluster:\n    registryMirrors:\n      docker.io:\n        endpoints:\n          - url: https://m\n            authorization:\n              secure: v1:abc\n",
    );
    expect(read().cluster.registryMirrors["docker.io"]!.endpoints).toEqual([
      { url: "https://m", authorization: "encrypted secret" },
    ]);
  });

  it("that is not YAML is reported with its place", () => {
    write("config:\n  a: [\n");
    expect(() => read()).toThrow(/Pulumi\.x\.yaml is not YAML: .* at line \d+/);
  });
});

describe("the difference of two plans", () => {
  it("is nothing between a plan and itself, and turned round the other way about", () => {
    const [left, right] = [planStack(readStackFile("kubeproxy").settings), planStack(readStackFile("ebpf").settings)];
    expect(diffPlans(left, left)).toEqual([]);
    const swapped = diffPlans(right, left).map(({ left: a, right: b, ...rest }) => ({ ...rest, left: b, right: a }));
    expect(swapped).toEqual(diffPlans(left, right));
  });
});
