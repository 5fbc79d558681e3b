import { ChartKeys } from "../../modes/chartKeys";
import type { CiliumValuesArgs, HelmValues } from "../../modes/ciliumValues";
import { lintValues } from "../../modes/valuesLint";
import { CILIUM_ARGS } from "../support/ciliumArgs";
import { TABLE_VERSIONS, VALUE_TABLE } from "../support/valueTable";
import { problemsOf, warningsOf } from "./support/settings";

const ARGS: CiliumValuesArgs = { ...CILIUM_ARGS, mode: "replacement" };

const lint = (extraValues: HelmValues, more: Partial<CiliumValuesArgs> = {}) =>
  lintValues({ ...ARGS, ...more, extraValues }).map(({ severity, key, rule }) => `${severity} ${key}: ${rule}`);

describe("lintValues", () => {
  describe.each(VALUE_TABLE)("on $name", ({ values, lint: expected }) => {
    it.each(TABLE_VERSIONS)("reports the same problem as the chart of Cilium %s", (version) => {
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
    [{ datapathMode: "netkit" }, "use bpf.datapathMode"],
    [{ enableK8sTerminatingEndpoint: true }, "only charts 1.12.0-rc0 to 1.17.18 read it; remove it"],
    [{ noSuchPart: { enabled: true } }, "no known chart reads it; remove it"],
    [{ global: { kubeProxyReplacement: true } }, "use its keys without global"],
    [{ cilium: { l7Proxy: false } }, "use its keys without cilium"],
    [{ spec: { values: { l7Proxy: false } } }, "use the keys of its values in a file of their own"],
    [{ ipam: { operator: { replicas: 1 } } }, "use operator.replicas"],
    [{ bgp: { enabled: true } }, "use bgpControlPlane.enabled"],
    [{ maxConnectedClusters: 255 }, 'did you mean "clustermesh.maxConnectedClusters"?'],
    [{ envoy: { initContainers: [] } }, "no known chart reads it; remove it"],
    // relay has the key, and the UI not
    [{ hubble: { ui: { retryTimeout: "5s" } } }, "no known chart reads it; remove it"],
    [{ externalIPs: { enabled: true } }, "remove it: kubeProxyReplacement: true includes external IPs"],
    [{ nodePort: { enabled: true } }, "remove it: kubeProxyReplacement: true includes NodePorts"],
    [{ clustermesh: { enableMCSAPISupport: true } }, "use clustermesh.mcsapi.enabled"],
  ])("suggests the correct key for %j", (values, fix) => {
    expect(lint(values)).toEqual([expect.stringContaining(fix)]);
  });

  it("warns about one key with dots, which helm --set would take for a path", () => {
    const values = { "bpf.masquerade": true, hubble: { "relay.enabled": true }, podAnnotations: { "a.b": "c" } };
    expect(lint(values)).toEqual([
      "warning bpf.masquerade: is one key with dots, which the chart ignores; nest it: bpf: {masquerade: …}",
      "warning hubble.relay.enabled: is one key with dots, which the chart ignores; nest it: relay: {enabled: …}",
    ]);
  });

  it("tells the charts that read a key only later, and suggests no key that this chart lacks", () => {
    const old = { version: "1.14.19" };
    expect(lint({ pprof: { enabled: true }, clustermesh: { mcsapi: { enabled: true } } }, old)).toEqual([
      expect.stringMatching(
        /clustermesh\.mcsapi: .* charts 1\.\d+\.0-\S+ and newer read it; choose a newer version, or remove/,
      ),
    ]);
    expect(lint({ datapathMode: "netkit" }, old)).toEqual([
      expect.stringContaining("only charts 1.12.0-rc0 to 1.12.0"),
    ]);
  });

  it.each<[string, HelmValues]>([
    [
      "keys that templates read",
      { hubble: { relay: { enabled: true } }, l7Proxy: false, bandwidthManager: { enabled: true } },
    ],
    [
      "keys that users choose",
      {
        extraConfig: { "any-flag": "x" },
        resources: { limits: { cpu: "1" } },
        podAnnotations: { a: "b" },
        nodeSelector: { disk: "ssd" },
      },
    ],
    ["keys that the chart's scripts read", { nodeinit: { reconfigureKubelet: true, startup: { preScript: "true" } } }],
    ["null for a default", { l7Proxy: null, nodeSelector: null, debug: { verbose: null } }],
    [
      "values that agree with the settings",
      { kubeProxyReplacement: true, routingMode: "native", cluster: { name: "c1" } },
    ],
    [
      "types that a schema allows",
      { endpointRoutes: { enabled: "true" }, ipam: { operator: { clusterPoolIPv4PodCIDRList: "10.0.0.0/16" } } },
    ],
  ])("accepts %s", (_case, values) => {
    expect(lint(values)).toEqual([]);
  });

  it.each<[string, HelmValues, Partial<CiliumValuesArgs>, string]>([
    [
      "Legacy host routing",
      { bpf: { hostLegacyRouting: false } },
      { mode: "ebpf-legacy" },
      "error bpf.hostLegacyRouting: is true according to the setting bpf.hostLegacyRouting, got false",
    ],
    ["masquerading", { enableIPv4Masquerade: false }, {}, "error enableIPv4Masquerade: disables masquerading"],
    [
      "the tunnel",
      { routingMode: "tunnel" },
      {},
      'error routingMode: is "native" according to the setting tunnel, got "tunnel"',
    ],
    [
      "the tunnel's protocol",
      { tunnelProtocol: "geneve" },
      { tunnel: "vxlan" },
      'error tunnelProtocol: is "vxlan" according to the setting tunnel',
    ],
    ["native routing's network", { ipv4NativeRoutingCIDR: "" }, {}, "error ipv4NativeRoutingCIDR: is"],
    ["the IPAM mode", { ipam: { mode: "kubernetes" } }, {}, "according to the setting cilium.ipam.mode"],
    ["the IPAM modes", { ipam: { mode: "multi-pool" } }, {}, "error ipam.mode: must be cluster-pool or kubernetes"],
    [
      "the part of a node",
      { ipam: { operator: { clusterPoolIPv4MaskSize: 24 } } },
      { podCidrMaskSize: 25 },
      "error ipam.operator.clusterPoolIPv4MaskSize: must be 25, got 24; remove it",
    ],
    [
      "the number of nodes",
      { operator: { replicas: 2 } },
      { nodeCount: 1 },
      "error operator.replicas: must be at most 1, got 2",
    ],
  ])("rejects a value that contradicts %s", (_case, values, args, line) => {
    expect(lint(values, args)).toEqual([expect.stringContaining(line)]);
  });

  it.each<[HelmValues, string]>([
    [
      { hubble: { tls: { auto: { certValidityDuration: 0 } } } },
      "error hubble.tls.auto.certValidityDuration: must be a number of days such as 365, got 0; certificates would",
    ],
    [{ tls: { ca: { certValidityDuration: null } } }, "error tls.ca.certValidityDuration: must be a number of days"],
    [
      { ipMasqAgent: { enabled: true, config: { nonMasqueradeCIDRs: ["10.0.0.0/8", "192.168.0.0"] } } },
      "error ipMasqAgent.config.nonMasqueradeCIDRs: must be a list of networks such as 10.0.0.0/8",
    ],
    [
      { ingressController: { enabled: true, loadbalancerMode: "share" } },
      'warning ingressController.loadbalancerMode: is "share", which Cilium\'s operator takes for shared; set shared or',
    ],
  ])("tells what becomes of %j", (values, line) => {
    expect(lint(values, { mode: "ebpf" })).toEqual([expect.stringContaining(line)]);
  });

  it("takes certificates of a year, networks of both families, and modes of Ingresses", () => {
    const values = {
      hubble: { tls: { auto: { certValidityDuration: 365 } } },
      ipMasqAgent: { enabled: true, config: { nonMasqueradeCIDRs: ["10.1.2.3/8", "fd00::/8"], masqLinkLocal: false } },
      ingressController: { enabled: true, loadbalancerMode: "dedicated" },
    };
    expect(lint(values, { mode: "ebpf" })).toEqual([]);
  });

  it.each<[string, HelmValues, string]>([
    ["a value that stands for none", { routingMode: "" }, "; remove it"],
    ["a default that null removes", { bpf: { masquerade: null } }, "; remove it"],
    [
      "native routing of other pods",
      { ipv4NativeRoutingCIDR: "10.42.0.0/16" },
      ", and set cluster.podCidr to a network",
    ],
    ["native routing of the same pods", { ipv4NativeRoutingCIDR: "10.0.0.0/9" }, "; change the setting instead"],
    ["what is no network", { ipv4NativeRoutingCIDR: "${CIDR}" }, "; change the setting instead"],
    ["routes that are switched off", { autoDirectNodeRoutes: false }, "; remove it, or change the setting where"],
  ])("names a remedy that works for %s", (_case, values, remedy) => {
    expect(lint(values)).toEqual([expect.stringContaining(remedy)]);
  });

  it("warns about null for an object that templates read", () => {
    expect(lint({ envoy: null })).toEqual([expect.stringMatching(/^warning envoy: is an object, and null removes/)]);
  });

  it("finds rejected keys below a key that the chart does not read", () => {
    expect(lint({ etcd: { managed: true } })).toEqual([
      expect.stringMatching(/^error etcd\.managed: is rejected by the chart/),
    ]);
  });

  it("applies the rules of the newest chart to a newer version", () => {
    expect(new ChartKeys("1.31.4").chart).toBe("1.20.2");
    expect(lint({ tunnel: "vxlan" }, { version: "1.31.4" })).toEqual([
      expect.stringMatching(/^error tunnel: is rejected/),
    ]);
  });

  it.each([
    ["1.15.3", "1.15.3"],
    ["1.15.99", "1.15.19"],
    ["1.16.0-pre.3", "1.16.0-rc.0"],
    ["1.12.0", "1.12.0"],
  ])("applies to %s the rules of chart %s", (version, chart) => {
    expect(new ChartKeys(version).chart).toBe(chart);
  });
});

describe("cilium.values", () => {
  it("warn about a key that the chart ignores, and fail for one that it rejects", () => {
    expect(warningsOf({ "cilium.values.monitorAggregation": "none" })).toEqual([
      "cilium.values.monitorAggregation: is ignored by the chart of Cilium 1.20.2; use bpf.monitorAggregation",
    ]);
    expect(problemsOf({ "cilium.values.tunnel": "disabled" })).toEqual([
      "  - cilium.values.tunnel: is rejected by the chart of Cilium 1.20.2; use the setting tunnel of this project",
    ]);
  });

  it("are hidden in messages if they are secret", () => {
    const config = { "cilium.values": '{"bpf":{"masquerade":"s3cret"},"debug":{"enabled":"s3cret"}}' };
    const text = problemsOf(config, ["cilium.values"]).join("\n");
    expect(text).toContain("bpf.masquerade");
    expect(text).not.toContain("s3cret");
  });
});
