import type { HelmValues } from "../../modes/ciliumValues";

/** What a chart makes of a value: key of `cilium-config` to its value there, `refused`, or `ignored`. */
type Outcome = Readonly<Record<string, string>> | "refused" | "ignored";

/** One row: a value that somebody may set, and its outcome in charts by version. */
export interface ValueRow {
  readonly name: string;
  readonly values: HelmValues;
  /** For a value that is seen in the manifests beside cilium-config. */
  readonly outcomes: Readonly<Record<string, Outcome>>;
  /** What the lint says of it, by version: part of the finding; none where it is fine. */
  readonly lint: Readonly<Record<string, string | undefined>>;
}

const each = <T>(versions: readonly string[], value: T) =>
  Object.fromEntries(versions.map((version) => [version, value]));

const OLD = ["1.12.4", "1.13.0-rc5", "1.13.18"] as const;
const MIDDLE = ["1.14.19", "1.15.0", "1.15.19"] as const;
const NEW = ["1.16.0", "1.16.19", "1.17.18", "1.18.12", "1.19.6", "1.20.0"] as const;
const ALL = [...OLD, ...MIDDLE, ...NEW];

const VXLAN = { "routing-mode": "tunnel", "tunnel-protocol": "vxlan" };
const NATIVE = { "routing-mode": "native" };

/**
 * Helm values that charts of Cilium ignore, refuse or take otherwise than meant, as rendered from the charts themselves
 * (tests/charts), with what the lint says of them (tests/unit).
 */
