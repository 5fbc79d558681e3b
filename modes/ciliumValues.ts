import { chartImages, ChartKeys } from "./chartKeys";
import { has, type Since } from "./ciliumVersion";
import { MODE_CONTRACTS, replacementWord, type RoutingMode, type Tunnel } from "./contract";
import { datapathOptions, usesDsr, type DatapathChoice } from "./datapathChoice";
import { ipamValues, type PodNetworks } from "./ipam";
import type { KubeProxyMode } from "./kubeProxy";
import { at } from "./tree";

/** A value of a Helm chart. */
export type HelmValue = string | number | boolean | null | readonly HelmValue[] | { readonly [key: string]: HelmValue };
/** Helm values by top-level key. */
export type HelmValues = { readonly [key: string]: HelmValue };

/** Overrides of an image in Cilium's chart. */
export interface ImageOverride {
  /** Name without tag. Default: the chart's. */
  readonly repository?: string | undefined;
  /** Tag. Default: the chart's. */
  readonly tag?: string | undefined;
  /** Append the chart's digest. Default: true for the chart's own repository and tag, unless images are loaded. */
  readonly useDigest?: boolean | undefined;
}

/** Address of the API server that is reachable without kube-proxy. */
export interface ApiServer {
  /** Host name or IPv4 address. */
  readonly host: string;
  /** Port, 1 to 65535. */
  readonly port: number;
}

/** Inputs of Cilium's Helm values. */
export interface CiliumValuesArgs extends PodNetworks, DatapathChoice {
  /** Version of chart and images without v. */
  readonly version: string;
  /** Routing mode that the values select. */
  readonly mode: RoutingMode;
  /** Encapsulation of pod traffic between nodes. */
  readonly tunnel: Tunnel;
  /** Cilium's name of the cluster; with kind also part of the control plane's host name. */
  readonly clusterName: string;
  /** Number of nodes, including the control plane. */
  readonly nodeCount: number;
  /** Address of the API server that agents can reach without kube-proxy. Default: kind's control plane. */
  readonly apiServer?: ApiServer | undefined;
  /** IPv4 network that pods reach without masquerading in native routing. */
  readonly nativeRoutingCIDR: string;
  /** Whether agents install routes to the pods of other nodes. Default: true in native routing, false with a tunnel. */
  readonly autoDirectNodeRoutes?: boolean | undefined;
  /** How kube-proxy translates Services, where the stack sets it. Default: `iptables`; in an external cluster unknown. */
  readonly kubeProxyMode?: KubeProxyMode | undefined;
  /** Overrides of the chart's images. */
  readonly images: {
    /** Image of the agent and its init containers. */
    readonly agent: ImageOverride;
    /** Image of the operator; the chart appends `-generic` to the repository. */
    readonly operator: ImageOverride;
    /** Image of Envoy. */
    readonly envoy: ImageOverride;
  };
  /** Parts of Hubble in addition to the agents. Default: none. */
  readonly hubble?:
    | {
        /** Hubble Relay, which collects the flows of all agents. */
        readonly relay: boolean;
        /** The Hubble UI, which requires the relay. */
        readonly ui: boolean;
      }
    | undefined;
  /** Whether images are loaded into the nodes, which find them by tag only. Default: false. */
  readonly loadImages?: boolean | undefined;
  /** Values that are merged last. */
  readonly extraValues: HelmValues;
}

/** From here on chart and `cilium-config` have `routingMode` and `tunnelProtocol` instead of `tunnel`. */
export const ROUTING_MODE: Since = ["1.14.0-snapshot.2"];

/** From here on agents masquerade IPv6 in BPF; before, they end. */
const BPF_IPV6_MASQUERADE: Since = ["1.14.0-snapshot.0"];

/** Whether pods' IPv6 traffic is masqueraded on its way out of a dual-stack cluster. */
export const masqueradesIpv6 = ({
  mode,
  version,
  extraValues = {},
}: Pick<CiliumValuesArgs, "mode" | "version"> & Partial<Pick<CiliumValuesArgs, "extraValues">>) =>
  String(valueAt(extraValues, "enableIPv6Masquerade")) !== "false" &&
  (!MODE_CONTRACTS[mode].switches.bpfMasquerade || has(BPF_IPV6_MASQUERADE, version));

/** From here on the chart can run Envoy in pods of its own. */
const ENVOY: Since = ["1.14.0-snapshot.3"];

/**
 * The Helm values that select a routing mode in a chart of Cilium 1.12 or newer.
 * Reference: https://github.com/cilium/charts/tree/master (values.yaml of the packaged charts).
 */
