import { ciliumValues, valueAt, type CiliumValuesArgs, type HelmValue } from "./ciliumValues";
import { has, type Since } from "./ciliumVersion";
import { MODE_CONTRACTS } from "./contract";
import { same } from "./tree";

/** What is wrong with one of the extra Helm values. */
export interface ValueFinding {
  /** `error`: the chart or the agent would refuse it, or it breaks the mode; `warning`: it would have no or another effect. */
  readonly severity: "error" | "warning";
  /** Path of the value, such as `bpf.masquerade`. */
  readonly key: string;
  /** The rule, and the right key or value. */
  readonly rule: string;
}

/** Values that a setting of this project decides, and that setting. */
const SETTINGS: Readonly<Record<string, string>> = {
  kubeProxyReplacement: "kubeProxyReplacement",
  tunnel: "tunnel",
  routingMode: "tunnel",
  tunnelProtocol: "tunnel",
  "bpf.masquerade": "bpf.masquerade",
  "cluster.name": "cluster.name",
  ipv4NativeRoutingCIDR: "cilium.nativeRoutingCIDR",
  autoDirectNodeRoutes: "cilium.autoDirectNodeRoutes",
  "ipam.operator.clusterPoolIPv4PodCIDRList": "cluster.podCidr",
};

/** `k8sServiceHost: auto` is looked up in the cluster by the chart; before, it was a host's name. */
const AUTOMATIC_HOST: Since = ["1.16.0-pre.2"];

type Show = (value: HelmValue) => string;

/** A value that must not be what it is, by key: the reason, or undefined when it may stay. */
type Rule = (value: HelmValue, args: CiliumValuesArgs, shown: Show) => Omit<ValueFinding, "key"> | undefined;

const error = (rule: string): Omit<ValueFinding, "key"> => ({ severity: "error", rule });
const warning = (rule: string): Omit<ValueFinding, "key"> => ({ severity: "warning", rule });

const RULES: Readonly<Record<string, Rule>> = {
  "bpf.hostLegacyRouting": (value, { mode }) =>
    String(value) === "true" && MODE_CONTRACTS[mode].hostRouting === "BPF"
      ? error(`takes BPF host routing away, which the mode ${mode} is made of; for Legacy set bpf.masquerade: false`)
      : undefined,
  enableIPv4Masquerade: (value) =>
    String(value) === "false"
      ? error("leaves pods without a way out of the cluster, and the mode without its masquerading")
      : undefined,
  "ipam.mode": (value, _args, shown) =>
    value === "cluster-pool"
      ? undefined
      : error(`must stay cluster-pool, got ${shown(value)}; pod networks come from cluster.podCidr`),
  "ipam.operator.clusterPoolIPv4MaskSize": (value, _args, shown) =>
    Number(value) === 24
      ? undefined
      : error(`must stay 24, got ${shown(value)}; outputs and checks count on a /24 for each node`),
  "operator.replicas": (value, { nodeCount }, shown) =>
    Number(value) > nodeCount
      ? error(
          `must be at most ${nodeCount}, got ${shown(value)}; two operators refuse to share a node, and Helm would wait for the rest`,
        )
      : undefined,
  "debug.verbose": (value, _args, shown) =>
    value === null || typeof value === "string"
      ? undefined
      : error(`must be text, words parted by spaces, got ${shown(value)}`),
  k8sServiceHost: (value, { version, clusterName }) => {
    if (value !== "auto") return undefined;
    const fix = `leave it out, and it is ${clusterName}-control-plane`;
    return has(AUTOMATIC_HOST, version)
      ? warning(
          `is looked up in the cluster only when Helm installs, and "auto" stands in every offline rendering; ${fix}`,
        )
      : error(`would be a host named "auto" to Cilium ${version}; ${fix}`);
  },
  kubeProxyReplacement: (value, { version }) =>
    typeof value === "boolean" && value && !has(["1.14.0-snapshot.0"], version)
      ? error(
          `must be text in the chart of Cilium ${version}, which cannot compare true; use the setting kubeProxyReplacement of this project`,
        )
      : undefined,
};

/** What the extra values take away from the mode, or from the settings that decide it. */
export function contradictions(args: CiliumValuesArgs, shown: Show): ValueFinding[] {
  const own = ciliumValues({ ...args, extraValues: {} });
  const broken = Object.entries(RULES).flatMap(([key, rule]) => {
    const value = valueAt(args.extraValues, key);
    const found = value === undefined ? undefined : rule(value, args, shown);
    return found === undefined ? [] : [{ ...found, key }];
  });
  const told = new Set(broken.map(({ key }) => key));
  const overruled = Object.entries(SETTINGS).flatMap(([key, setting]): ValueFinding[] => {
    const value = valueAt(args.extraValues, key);
    const decided = valueAt(own, key);
    // a value that the chart does not read is told apart; templates print true and "true" alike
    if (value === undefined || told.has(key) || decided === undefined || same(value, decided)) return [];
    return [
      {
        severity: "error",
        key,
        rule: `is ${shown(decided)} by the setting ${setting}, got ${shown(value)}; change the setting instead`,
      },
    ];
  });
  return [...broken, ...overruled];
}