export const VALUE_TABLE: readonly ValueRow[] = [
  {
    name: "nothing",
    values: {},
    outcomes: {
      ...each(OLD, { tunnel: "vxlan", "kube-proxy-replacement": "disabled", "monitor-aggregation": "medium" }),
      ...each([...MIDDLE, ...NEW], { ...VXLAN, "kube-proxy-replacement": "false", "monitor-aggregation": "medium" }),
    },
    lint: {},
  },
  {
    name: "ipv4NativeRoutingCIDR",
    values: { ipv4NativeRoutingCIDR: "10.0.0.0/8" },
    outcomes: each(ALL, { "ipv4-native-routing-cidr": "10.0.0.0/8" }),
    lint: {},
  },
  {
    name: "tunnel=disabled",
    values: { tunnel: "disabled", ipv4NativeRoutingCIDR: "10.0.0.0/8" },
    outcomes: {
      ...each(OLD, { tunnel: "disabled" }),
      "1.14.19": NATIVE,
      "1.15.0": VXLAN,
      "1.15.19": "refused",
      "1.16.0": VXLAN,
      ...each(NEW.slice(1), "refused"),
    },
    lint: {
      ...each(["1.15.0", "1.16.0"], "tunnel: is ignored"),
      ...each(["1.15.19", ...NEW.slice(1)], "tunnel: is rejected"),
    },
  },
  {
    name: "routingMode=native",
    values: { routingMode: "native", ipv4NativeRoutingCIDR: "10.0.0.0/8" },
    outcomes: { ...each(OLD, { tunnel: "vxlan" }), ...each([...MIDDLE, ...NEW], NATIVE) },
    lint: each(OLD, "routingMode: is ignored"),
  },
  {
    name: "tunnel=disabled with routingMode=native",
    values: { tunnel: "disabled", routingMode: "native", ipv4NativeRoutingCIDR: "10.0.0.0/8" },
    outcomes: {
      ...each(OLD, { tunnel: "disabled" }),
      ...each(["1.14.19", "1.15.0", "1.16.0"], NATIVE),
      ...each(["1.15.19", ...NEW.slice(1)], "refused"),
    },
    lint: {
      ...each(OLD, "routingMode: is ignored"),
      ...each(["1.15.0", "1.16.0"], "tunnel: is ignored"),
      ...each(["1.15.19", ...NEW.slice(1)], "tunnel: is rejected"),
    },
  },
  {
    name: "kubeProxyReplacement=strict",
    values: { kubeProxyReplacement: "strict" },
    outcomes: { ...each([...OLD, ...MIDDLE], { "kube-proxy-replacement": "strict" }), ...each(NEW, "refused") },
    // measured by the mode replacement, whose own value it is in the old charts
    lint: each([...MIDDLE, ...NEW], 'kubeProxyReplacement: is "true" according to the setting kubeProxyReplacement'),
  },
  {
    name: "kubeProxyReplacement=partial",
    values: { kubeProxyReplacement: "partial" },
    outcomes: { ...each([...OLD, ...MIDDLE], { "kube-proxy-replacement": "partial" }), ...each(NEW, "refused") },
    lint: each(ALL, "according to the setting kubeProxyReplacement"),
  },
  {
    name: "kubeProxyReplacement=probe",
    values: { kubeProxyReplacement: "probe" },
    outcomes: {
      ...each(["1.12.4", "1.13.0-rc5"], { "kube-proxy-replacement": "probe" }),
      ...each(["1.13.18", ...MIDDLE, ...NEW], "refused"),
    },
    lint: each(ALL, "according to the setting kubeProxyReplacement"),
  },
  {
    name: "kubeProxyReplacement=true",
    values: { kubeProxyReplacement: true },
    outcomes: { ...each(OLD, "refused"), ...each([...MIDDLE, ...NEW], { "kube-proxy-replacement": "true" }) },
    lint: each(OLD, "kubeProxyReplacement: must be a string"),
  },
  {
    name: 'kubeProxyReplacement="true"',
    values: { kubeProxyReplacement: "true" },
    outcomes: {
      ...each(["1.12.4", "1.13.0-rc5"], { "kube-proxy-replacement": "true" }),
      "1.13.18": "refused",
      ...each([...MIDDLE, ...NEW], { "kube-proxy-replacement": "true" }),
    },
    lint: each(OLD, 'kubeProxyReplacement: is "strict" according to the setting kubeProxyReplacement'),
  },
  {
    name: "kubeProxyReplacement=false",
    values: { kubeProxyReplacement: false },
    outcomes: {
      ...each(OLD, { "kube-proxy-replacement": "disabled" }),
      ...each(MIDDLE, {
        "kube-proxy-replacement": "false",
        "enable-node-port": "false",
        "enable-external-ips": "false",
      }),
      ...each(["1.16.0", "1.16.19"], { "kube-proxy-replacement": "false", "enable-external-ips": "false" }),
      ...each(["1.17.18", "1.18.12"], { "kube-proxy-replacement": "false", "enable-node-port": "false" }),
      ...each(["1.19.6", "1.20.0"], { "kube-proxy-replacement": "false" }),
    },
    lint: each(ALL, "according to the setting kubeProxyReplacement"),
  },
  {
    name: "nativeRoutingCIDR",
    values: { nativeRoutingCIDR: "10.0.0.0/8" },
    outcomes: each(ALL, "ignored"),
    lint: each(ALL, "nativeRoutingCIDR: is ignored"),
  },
  {
    name: "monitorAggregation=none",
    values: { monitorAggregation: "none" },
    outcomes: each(ALL, { "monitor-aggregation": "medium" }),
    lint: each(ALL, "monitorAggregation: is ignored by the chart of Cilium"),
  },
  {
    name: "bpf.monitorAggregation=none",
    values: { bpf: { monitorAggregation: "none" } },
    outcomes: each(ALL, { "monitor-aggregation": "none" }),
    lint: {},
  },
  {
    name: "bpf.hostLegacyRouting=true",
    values: { bpf: { hostLegacyRouting: true } },
    outcomes: each(ALL, { "enable-host-legacy-routing": "true" }),
    lint: {},
  },
  {
    name: "hostRouting=true",
    values: { hostRouting: true },
    outcomes: each(ALL, "ignored"),
    lint: each(ALL, "hostRouting: is ignored"),
  },
  {
    name: "bpf.masquerade=true",
    values: { bpf: { masquerade: true } },
    outcomes: each(ALL, { "enable-bpf-masquerade": "true" }),
    // measured by the mode replacement
    lint: each(ALL, "bpf.masquerade: is false according to the setting bpf.masquerade"),
  },
  {
    name: 'bpf.masquerade="true"',
    values: { bpf: { masquerade: "true" } },
    outcomes: { ...each([...OLD, ...MIDDLE], { "enable-bpf-masquerade": "true" }), ...each(NEW, "refused") },
    lint: {
      ...each([...OLD, ...MIDDLE], "bpf.masquerade: is false according to the setting bpf.masquerade"),
      ...each(NEW, "bpf.masquerade: must be"),
    },
  },
  {
    name: 'operator.replicas="1"',
    values: { operator: { replicas: "1" } },
    outcomes: { ...each([...OLD, ...MIDDLE], {}), ...each(NEW, "refused") },
    lint: each(NEW, "operator.replicas: must be an integer"),
  },
  {
    name: 'debug.enabled="true"',
    values: { debug: { enabled: "true" } },
    outcomes: { ...each([...OLD, ...MIDDLE], { debug: "true" }), ...each(NEW, "refused") },
    lint: each(ALL, "debug.enabled: must be true or false"),
  },
  {
    name: "debug.verbose=[datapath]",
    values: { debug: { enabled: true, verbose: ["datapath"] } },
    outcomes: each(NEW, "refused"),
    lint: each(ALL, "debug.verbose: must be a string"),
  },
  {
    name: "cluster.name of 33 characters",
    values: { cluster: { name: "c".repeat(33) } },
    outcomes: { ...each([...OLD, ...MIDDLE], { "cluster-name": "c".repeat(33) }), ...each(NEW, "refused") },
    lint: each(ALL, 'cluster.name: is "c1" according to the setting cluster.name'),
  },
  {
    name: "k8sServiceHost=auto",
    values: { k8sServiceHost: "auto" },
    // 1.17 and 1.18 write the word where nothing can be looked up
    outcomes: {
      ...each([...OLD, ...MIDDLE, "1.16.19", "1.17.18", "1.18.12"], {}),
      ...each(["1.16.0", "1.19.6", "1.20.0"], "refused"),
    },
    lint: {
      ...each([...OLD, ...MIDDLE], 'k8sServiceHost: is a host named "auto"'),
      ...each(NEW, "k8sServiceHost: is looked up only when Helm installs"),
    },
  },
  {
    // charts up to 1.13 write it with kubeProxyReplacement=partial only
    name: "nodePort.enabled=true",
    values: { nodePort: { enabled: true } },
    outcomes: {
      ...each([...MIDDLE, "1.16.0", "1.16.19", "1.17.18", "1.18.12"], { "enable-node-port": "true" }),
      ...each(["1.19.6", "1.20.0"], "ignored"),
    },
    lint: each(["1.19.6", "1.20.0"], "nodePort.enabled: is ignored"),
  },
  {
    name: "externalIPs.enabled=true",
    values: { externalIPs: { enabled: true } },
    outcomes: each(["1.17.18", "1.18.12", "1.19.6", "1.20.0"], "ignored"),
    lint: each(["1.17.18", "1.18.12", "1.19.6", "1.20.0"], "externalIPs: is ignored"),
  },
  {
    name: "hostPort.enabled=true",
    values: { hostPort: { enabled: true } },
    outcomes: each(["1.18.12", "1.19.6", "1.20.0"], "ignored"),
    lint: each(["1.18.12", "1.19.6", "1.20.0"], "hostPort: is ignored"),
  },
  {
    name: "hostServices.enabled=true",
    values: { hostServices: { enabled: true } },
    outcomes: each(ALL.slice(1), "ignored"),
    lint: each(ALL.slice(1), "hostServices: is ignored by"),
  },
  {
    name: "an unknown key",
    values: { noSuchKey: { a: 1 } },
    outcomes: each(ALL, "ignored"),
    lint: each(ALL, "noSuchKey: is ignored"),
  },
];

/** The versions of the table's columns. */
export const TABLE_VERSIONS: readonly string[] = ALL;
