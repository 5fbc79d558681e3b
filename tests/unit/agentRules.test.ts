import type { CiliumValuesArgs, HelmValues } from "../../modes/ciliumValues";
import { agentFindings } from "../../modes/agentRules";
import { lintValues } from "../../modes/valuesLint";
import { CILIUM_ARGS } from "../support/ciliumArgs";

type Choice = Partial<Pick<CiliumValuesArgs, "version" | "mode" | "tunnel">>;

/** Keys and rules of the errors for extra values. */
function errors(extraValues: HelmValues, choice: Choice = {}) {
  return lintValues({ ...CILIUM_ARGS, ...choice, extraValues })
    .filter(({ severity }) => severity === "error")
    .map(({ key, rule }) => `${key} ${rule}`);
}

const BBR = { bandwidthManager: { enabled: true, bbr: true } };
const IPSEC = { encryption: { enabled: true, type: "ipsec" } };
const WIREGUARD = { encryption: { enabled: true, type: "wireguard" } };
const DSR = { loadBalancer: { mode: "dsr" } };
const GENEVE = { loadBalancer: { mode: "dsr", dsrDispatch: "geneve" } };

describe("values with which an agent ends", () => {
  it.each<[string, HelmValues, Choice, RegExp]>([
    [
      "BBR with Legacy host routing",
      BBR,
      { mode: "replacement" },
      /^bandwidthManager\.bbr ends the agent: BBR needs BPF/,
    ],
    [
      "BIG TCP with kube-proxy in an older agent",
      { enableIPv4BIGTCP: true },
      { mode: "kubeproxy", version: "1.14.19" },
      /^enableIPv4BIGTCP .*BIG TCP/,
    ],
    [
      "BIG TCP over IPv6 in an older agent",
      { enableIPv6BIGTCP: true },
      { mode: "replacement", version: "1.14.19" },
      /^enableIPv6BIGTCP .*BIG TCP/,
    ],
    ["BIG TCP with Legacy host routing", { enableIPv4BIGTCP: true }, { mode: "ebpf-legacy" }, /hostLegacyRouting/],
    ["BIG TCP in an older tunnel", { enableIPv4BIGTCP: true }, { version: "1.18.12", tunnel: "vxlan" }, /in a tunnel/],
    ["BIG TCP with IPsec", { enableIPv4BIGTCP: true, ...IPSEC }, {}, /^enableIPv4BIGTCP .*IPsec/],
    [
      "netkit with Legacy host routing",
      { bpf: { datapathMode: "netkit" } },
      { mode: "replacement" },
      /netkit needs BPF/,
    ],
    [
      "an egress gateway without BPF",
      { egressGateway: { enabled: true } },
      { mode: "replacement" },
      /egress gateway needs/,
    ],
    ["ip-masq-agent without BPF", { ipMasqAgent: { enabled: true } }, { mode: "kubeproxy" }, /ip-masq-agent needs/],
    [
      "no connection tracking without BPF masquerading",
      { installNoConntrackIptablesRules: true },
      { mode: "replacement" },
      /skip connection tracking/,
    ],
    ["no connection tracking in a tunnel", { installNoConntrackIptablesRules: true }, { tunnel: "vxlan" }, /tunnel/],
    [
      "devices of iptables with BPF",
      { egressMasqueradeInterfaces: "eth0" },
      {},
      /^egressMasqueradeInterfaces .*devices/,
    ],
    ["a route's source with BPF", { enableMasqueradeRouteSource: true }, {}, /^enableMasqueradeRouteSource /],
    ["DSR in VXLAN", DSR, { tunnel: "vxlan" }, /^loadBalancer\.mode ends the agent: DSR in a tunnel/],
    ["hybrid DSR in VXLAN", { loadBalancer: { mode: "hybrid" } }, { tunnel: "vxlan" }, /DSR in a tunnel/],
    ["Geneve dispatch without Geneve", GENEVE, {}, /^loadBalancer\.dsrDispatch .*tunnelProtocol: geneve/],
    [
      "IPsec before BPF host routing knew it",
      IPSEC,
      { version: "1.18.12" },
      /^encryption\.enabled takes BPF host routing away/,
    ],
    [
      "WireGuard with the L7 proxy",
      { ...WIREGUARD },
      { version: "1.13.18", mode: "replacement" },
      /set l7Proxy: false$/,
    ],
    [
      "WireGuard before BPF host routing knew it",
      { ...WIREGUARD, l7Proxy: false },
      { version: "1.13.18" },
      /^encryption\.enabled takes BPF host routing away .* use 1\.14/,
    ],
    [
      "endpoint routes before BPF host routing knew them",
      { endpointRoutes: { enabled: true } },
      { version: "1.12.4" },
      /^endpointRoutes\.enabled takes BPF host routing away/,
    ],
    [
      "IPv6 before BPF masqueraded it",
      { ipv6: { enabled: true } },
      { version: "1.13.18" },
      /^ipv6\.enabled .* set enableIPv6Masquerade: false$/,
    ],
    [
      "BPF masquerading without remote nodes' identities",
      { remoteNodeIdentity: false },
      { version: "1.14.19" },
      /^remoteNodeIdentity .*takes BPF masquerading away/,
    ],
    [
      "XDP in an old tunnel",
      { loadBalancer: { acceleration: "native" } },
      { version: "1.12.4", tunnel: "vxlan", mode: "replacement" },
      /^loadBalancer\.acceleration .*in a tunnel/,
    ],
    [
      "the host firewall with IPsec",
      { ...IPSEC, hostFirewall: { enabled: true } },
      { mode: "replacement" },
      /^hostFirewall.* does not work with IPsec$/,
    ],
    [
      "IPsec without a transparent DNS proxy",
      { ...IPSEC, dnsProxy: { enableTransparentMode: false } },
      {},
      /^dnsProxy\.enableTransparentMode .*IPsec needs/,
    ],
    [
      "strict encryption of no network",
      { encryption: { ...WIREGUARD.encryption, strictMode: { egress: { enabled: true } } } },
      {},
      /^encryption\.strictMode\.egress\.enabled .*IPv4 network/,
    ],
    [
      "strict encryption of no network by the older value",
      { encryption: { ...WIREGUARD.encryption, strictMode: { enabled: true } } },
      { version: "1.19.6" },
      /^encryption\.strictMode\.enabled .*IPv4 network/,
    ],
    [
      "strict encryption of no network in an older agent",
      { encryption: { ...WIREGUARD.encryption, strictMode: { enabled: true, cidr: "10/8" } } },
      { version: "1.16.19" },
      /^encryption\.strictMode\.enabled .*IPv4 network/,
    ],
    [
      "an egress gateway with CiliumEndpointSlices",
      { egressGateway: { enabled: true }, ciliumEndpointSlice: { enabled: true } },
      {},
      /^ciliumEndpointSlice\.enabled .*egress gateway/,
    ],
    [
      "unreachable nodes without direct routes",
      { directRoutingSkipUnreachable: true },
      { tunnel: "vxlan" },
      /^directRoutingSkipUnreachable .*no direct routes/,
    ],
    ["NAT46 without IPv6", { nat46x64Gateway: { enabled: true } }, {}, /^nat46x64Gateway\.enabled .*ipv6\.enabled/],
    [
      "maps in more than all memory",
      { bpf: { mapDynamicSizeRatio: 1.5 } },
      {},
      /^bpf\.mapDynamicSizeRatio .*at most 1/,
    ],
    ["a cluster's id beyond the mesh", { cluster: { id: 300 } }, {}, /^cluster\.id .*at most clustermesh\.max/],
    [
      "a map of few connections",
      { bpf: { ctTcpMax: 1000 } },
      {},
      /^bpf\.ctTcpMax .*at least 1024 and at most 16777216/,
    ],
    ["a map of few nodes", { bpf: { nodeMapMax: 1000 } }, {}, /^bpf\.nodeMapMax .*at least 16384 entries$/],
    ["no Service", { bpf: { lbMapMax: 0 } }, {}, /^bpf\.lbMapMax .*at least 1 entries$/],
    [
      "more NAT than connections",
      { bpf: { natMax: 900000, ctTcpMax: 131072, ctAnyMax: 65536 } },
      {},
      /^bpf\.natMax .*not be larger than bpf\.ctTcpMax/,
    ],
    ["no share of the memory", { bpf: { mapDynamicSizeRatio: -0.1 } }, {}, /^bpf\.mapDynamicSizeRatio /],
    [
      "a rate of events without bursts",
      { bpf: { events: { default: { rateLimit: 9 } } } },
      {},
      /^bpf\.events.* needs both/,
    ],
    ["NodePorts from high to low", { nodePort: { range: "32767,30000" } }, { mode: "kubeproxy" }, /^nodePort\.range /],
    ["a port of the tunnel that does not exist", { tunnelPort: 70000 }, { tunnel: "vxlan" }, /^tunnelPort .*65535/],
    ["no rules of iptables", { installIptablesRules: false }, { version: "1.12.4" }, /^installIptablesRules ends/],
    [
      "BIG TCP and IPIP",
      { enableIPv4BIGTCP: true, loadBalancer: { mode: "dsr", dsrDispatch: "ipip" } },
      {},
      /^enableIPv4BIGTCP .*dsrDispatch: ipip/,
    ],
    [
      "hybrid DSR beside annotations",
      { bpf: { lbModeAnnotation: true }, loadBalancer: { mode: "hybrid" } },
      {},
      /^bpf\.lbModeAnnotation .*must be snat or dsr/,
    ],
    ["annotations in VXLAN", { bpf: { lbModeAnnotation: true } }, { tunnel: "vxlan" }, /^bpf\.lbModeAnnotation .*ipip/],
    [
      "a tunnel over IPv6 alone",
      { underlayProtocol: "ipv6" },
      { tunnel: "geneve" },
      /^underlayProtocol .*ipv6\.enabled/,
    ],
    [
      "IPsec that is strict for ingress",
      { encryption: { ...IPSEC.encryption, strictMode: { ingress: { enabled: true } } } },
      {},
      /^encryption\.strictMode\.ingress\.enabled .*IPsec/,
    ],
    ["5000 flows", { hubble: { eventBufferCapacity: 5000 } }, {}, /^hubble\.eventBufferCapacity keeps Hubble .*8191/],
    ["TCP flags with commas", { bpf: { monitorFlags: "syn,fin" } }, {}, /^bpf\.monitorFlags .*separated by spaces/],
    [
      "a lease without unit",
      { l2announcements: { leaseDuration: "15 s" } },
      {},
      /^l2announcements.*cannot read .* 15s/,
    ],
    ...(
      [
        [{ loadBalancer: { mode: "drs" } }, "loadBalancer.mode", "snat, dsr or hybrid"],
        [{ loadBalancer: { algorithm: "rr" } }, "loadBalancer.algorithm", "random or maglev"],
        [{ loadBalancer: { acceleration: "xdp" } }, "loadBalancer.acceleration", "disabled, native, best-effort or te"],
        [{ identityAllocationMode: "etcd" }, "identityAllocationMode", "crd, kvstore, "],
        [{ serviceNoBackendResponse: "deny" }, "serviceNoBackendResponse", "reject or drop"],
        [
          { pmtuDiscovery: { packetizationLayerPMTUDMode: "on" } },
          "pmtuDiscovery.packet.*",
          "always, blackhole, disab",
        ],
        [{ bpf: { monitorAggregation: "high" } }, "bpf.monitorAggregation", "none, disabled, lowest, low, medium, max"],
      ] as const
    ).map(([values, key, words]): [string, HelmValues, Choice, RegExp] => [
      `a word for ${key} that it does not know`,
      values,
      {},
      new RegExp(`^${key} ends the agent: it must be ${words}`),
    ]),
    ["no IPv4", { ipv4: { enabled: false } }, {}, /^ipv4\.enabled leaves the cluster without IPv4/],
    [
      "a key past the values",
      { extraConfig: { "enable-bpf-masquerade": "false" } },
      {},
      /^extraConfig\.enable-bpf-masquerade sets/,
    ],
    [
      "an argument past the values",
      { extraArgs: ["--kube-proxy-replacement=false"] },
      {},
      /^extraArgs sets kube-proxy/,
    ],
  ])("%s is refused", (_name, values, choice, expected) => {
    expect(errors(values, choice)).toEqual([expect.stringMatching(expected)]);
  });

  it.each<[string, HelmValues, Choice]>([
    ["BBR with BPF host routing", BBR, {}],
    [
      "BBR of the host alone",
      { bandwidthManager: { enabled: true, bbr: true, bbrHostNamespaceOnly: true } },
      { mode: "replacement" },
    ],
    ["BIG TCP with BPF host routing", { enableIPv4BIGTCP: true }, {}],
    ["BIG TCP with iptables", { enableIPv4BIGTCP: true }, { mode: "replacement" }],
    ["BIG TCP in a newer tunnel", { enableIPv4BIGTCP: true }, { tunnel: "vxlan" }],
    ["an egress gateway with BPF", { egressGateway: { enabled: true } }, {}],
    ["devices of iptables with iptables", { egressMasqueradeInterfaces: "eth0" }, { mode: "replacement" }],
    ["DSR in native routing", DSR, {}],
    ["8191 flows", { hubble: { eventBufferCapacity: 8191 } }, {}],
    ["TCP flags", { bpf: { monitorFlags: "syn fin" } }, {}],
    ["a NAT that fits the connections", { bpf: { natMax: 150000, ctTcpMax: 131072, ctAnyMax: 65536 } }, {}],
    ["a lease", { l2announcements: { leaseDuration: "1m15s", leaseRenewDeadline: "500ms" } }, {}],
    ["DSR in Geneve", GENEVE, { tunnel: "geneve" }],
    ["Geneve dispatch with Geneve", { ...GENEVE, tunnelProtocol: "geneve" }, {}],
    ["IPsec with Legacy host routing", IPSEC, { version: "1.18.12", mode: "replacement" }],
    ["IPsec of a Cilium that knows it", IPSEC, { version: "1.19.6" }],
    ["WireGuard", WIREGUARD, { version: "1.18.12" }],
    [
      "WireGuard in an old agent without BPF",
      { ...WIREGUARD, l7Proxy: false },
      { version: "1.13.18", mode: "replacement" },
    ],
    ["a cluster's id in a larger mesh", { cluster: { id: 300 }, clustermesh: { maxConnectedClusters: 511 } }, {}],
    ["endpoint routes", { endpointRoutes: { enabled: true } }, { version: "1.14.19" }],
    ["IPv6", { ipv6: { enabled: true } }, { version: "1.14.19" }],
    ["IPv6 that nobody masquerades", { ipv6: { enabled: true }, enableIPv6Masquerade: false }, { version: "1.13.18" }],
    [
      "no remote nodes' identities with iptables",
      { remoteNodeIdentity: false },
      { version: "1.14.19", mode: "replacement" },
    ],
    ["XDP in a tunnel", { loadBalancer: { acceleration: "native" } }, { tunnel: "vxlan" }],
    [
      "strict encryption",
      { encryption: { ...WIREGUARD.encryption, strictMode: { egress: { enabled: true, cidr: "10.0.0.1/8" } } } },
      {},
    ],
    [
      "strict encryption by the older value",
      { encryption: { ...WIREGUARD.encryption, strictMode: { enabled: true, cidr: "10.0.0.0/8" } } },
      { version: "1.19.6" },
    ],
    ["strict encryption that is off", { encryption: { strictMode: { enabled: true } } }, { version: "1.16.19" }],
    ["unreachable nodes with direct routes", { directRoutingSkipUnreachable: true }, {}],
    [
      "an old egress gateway with CiliumEndpointSlices",
      { egressGateway: { enabled: true }, enableCiliumEndpointSlice: true },
      { version: "1.14.19" },
    ],
    ["a key past the values that agrees", { extraConfig: { "enable-bpf-masquerade": "true" } }, {}],
    ["a key past the values that no setting decides", { extraConfig: { "bpf-lb-mode": "snat" } }, {}],
  ])("%s is accepted", (_name, values, choice) => {
    expect(errors(values, choice)).toEqual([]);
  });
});

