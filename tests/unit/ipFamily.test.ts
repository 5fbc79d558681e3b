import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse as parseYaml } from "yaml";
import { expectationOf } from "../../datapath/expectation";
import { expectedCiliumConfig } from "../../modes/ciliumConfig";
import { ciliumValues } from "../../modes/ciliumValues";
import { planStack } from "../../cli/stackPlan";
import { summary } from "../../cli/planText";
import { ciliumArgs, kindNetworks } from "../../settings/ciliumArgs";
import { parse, problemsOf, warningsOf } from "./support/settings";

const DUAL = { "cluster.ipFamily": "dual" };
const EBPF = { kubeProxyReplacement: "true", "bpf.masquerade": "true" };

describe("cluster.ipFamily", () => {
  it("gives kind no second network, and Cilium no value of IPv6, with ipv4", () => {
    const settings = parse({ ...EBPF, "cluster.ipFamily": "ipv4" });
    expect(settings.ipv6).toBeUndefined();
    expect(settings).toEqual(parse(EBPF));
    expect(JSON.stringify(planStack(settings))).not.toMatch(/ipv6|fd00/i);
  });

  it("adds the default networks of IPv6 with dual", () => {
    expect(kindNetworks(parse(DUAL))).toEqual({
      ipFamily: "dual",
      podCidr: "10.0.0.0/16,fd00:10::/56",
      serviceCidr: "10.96.0.0/16,fd00:10:96::/112",
      nativeRoutingCIDR: "10.0.0.0/8,fd00:10::/56",
    });
  });

  it("takes pairs as kind and Kubernetes do, and writes IPv6 in its shortest form", () => {
    const settings = parse({
      ...DUAL,
      "cluster.podCidr": "10.1.0.0/16, FD00:0020:0000::/48",
      "cluster.serviceCidr": "10.97.0.0/16,fd00:21::/112",
      "cilium.nativeRoutingCIDR": "10.0.0.0/8,fd00::/8",
    });
    expect(settings.cluster).toMatchObject({ podCidr: "10.1.0.0/16", serviceCidr: "10.97.0.0/16" });
    expect(settings.podNetworks).toMatchObject({ podCidr: "10.1.0.0/16" });
    expect(settings.cilium.nativeRoutingCIDR).toBe("10.0.0.0/8");
    expect(settings.ipv6).toEqual({
      podCidr: "fd00:20::/48",
      serviceCidr: "fd00:21::/112",
      nativeRoutingCIDR: "fd00::/8",
    });
  });

  it("lets native routing's network follow the pods'", () => {
    expect(parse({ ...DUAL, "cluster.podCidr": "10.0.0.0/16,fd00:20::/56" }).ipv6).toMatchObject({
      nativeRoutingCIDR: "fd00:20::/56",
    });
  });

  it.each([
    [{ "cluster.ipFamily": "ipv6" }, "cluster.ipFamily: ipv6 is not supported yet"],
    [{ "cluster.ipFamily": "IPv6" }, 'cluster.ipFamily: must be one of ipv4, dual, ipv6, got "IPv6"'],
    [
      { "cluster.podCidr": "10.0.0.0/16,fd00:10::/56" },
      "cluster.podCidr: has the IPv6 network fd00:10::/56, and the cluster has IPv4 only; set cluster.ipFamily: dual, or remove it",
    ],
    [{ ...DUAL, "cluster.podCidr": "fd00:10::/56" }, "cluster.podCidr: must be an IPv4 network and an IPv6 network"],
    [{ ...DUAL, "cluster.podCidr": "fd00:10::/56,10.0.0.0/16" }, "must be an IPv4 network and an IPv6 network"],
    [{ ...DUAL, "cluster.podCidr": "10.0.0.0/16,10.1.0.0/16" }, "must be an IPv4 network and an IPv6 network"],
    [
      { ...DUAL, "cluster.podCidr": "10.0.0.0/16,fd00:10::1/56" },
      'cluster.podCidr: has host bits set, got "10.0.0.0/16,fd00:10::1/56"; did you mean "10.0.0.0/16,fd00:10::/56"?',
    ],
    [
      { ...DUAL, "cluster.podCidr": "10.0.0.0/16,fd00:10::/47" },
      "cluster.podCidr: fd00:10::/47 cannot be divided into a /64 for each node; the prefix must be from /48 to /64",
    ],
    [{ ...DUAL, "cluster.podCidr": "10.0.0.0/16,fd00:10::/104" }, "the prefix must be from /48 to /64"],
    [
      { ...DUAL, "cluster.podCidr": "10.0.0.0/16,fd00:10::/63" },
      "cluster.podCidr: fd00:10::/63 has room for 2 nodes with a /64 each, and the cluster has 3",
    ],
    [
      { ...DUAL, "cluster.serviceCidr": "10.96.0.0/16,fd00:11::/107" },
      "cluster.serviceCidr: fd00:11::/107 is not accepted by Kubernetes; the prefix must be from /108 to /124",
    ],
    [
      { ...DUAL, "cluster.podCidr": "10.0.0.0/16,fd00:10:96::/56" },
      "cluster.podCidr: fd00:10:96::/56 overlaps cluster.serviceCidr fd00:10:96::/112",
    ],
    [
      { ...DUAL, "cluster.podCidr": "10.0.0.0/16,fe80:10::/56" },
      "cluster.podCidr: fe80:10::/56 overlaps fe80::/10, which is reserved for link-local addresses; set another, such as fd00:10::/56",
    ],
    [
      { ...DUAL, "cilium.nativeRoutingCIDR": "10.0.0.0/8,fd00:11::/48" },
      "cilium.nativeRoutingCIDR: fd00:11::/48 does not contain cluster.podCidr fd00:10::/56; traffic between pods would be masqueraded",
    ],
    [
      { ...DUAL, tunnel: "vxlan", "cilium.nativeRoutingCIDR": "10.0.0.0/8,fd00:10:96::/120" },
      "cilium.nativeRoutingCIDR: fd00:10:96::/120 is inside cluster.serviceCidr fd00:10:96::/112",
    ],
  ])("refuses %j", (config, line) => {
    expect(problemsOf(config as Record<string, string>)).toEqual([expect.stringContaining(line)]);
  });

  it("does not show secret networks", () => {
    const config = { ...DUAL, "cluster.podCidr": "10.0.0.0/16,fd00:10::/63" };
    expect(problemsOf(config, ["cluster.podCidr"]).join()).not.toContain("fd00:10::/63");
  });

  it.each([
    [{ "cluster.ipFamily": "dual" }, "cluster.ipFamily: cannot be set for an external cluster"],
    [
      { "cluster.podCidr": "10.0.0.0/16,fd00:10::/56" },
      "cluster.podCidr: has the IPv6 network fd00:10::/56, and this project sets IPv4 networks only for the Cilium of an external cluster",
    ],
  ])("is refused in an external cluster, as IPv6 networks are: %j", (config, line) => {
    const external = { "cluster.context": "c", "nettool.image": "img:1", ...config } as Record<string, string>;
    expect(problemsOf(external)).toEqual([expect.stringContaining(line)]);
  });

  it("is that of the example dual-stack, whose networks are the defaults", () => {
    const file = readFileSync(join(__dirname, "../../examples/dual-stack/Pulumi.dual.yaml"), "utf8");
    const { config } = parseYaml(file) as { config: Record<string, string> };
    const own = Object.entries(config).map(([key, value]) => [key.replace("cilium-modes:", ""), value]);
    const { cluster, ipv6 } = parse({ ...DUAL, ...EBPF });
    expect(parse(Object.fromEntries(own) as Record<string, string>)).toMatchObject({ mode: "ebpf", cluster, ipv6 });
  });

  it("is shown by plan", () => {
    const text = summary("dev", planStack(parse({ ...DUAL, ...EBPF })));
    expect(text).toContain("pods 10.0.0.0/16 and fd00:10::/56, services 10.96.0.0/16 and fd00:10:96::/112");
    expect(text).toContain("native routing in 10.0.0.0/8 and fd00:10::/56");
  });
});

