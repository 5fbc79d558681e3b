import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { ROUTING_MODES } from "../../modes/contract";
import { parseSettings } from "../../settings";

const parse = (config: Record<string, string>, secrets: string[] = [], stack = "dev") =>
  parseSettings({
    project: "cilium-modes",
    stack,
    config: Object.fromEntries(Object.entries(config).map(([key, value]) => [`cilium-modes:${key}`, value])),
    isSecret: (key) => secrets.includes(key),
  });

/** The lines of the error that a configuration brings. */
function problemsOf(config: Record<string, string>, secrets: string[] = []): string[] {
  try {
    parse(config, secrets);
  } catch (error) {
    expect(pulumi.RunError.isInstance(error)).toBe(true);
    const [headline, ...lines] = (error as Error).message.split("\n");
    expect(headline).toBe(
      `The configuration of stack dev has ${lines.length === 1 ? "1 problem" : `${lines.length} problems`}; nothing was changed:`,
    );
    return lines;
  }
  throw new Error("the configuration was accepted");
}

describe("the settings of a stack", () => {
  it.each(ROUTING_MODES)("the file of the stack %s makes the mode of its name", (mode) => {
    const text = readFileSync(join(__dirname, `../../Pulumi.${mode}.yaml`), "utf8");
    const config = Object.fromEntries(
      [...text.matchAll(/^ {2}cilium-modes:([\w.]+): "(.*)"$/gm)].map((match) => [match[1]!, match[2]!]),
    );
    expect(Object.keys(config).length).toBeGreaterThan(0);
    expect(parse(config).mode).toBe(mode);
  });

  it("have defaults that make a whole cluster", () => {
    const settings = parse({});
    expect(settings).toMatchObject({
      mode: "kubeproxy",
      tunnel: "disabled",
      cluster: {
        name: "cilium-modes-dev",
        workers: 2,
        podCidr: "10.0.0.0/16",
        serviceCidr: "10.96.0.0/16",
        exportKubeconfig: false,
      },
      dns: { forward: "auto" },
      cilium: { version: "1.20.2", chart: "cilium", nativeRoutingCIDR: "10.0.0.0/8", values: {} },
      nettool: { nodePort: 32000 },
    });
  });

  it("mean the same nested and with dots, as text and as JSON", () => {
    const nested = parse({ kubeProxyReplacement: "true", bpf: '{"masquerade":true}', cluster: '{"workers":1}' });
    const dotted = parse({ kubeProxyReplacement: "true", "bpf.masquerade": "true", "cluster.workers": "1" });
    expect(dotted).toEqual(nested);
    expect(nested).toMatchObject({ mode: "ebpf", cluster: { workers: 1 } });
  });

  it("may be set nested and with dots at once only when both say the same", () => {
    expect(parse({ kubeProxyReplacement: "true", bpf: '{"masquerade":true}', "bpf.masquerade": "true" }).mode).toBe(
      "ebpf",
    );
    expect(problemsOf({ kubeProxyReplacement: "true", bpf: '{"masquerade":true}', "bpf.masquerade": "false" })).toEqual(
      ["  - bpf.masquerade: is set twice with different values, once nested and once with dots; remove one"],
    );
  });

  it("leave the keys of other projects and of Pulumi itself alone", () => {
    expect(
      parseSettings({ project: "cilium-modes", stack: "x", config: { "pulumi:tags": "{}", "kubernetes:context": "a" } })
        .mode,
    ).toBe("kubeproxy");
  });

  it.each([
    ["strict", true],
    ["disabled", false],
    ["true", true],
    ["false", false],
  ])("understand kubeProxyReplacement: %s", (word, expected) => {
    expect(parse({ kubeProxyReplacement: word }).kubeProxyReplacement).toBe(expected);
  });

  it.each([
    ["partial", "up to Cilium 1.15 only"],
    ["probe", "up to Cilium 1.13.3 only"],
  ])("refuse kubeProxyReplacement: %s with the versions where it meant something", (word, versions) => {
    expect(problemsOf({ kubeProxyReplacement: word })).toEqual([
      `  - kubeProxyReplacement: had a meaning ${versions}; use true or false, got "${word}"`,
    ]);
  });
});