describe("a rendered cilium-config", () => {
  const found = (config: Record<string, string>, version = "1.20.2") =>
    agentFindings(config, version, (key) => key).map(({ key, rule }) => `${key} ${rule}`);

  it.each<[string, Record<string, string>, RegExp]>([
    [
      "a large number as charts print it",
      { "bpf-events-default-rate-limit": "1e+06", "bpf-events-default-burst-limit": "5" },
      /whole number, got "1e\+06"; set extraConfig: \{bpf-events-default-rate-limit: "1000000"\} instead$/,
    ],
    ["a number that is none", { mtu: "auto" }, /^mtu .*"auto"; set a whole number$/],
    ["a switch that is none", { "enable-tcx": "yes" }, /^enable-tcx .* as true or false, got "yes"/],
    ["a duration that is none", { "l2-announcements-lease-duration": "15 s" }, /such as 15s or 1h30m$/],
    ["a table of Maglev that is not prime", { "bpf-lb-maglev-table-size": "1000" }, /^bpf-lb-maglev-table.* 251, 509/],
    ["a short seed of Maglev", { "bpf-lb-maglev-hash-seed": "abc" }, /^bpf-lb-maglev-hash-seed .*base64 -w0$/],
    ["a device instead of a network", { "nodeport-addresses": "eth0" }, /networks such as 192\.168/],
    ["a device among networks", { "nodeport-addresses": "10.0.0.0/8,eth0" }, /^nodeport-addresses .*no devices$/],
    ["ports with spaces", { "container-ip-local-reserved-ports": "80 90" }, /such as 80,8000-8100$/],
    [
      "a network with too many bits",
      { "exclude-local-address": "10.0.0.0/33" },
      /^exclude-local-address .*10\.0\.0\.0\/24/,
    ],
    ["networks with commas", { "exclude-local-address": "10.0.0.0/24,fd00::/8" }, /separated by spaces$/],
    [
      "an unfinished pattern of labels",
      { labels: "k8s:app k8s:[a" },
      /^labels ends the agent: .*k8s:!kubernetes\\\.io$/,
    ],
    ["a pattern without a start", { labels: "!*hash" }, /^labels /],
    ["a pattern that Go does not know", { labels: "k8s:(?!app).*" }, /^labels /],
    ["a source without a pattern", { labels: "k8s:" }, /^labels /],
    ["a negative MTU", { mtu: "-1" }, /^mtu leaves pods without a network: .* from 68 to 65535;/],
    ["an MTU that no device takes", { mtu: "90000" }, /^mtu leaves/],
    ["a VLAN by name", { "vlan-bpf-bypass": "5 vlan7" }, /^vlan-bpf-bypass .*numbers$/],
    ["announcements without devices", { "enable-l2-pod-announcements": "true" }, /interfacePattern: eth0$/],
    ["a metric that Hubble does not have", { "hubble-metrics": "dns\nlatency" }, /^hubble-metrics .* flows-to-world/],
    [
      "metrics from two places",
      { "hubble-metrics": "dns", "hubble-dynamic-metrics-config-path": "/x" },
      /^hubble-dynamic-metrics-config-path .*not in both$/,
    ],
    ["CIDR modes that are none", { "policy-cidr-match-mode": "node" }, /^policy-cidr-match-mode .*nodes, pods$/],
    [
      "BBR of the host without BBR",
      { "enable-bandwidth-manager": "true", "enable-bbr-hostns-only": "true" },
      /needs bandwidthManager\.bbr: true$/,
    ],
    [
      "more endpoints of VTEP than networks",
      {
        "enable-vtep": "true",
        "vtep-endpoint": "10.1.0.1 10.1.0.2",
        "vtep-cidr": "10.2.1.0/24",
        "vtep-mask": "255.255.255.0",
        "vtep-mac": "82:36:4c:98:2e:56",
      },
      /^enable-vtep .*as many entries each/,
    ],
  ])("with %s is refused", (_name, config, expected) => {
    expect(found(config)).toEqual([expect.stringMatching(expected)]);
  });

  it("with what agents can read is accepted", () => {
    expect(
      found({
        "monitor-aggregation-interval": "5s",
        "bpf-map-dynamic-size-ratio": "0.0025",
        "enable-policy": "default",
        "enable-cilium-api-server-access": "list",
        "enable-tcx": "true",
        "identity-change-grace-period": "5",
        "hubble-metrics": "dns:query;ignoreAAAA httpV2:exemplars=true",
        "enable-vtep": "false",
        "vtep-endpoint": "",
        mtu: "0x578",
        labels: "k8s:io\\.kubernetes k8s:!app (?i)tier ^* any:.*",
        "bpf-lb-maglev-hash-seed": "JLfvgnHc2kaSUFaI",
        "bpf-lb-maglev-table-size": "65521",
        "nodeport-addresses": "192.168.0.0/16 fd00::/8",
      }),
    ).toEqual([]);
    expect(found({ mtu: "0", labels: "" })).toEqual([]);
    expect(found({ "nodeport-addresses": "192.168.0.0/16,fd00::/8" })).toEqual([]);
    // an old agent does not use the table without Maglev
    expect(found({ "bpf-lb-maglev-table-size": "1000" }, "1.16.19")).toEqual([]);
    expect(found({ "bpf-lb-maglev-table-size": "1000", "bpf-lb-algorithm": "maglev" }, "1.16.19")).toHaveLength(1);
  });
});
