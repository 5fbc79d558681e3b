import { ChartKeys } from "./chartKeys";
import { valueAt, type CiliumValuesArgs, type HelmValue } from "./ciliumValues";
import { has, type Since } from "./ciliumVersion";
import { MODE_CONTRACTS } from "./contract";
import type { ValueFinding } from "./valueFinding";

/** A TCP port on which Cilium listens in the network of nodes. */
interface HostPort {
  /** Path of the Helm value with the port, or with an address that ends with it; "" for a port that is fixed. */
  readonly path: string;
  /** The chart's port; 0 for none. */
  readonly port: number;
  /** Who listens, and for what. */
  readonly who: string;
  /** Whether it does. Default: it always does. */
  readonly isOn?: (given: Given) => boolean;
}

interface Given {
  readonly args: CiliumValuesArgs;
  /** Whether a switch is on. @param byDefault what the chart has */
  readonly on: (path: string, byDefault: boolean) => boolean;
}

/** From here on the chart runs Envoy in pods of its own unless values say otherwise. */
const ENVOY_PODS: Since = ["1.16.0-pre.0"];

/** From here on the operator has metrics unless values say otherwise. */
const OPERATOR_METRICS: Since = ["1.15.0-pre.0"];

const hasEnvoy = ({ args, on }: Given) =>
  on("l7Proxy", true) && on("envoy.enabled", has(ENVOY_PODS, args.version) && !on("upgradeCompatibility", false));
const operates = ({ on }: Given) => on("operator.hostNetwork", true);

/**
 * Ports of agents, the operator and Envoy, which have the nodes' network. Sources: the templates of the packaged charts
 * 1.12.4 to 1.20.0, and https://docs.cilium.io/en/v1.20/operations/system_requirements/#firewall-rules
 */
export const HOST_PORTS: readonly HostPort[] = [
  { path: "healthPort", port: 9879, who: "the agent's health check" },
  {
    path: "clusterHealthPort",
    port: 4240,
    who: "the agent's health checks of nodes",
    isOn: ({ on }) => on("healthChecking", true),
  },
  { path: "", port: 9890, who: "the agent's gops" },
  {
    path: "prometheus.port",
    port: 9962,
    who: "the agent's metrics",
    isOn: ({ on }) => on("prometheus.enabled", false),
  },
  { path: "pprof.port", port: 6060, who: "the agent's pprof", isOn: ({ on }) => on("pprof.enabled", false) },
  {
    path: "dnsProxy.proxyPort",
    port: 0,
    who: "the agent's DNS proxy",
    isOn: ({ on }) => on("l7Proxy", true),
  },
  {
    path: "authentication.mutual.port",
    port: 4250,
    who: "the agent's mutual authentication",
    isOn: ({ on }) => on("authentication.mutual.spire.enabled", false),
  },
  {
    path: "kubeProxyReplacementHealthzBindAddr",
    port: 0,
    who: "the agent's health check instead of kube-proxy's",
    isOn: ({ args }) => MODE_CONTRACTS[args.mode].switches.kubeProxyReplacement !== false,
  },
  { path: "hubble.listenAddress", port: 4244, who: "Hubble", isOn: ({ on }) => on("hubble.enabled", true) },
  {
    path: "hubble.metrics.port",
    port: 9965,
    who: "Hubble's metrics",
    isOn: ({ on }) => on("hubble.enabled", true) && on("hubble.metrics.enabled", false),
  },
  { path: "envoy.healthPort", port: 9878, who: "Envoy's health check", isOn: hasEnvoy },
  {
    path: "envoy.prometheus.port",
    port: 9964,
    who: "Envoy's metrics",
    isOn: (given) => hasEnvoy(given) && given.on("envoy.prometheus.enabled", true),
  },
  {
    path: "envoy.debug.admin.port",
    port: 9901,
    who: "Envoy's administration",
    isOn: (given) => hasEnvoy(given) && given.on("envoy.debug.admin.enabled", false),
  },
  {
    path: "ingressController.hostNetwork.sharedListenerPort",
    port: 8080,
    who: "Envoy's listener of Ingresses",
    isOn: ({ on }) => on("ingressController.enabled", false) && on("ingressController.hostNetwork.enabled", false),
  },
  { path: "", port: 9234, who: "the operator's health check", isOn: operates },
  { path: "", port: 9891, who: "the operator's gops", isOn: operates },
  {
    path: "operator.prometheus.port",
    port: 9963,
    who: "the operator's metrics",
    isOn: (given) =>
      operates(given) && given.on("operator.prometheus.enabled", has(OPERATOR_METRICS, given.args.version)),
  },
  {
    path: "operator.pprof.port",
    port: 6061,
    who: "the operator's pprof",
    isOn: (given) => operates(given) && given.on("operator.pprof.enabled", false),
  },
];

/** Ports of kind's nodes, of which the control plane has those after the kubelet's. */
const OF_KIND: readonly (readonly [port: number, who: string])[] = [
  [10250, "the kubelet"],
  [10248, "the kubelet's health check"],
  [6443, "the API server"],
  [2379, "etcd"],
  [2380, "etcd"],
  [2381, "etcd's metrics"],
  [10257, "the controller manager"],
  [10259, "the scheduler"],
];
const OF_KUBE_PROXY: typeof OF_KIND = [
  [10249, "kube-proxy's metrics"],
  [10256, "kube-proxy's health check"],
];

/** Ports that values set and a program on the same node has. @param shown a value as messages may show it */
export function portFindings(
  args: CiliumValuesArgs,
  shown: (value: HelmValue) => string,
  isKind: boolean,
): ValueFinding[] {
  const chart = new ChartKeys(args.version);
  const known = (path: string) => (chart.typesOf(path) === undefined ? undefined : valueAt(args.extraValues, path));
  const on = (path: string, byDefault: boolean) => {
    const value = known(path) ?? byDefault;
    return Array.isArray(value) ? value.length > 0 : !["false", ""].includes(String(value));
  };
  const own = HOST_PORTS.filter(
    ({ path, isOn }) => (path === "" || chart.typesOf(path) !== undefined) && (isOn?.({ args, on }) ?? true),
  ).map(({ path, port, who }) => {
    const value = path === "" ? undefined : (known(path) ?? undefined);
    return {
      path,
      value,
      port: value === undefined ? port : portOf(value),
      who: path === "" ? who : `${who} (${path})`,
    };
  });
  const ofProxy = MODE_CONTRACTS[args.mode].kubeProxyMode === "none" ? [] : OF_KUBE_PROXY;
  const others = (isKind ? [...OF_KIND, ...ofProxy] : []).map(([port, who]) => ({ port, who, value: undefined }));
  return own.flatMap(({ path, value, port }, index): ValueFinding[] => {
    if (value === undefined || port === 0) return [];
    // of two that are set, the later one is to blame
    const taken = [...own, ...others].find(
      (other, position) => other.port === port && (position < index || (position > index && other.value === undefined)),
    );
    if (taken === undefined) return [];
    return [
      {
        severity: "error",
        key: path,
        rule: `is ${shown(value)}, the port of ${taken.who} on the same nodes; set another, or remove it`,
      },
    ];
  });
}

/** The port of a port or of an address, as values have them; 0 if there is none. */
const portOf = (value: HelmValue) => Number(/(?:^|:)(\d+)$/.exec(String(value))?.[1] ?? 0);