export function ciliumValues(args: CiliumValuesArgs): HelmValues {
  const { switches } = MODE_CONTRACTS[args.mode];
  const native = args.tunnel === "disabled";
  // by name, since Docker may assign another address to kind's control plane when it restarts
  const apiServer = args.apiServer ?? { host: controlPlaneName(args.clusterName), port: 6443 };
  const own: HelmValues = {
    cluster: { name: args.clusterName },
    k8sServiceHost: apiServer.host,
    k8sServicePort: apiServer.port,
    kubeProxyReplacement: replacementWord(switches.kubeProxyReplacement, args.version),
    ...tunnelValues(args),
    ...(native ? { ipv4NativeRoutingCIDR: args.nativeRoutingCIDR } : {}),
    ...ipv6Values(args),
    autoDirectNodeRoutes: args.autoDirectNodeRoutes ?? native,
    ipam: ipamValues(args),
    // without aggregation, monitors see every packet
    bpf: {
      masquerade: switches.bpfMasquerade,
      ...(switches.hostLegacyRouting ? { hostLegacyRouting: true } : {}),
      monitorAggregation: "none",
    },
    debug: { enabled: true, verbose: "datapath" },
    ...imageBlock(args.images.agent),
    // two operators cannot run on one node
    operator: { replicas: Math.min(2, args.nodeCount), rollOutPods: true, ...imageBlock(args.images.operator) },
    ...(has(ENVOY, args.version) ? { envoy: { rollOutPods: true, ...imageBlock(args.images.envoy) } } : {}),
    ...hubbleValues(args),
    // agents read cilium-config only when they start, so a changed mode requires a rollout
    rollOutCiliumPods: true,
  };
  const chosen = mergeValues(own, choiceValues(args));
  return mergeValues(args.loadImages ? mergeValues(withoutDigests(args.version), chosen) : chosen, args.extraValues);
}

/** The Helm values of the second family; none without one. */
export function ipv6Values(
  args: Pick<CiliumValuesArgs, "ipv6" | "tunnel" | "mode" | "version" | "extraValues">,
): HelmValues {
  if (args.ipv6 === undefined) return {};
  return {
    ipv6: { enabled: true },
    ...(args.tunnel === "disabled" ? { ipv6NativeRoutingCIDR: args.ipv6.nativeRoutingCIDR } : {}),
    ...(masqueradesIpv6(args) ? {} : { enableIPv6Masquerade: false }),
  };
}

/** The Helm values of what is chosen beside the mode. */
export function choiceValues(choice: DatapathChoice): HelmValues {
  return datapathOptions(choice)
    .map(({ path, value }) => nested(path, value))
    .reduce(mergeValues, {});
}

const nested = (path: string, value: HelmValue) =>
  path.split(".").reduceRight<HelmValue>((inner, step) => ({ [step]: inner }), value) as HelmValues;

/** Every image of the chart by its tag alone, by which nodes find a loaded image. */
function withoutDigests(version: string): HelmValues {
  return new ChartKeys(version)
    .endingWith("useDigest")
    .map((key) => nested(key, false))
    .reduce(mergeValues, {});
}

function hubbleValues({ hubble, loadImages, version }: CiliumValuesArgs): HelmValues {
  if (!hubble?.relay) return {};
  const own = loadImages ? chartImages(version) : undefined;
  // some charts have the UI's digests in its tags
  const byTag = (reference: string): HelmValues => ({ image: { tag: /:([^:@]+)(@|$)/.exec(reference)![1]! } });
  const on = { enabled: true, rollOutPods: true };
  const ui = own ? { ...on, backend: byTag(own.uiBackend), frontend: byTag(own.uiFrontend) } : on;
  return { hubble: { relay: on, ...(hubble.ui ? { ui } : {}) } };
}

function tunnelValues(args: CiliumValuesArgs): HelmValues {
  const { tunnel, version, loadBalancer } = args;
  if (!has(ROUTING_MODE, version)) return { tunnel };
  if (tunnel !== "disabled") return { routingMode: "tunnel", tunnelProtocol: tunnel };
  // agents end without it, although only DSR's packets are encapsulated
  const isDispatched = usesDsr(args) && loadBalancer?.dsrDispatch === "geneve";
  return { routingMode: "native", ...(isDispatched ? { tunnelProtocol: "geneve" } : {}) };
}

/** Host name of kind's control plane, which Docker's resolver knows. */
export function controlPlaneName(clusterName: string): string {
  return `${clusterName}-control-plane`;
}

/** Merge values as Helm does: objects key by key, everything else is replaced. */
export function mergeValues(base: HelmValues, over: HelmValues): HelmValues {
  const merged: { [key: string]: HelmValue } = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const old = merged[key];
    merged[key] = isObject(old) && isObject(value) ? mergeValues(old, value) : value;
  }
  return merged;
}

/** The value at a path such as `bpf.masquerade`; undefined if it is not set. */
export function valueAt(values: HelmValues, path: string): HelmValue | undefined {
  return at(values, path.split(".")) as HelmValue | undefined;
}

function isObject(value: HelmValue | undefined): value is HelmValues {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The chart's image block with the overrides; empty without overrides. */
function imageBlock({ repository, tag, useDigest }: ImageOverride): HelmValues {
  // the chart's digest belongs to the chart's own image
  const digest = useDigest ?? (repository !== undefined || tag !== undefined ? false : undefined);
  const given = Object.entries({ repository, tag, useDigest: digest }).filter(
    (entry): entry is [string, string | boolean] => entry[1] !== undefined,
  );
  return given.length === 0 ? {} : { image: Object.fromEntries(given) };
}

/** Description of the Helm release's revisions that a stack installs. @param owner the stack and its cluster @param repairs how often it was installed again */
export const describeRevision = (owner: string, repairs: number) => `${owner}, repairs ${repairs}`;

/** Whether some stack installed a revision: somebody's `helm upgrade` describes it otherwise. */
export const isByStack = (description: string) => /^\S+\/\S+, repairs \d+$/.test(description);