describe("a wrong configuration", () => {
  it("is told in one message with one line for each of five mistakes", () => {
    expect(
      problemsOf({
        tunel: "disabled",
        kubeProxyReplacement: "maybe",
        "bpf.masquerade": "yes",
        cluster: '{"workers":99,"podCidr":"10.0.0.1/16"}',
      }).sort(),
    ).toEqual(
      [
        '  - bpf.masquerade: must be true or false, got "yes"',
        '  - cluster.podCidr: has host bits set; did you mean "10.0.0.0/16"?, got "10.0.0.1/16"',
        "  - cluster.workers: must be a whole number from 0 to 20, got 99",
        '  - kubeProxyReplacement: must be true or false (or Cilium\'s older words strict and disabled), got "maybe"',
        '  - tunel: is not a setting; did you mean "tunnel"?',
      ].sort(),
    );
  });

  it.each([
    [{ tunnel: "vxlna" }, '  - tunnel: must be one of disabled, vxlan, geneve, got "vxlna"; did you mean "vxlan"?'],
    [{ "cluster.worker": "2" }, '  - cluster.worker: is not a setting; did you mean "workers"?'],
    [
      { "cluster.zzzzzzzz": "2" },
      expect.stringMatching(/^ {2}- cluster\.zzzzzzzz: is not a setting; known here: name, kubernetesVersion, /),
    ],
    [{ "cluster.workers": "two" }, '  - cluster.workers: must be a whole number from 0 to 20, got "two"'],
    [{ "cluster.workers": "" }, '  - cluster.workers: must be a whole number from 0 to 20, got ""'],
    [{ "cluster.kubernetesVersion": "1.2" }, expect.stringContaining("must be one of 1.37.0, 1.36.1")],
    [
      { "cluster.podCidr": "10.0.0.0" },
      '  - cluster.podCidr: must be an IPv4 network such as 10.0.0.0/16, got "10.0.0.0"',
    ],
    [{ "cluster.name": "Upper" }, '  - cluster.name: must consist of a-z, 0-9 and inner dashes, got "Upper"'],
    [{ "nettool.nodePort": "80" }, '  - nettool.nodePort: must be a whole number from 30000 to 32767, got "80"'],
    [{ "cilium.version": "v1.20.2" }, expect.stringContaining("must be a version without v")],
    [
      { "cluster.registryMirrors": '{"docker.io":{"endpoint":["http://a"]}}' },
      expect.stringContaining(
        'cluster.registryMirrors.docker.io.endpoint: is not a setting; did you mean "endpoints"?',
      ),
    ],
    [{ "dns.forward": '["one.one.one.one"]' }, expect.stringMatching(/^ {2}- dns\.forward.*must be/)],
  ])("%j is told with the rule and what was found", (config, line) => {
    expect(problemsOf(config)).toContainEqual(line);
  });

  it("never shows the value of a secret", () => {
    const lines = problemsOf({ tunnel: "s3cret-word", "cluster.workers": "77777" }, [
      "cilium-modes:tunnel",
      "cilium-modes:cluster.workers",
    ]);
    expect(lines).toEqual([
      "  - tunnel: must be one of disabled, vxlan, geneve, got a secret value",
      "  - cluster.workers: must be a whole number from 0 to 20, got a secret value",
    ]);
  });
});

describe("settings that contradict one another", () => {
  it.each([
    [{ "bpf.masquerade": "true" }, "bpf.masquerade: needs kubeProxyReplacement: true"],
    [{ tunnel: "vxlan", "cilium.autoDirectNodeRoutes": "true" }, "cilium.autoDirectNodeRoutes: needs tunnel: disabled"],
    [{ "cluster.podCidr": "10.96.0.0/12" }, "cluster.podCidr: 10.96.0.0/12 overlaps cluster.serviceCidr 10.96.0.0/16"],
    [
      { "cluster.podCidr": "10.0.0.0/23" },
      "cluster.podCidr: 10.0.0.0/23 has room for 2 nodes of a /24 each, and the cluster has 3",
    ],
    [
      { "cluster.podCidr": "192.168.0.0/16" },
      "cilium.nativeRoutingCIDR: 10.0.0.0/8 does not contain cluster.podCidr 192.168.0.0/16",
    ],
    [
      { "cluster.portMappings": '[{"node":"worker-3","containerPort":80,"hostPort":8080}]' },
      "cluster.portMappings.0.node: worker-3 does not exist; the cluster has 2 workers",
    ],
    [{ "nettool.image": "nettool@sha256:00" }, "nettool.image: a name with a digest cannot be loaded into nodes"],
  ])("%j are refused with the reason", (config, line) => {
    expect(problemsOf(config)).toEqual([expect.stringContaining(line)]);
  });

  it("allow any pod network in a tunnel, where nothing is routed natively", () => {
    expect(parse({ tunnel: "vxlan", "cluster.podCidr": "192.168.0.0/16" }).tunnel).toBe("vxlan");
  });

  it("include a cluster name made of a stack's name that is too long for Cilium", () => {
    expect(() => parse({}, [], "a-stack-with-a-very-long-name")).toThrow(
      "  - cluster.name: cilium-modes-a-stack-with-a-very-long-name has more than 32 characters; set cluster.name to a shorter one",
    );
  });
});
