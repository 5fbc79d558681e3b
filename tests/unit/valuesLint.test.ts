import { ChartKeys } from "../../modes/chartKeys";
import type { CiliumValuesArgs, HelmValues } from "../../modes/ciliumValues";
import { lintValues } from "../../modes/valuesLint";
import { TABLE_VERSIONS, VALUE_TABLE } from "../support/valueTable";
import { problemsOf, warningsOf } from "./support/settings";

const ARGS: CiliumValuesArgs = {
  version: "1.20.2",
  mode: "replacement",
  tunnel: "disabled",
  clusterName: "c1",
  nodeCount: 3,
  podCidr: "10.0.0.0/16",
  nativeRoutingCIDR: "10.0.0.0/8",
  images: { agent: {}, operator: {}, envoy: {} },
  extraValues: {},
};

const lint = (extraValues: HelmValues, more: Partial<CiliumValuesArgs> = {}) =>
  lintValues({ ...ARGS, ...more, extraValues }).map(({ severity, key, rule }) => `${severity} ${key}: ${rule}`);

describe("the lint of Helm values", () => {
  describe.each(VALUE_TABLE)("on $name", ({ values, lint: expected }) => {
    it.each(TABLE_VERSIONS)("says what Cilium %s makes of it", (version) => {
      const found = lint(values, { version }).join("\n");
      const wanted = expected[version];
      if (wanted === undefined) expect(found).toBe("");
      else expect(found).toContain(wanted);
    });
  });

  it.each<[HelmValues, string]>([
    [{ bpf: { monitorAgregation: "none" } }, 'did you mean "bpf.monitorAggregation"?'],
    [{ monitorAggregation: "none" }, "use bpf.monitorAggregation"],
    [{ nativeRoutingCIDR: "10.0.0.0/8" }, "use the setting cilium.nativeRoutingCIDR of this project"],
    [{ tunnelProtocoll: "vxlan" }, 'did you mean "tunnelProtocol"?'],
    [{ datapathMode: "netkit" }, 'did you mean "bpf.datapathMode"?'],
    [{ enableK8sTerminatingEndpoint: true }, "charts 1.12.0-rc0 to 1.17.18 read it"],
  ])("names the right key for %j", (values, fix) => {
    expect(lint(values)).toEqual([expect.stringContaining(fix)]);
  });

  it.each<[string, HelmValues]>([
    [
      "what the templates read",
      { hubble: { relay: { enabled: true } }, l7Proxy: false, bandwidthManager: { enabled: true } },
    ],
    [
      "free keys",
      {
        extraConfig: { "any-flag": "x" },
        resources: { limits: { cpu: "1" } },
        podAnnotations: { a: "b" },
        nodeSelector: { disk: "ssd" },
      },
    ],
    ["what takes a default away", { l7Proxy: null, nodeSelector: null, debug: { verbose: null } }],
    ["what the settings say too", { kubeProxyReplacement: true, routingMode: "native", cluster: { name: "c1" } }],
    [
      "types that a schema allows",
      { endpointRoutes: { enabled: "true" }, ipam: { operator: { clusterPoolIPv4PodCIDRList: "10.0.0.0/16" } } },
    ],
  ])("has nothing to say of %s", (_case, values) => {
    expect(lint(values).filter((line) => !line.includes("clusterPoolIPv4PodCIDRList"))).toEqual([]);
  });

  it.each<[string, HelmValues, Partial<CiliumValuesArgs>, string]>([
    [
      "BPF host routing",
      { bpf: { hostLegacyRouting: true } },
      { mode: "ebpf" },
      "error bpf.hostLegacyRouting: takes BPF host routing away",
    ],
    ["masquerading", { enableIPv4Masquerade: false }, {}, "error enableIPv4Masquerade: leaves pods without a way out"],
    ["the tunnel", { routingMode: "tunnel" }, {}, 'error routingMode: is "native" by the setting tunnel, got "tunnel"'],
    [
      "the tunnel's protocol",
      { tunnelProtocol: "geneve" },
      { tunnel: "vxlan" },
      'error tunnelProtocol: is "vxlan" by the setting tunnel',
    ],
    ["native routing's network", { ipv4NativeRoutingCIDR: "" }, {}, "error ipv4NativeRoutingCIDR: is"],
    ["the pods' networks", { ipam: { mode: "kubernetes" } }, {}, "error ipam.mode: must stay cluster-pool"],
    [
      "the operator's place",
      { operator: { replicas: 2 } },
      { nodeCount: 1 },
      "error operator.replicas: must be at most 1, got 2",
    ],
  ])("refuses what takes away %s", (_case, values, args, line) => {
    expect(lint(values, args)).toEqual([expect.stringContaining(line)]);
  });

  it("warns of null in the place of an object that templates look into", () => {
    expect(lint({ envoy: null })).toEqual([expect.stringMatching(/^warning envoy: is an object, and null takes away/)]);
  });

  it("finds what is refused below a key that the chart does not read", () => {
    expect(lint({ etcd: { managed: true } })).toEqual([
      expect.stringMatching(/^error etcd\.managed: is refused by the chart/),
    ]);
  });

  it("gives a version that is newer than the table the rules of the newest", () => {
    expect(new ChartKeys("1.31.4").chart).toBe("1.20.2");
    expect(lint({ tunnel: "vxlan" }, { version: "1.31.4" })).toEqual([
      expect.stringMatching(/^error tunnel: is refused/),
    ]);
  });

  it.each([
    ["1.15.3", "1.15.3"],
    ["1.15.99", "1.15.19"],
    ["1.16.0-pre.3", "1.16.0-rc.0"],
    ["1.12.0", "1.12.0"],
  ])("knows the rules of %s by the chart %s", (version, chart) => {
    expect(new ChartKeys(version).chart).toBe(chart);
  });
});

describe("cilium.values in a stack's settings", () => {
  it("are a warning where the chart ignores a key, and an error where it refuses one", () => {
    expect(warningsOf({ "cilium.values.monitorAggregation": "none" })).toEqual([
      "cilium.values.monitorAggregation: is ignored by the chart of Cilium 1.20.2; use bpf.monitorAggregation",
    ]);
    expect(problemsOf({ "cilium.values.tunnel": "disabled" })).toEqual([
      "  - cilium.values.tunnel: is refused by the chart of Cilium 1.20.2; use the setting tunnel of this project",
    ]);
  });

  it("are in no message when they are secret", () => {
    const config = { "cilium.values": '{"bpf":{"masquerade":"s3cret"},"debug":{"enabled":"s3cret"}}' };
    const text = problemsOf(config, ["cilium.values"]).join("\n");
    expect(text).toContain("bpf.masquerade");
    expect(text).not.toContain("s3cret");
  });
});