describe("Cilium's values of a dual-stack cluster", () => {
  const valuesOf = (config: Record<string, string>) => ciliumValues(ciliumArgs(parse({ ...DUAL, ...config })));

  it("have a pool of both families and native routing in both", () => {
    expect(valuesOf(EBPF)).toMatchObject({
      ipv6: { enabled: true },
      ipv4NativeRoutingCIDR: "10.0.0.0/8",
      ipv6NativeRoutingCIDR: "fd00:10::/56",
      ipam: { operator: { clusterPoolIPv6PodCIDRList: ["fd00:10::/56"], clusterPoolIPv6MaskSize: 64 } },
    });
    expect(valuesOf(EBPF)).not.toHaveProperty("enableIPv6Masquerade");
  });

  it("have no network of native routing in a tunnel, and no pool if Kubernetes gives nodes their networks", () => {
    const values = valuesOf({ tunnel: "vxlan", "cilium.ipam.mode": "kubernetes" });
    expect(values).toMatchObject({ ipv6: { enabled: true }, ipam: { mode: "kubernetes" } });
    expect(JSON.stringify(values)).not.toContain("fd00");
  });

  it("leave IPv6 unmasqueraded only where BPF cannot masquerade it, with a warning", () => {
    const old = { release: "1.13", ...EBPF };
    expect(valuesOf(old)).toMatchObject({ enableIPv6Masquerade: false });
    expect(expectedCiliumConfig(ciliumArgs(parse({ ...DUAL, ...old })))).toMatchObject({
      "enable-ipv6-masquerade": "false",
    });
    expect(warningsOf({ ...DUAL, ...old })).toContainEqual(
      expect.stringMatching(/^cluster\.ipFamily: dual leaves the pods' IPv6 traffic .* unmasqueraded/),
    );
    for (const config of [{ release: "1.13" }, { release: "1.14", ...EBPF }]) {
      expect(valuesOf(config)).not.toHaveProperty("enableIPv6Masquerade");
      expect(warningsOf({ ...DUAL, ...config })).not.toContainEqual(expect.stringContaining("ipFamily"));
    }
  });
});

describe("the expectation of a cluster", () => {
  const of = (config: Record<string, string>) =>
    expectationOf(ciliumArgs(parse({ ...EBPF, ...config })), { isKind: true, nodePort: 32000 });

  it("demands IPv6 of a dual-stack cluster, and no IPv6 of another", () => {
    expect(of(DUAL).ciliumConfig).toMatchObject({ "enable-ipv6": "true" });
    expect(of(DUAL).datapathConfig).not.toHaveProperty("enable-ipv6");
    expect(of({}).datapathConfig).toMatchObject({ "enable-ipv6": ["false", ""] });
  });
});
