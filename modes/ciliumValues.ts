import { chartImages } from "./chartKeys";
import { has, type Since } from "./ciliumVersion";
import { MODE_CONTRACTS, replacementWord, type RoutingMode, type Tunnel } from "./contract";
import { at } from "./tree";

/** A value of a Helm chart. */
export type HelmValue = string | number | boolean | null | readonly HelmValue[] | { readonly [key: string]: HelmValue };
/** Helm values, by their keys at the top. */
export type HelmValues = { readonly [key: string]: HelmValue };

/** What overrides one image block of Cilium's chart. */
export interface ImageOverride {
  /** Name without tag. Default: the chart's own. */
  readonly repository?: string | undefined;
  /** Default: the chart's own. */
  readonly tag?: string | undefined;
  /** Whether the chart's digest is appended. Default: true while repository and tag are the chart's own and nothing is loaded. */
  readonly useDigest?: boolean | undefined;
}

/** Where the API server answers without kube-proxy. */
export interface ApiServer {
  /** Name or IPv4 address. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
}

/** What Cilium's Helm values depend on. */
export interface CiliumValuesArgs {
  /** Of chart and images, without v. */
  readonly version: string;
  /** The routing mode that the values ask for. */
  readonly mode: RoutingMode;
  /** How pod traffic crosses nodes. */
  readonly tunnel: Tunnel;
  /** Cilium's name of the cluster; with kind its control plane is reached by it too. */
  readonly clusterName: string;
  /** All nodes, the control plane included. */
  readonly nodeCount: number;
  /** Where agents reach the API server without kube-proxy. Default: kind's control plane. */
  readonly apiServer?: ApiServer | undefined;
  /** IPv4 network where Cilium takes the nodes' /24 from. */
  readonly podCidr: string;
  /** IPv4 network that pods reach without masquerading, in native routing. */
  readonly nativeRoutingCIDR: string;
  /** Whether agents install routes to the other nodes' pods. Default: true in native routing, false in a tunnel. */
  readonly autoDirectNodeRoutes?: boolean | undefined;
  /** What overrides the chart's images. */
  readonly images: {
    /** Of `cilium-agent`, and of its init containers. */
    readonly agent: ImageOverride;
    /** The chart appends `-generic` to the repository. */
    readonly operator: ImageOverride;
    /** Of the pods of Envoy, where the chart starts them. */
    readonly envoy: ImageOverride;
  };
  /** Which of Hubble's parts beside the agents run. Default: neither. */
  readonly hubble?:
    | {
        /** It collects all agents' flows. */
        readonly relay: boolean;
        /** It asks the relay. */
        readonly ui: boolean;
      }
    | undefined;
  /** Whether images are brought into nodes, where they have no digests. Default: false. */
  readonly loadImages?: boolean | undefined;
  /** Merged last. */
  readonly extraValues: HelmValues;
}

/** Size of the block of the pool that each node gets. */
export const NODE_POD_CIDR_MASK = 24;

/** How many nodes' blocks a pool holds; 0 when it is smaller than one. */
export function nodeNetworks(podCidr: string): number {
  return Math.floor(2 ** (NODE_POD_CIDR_MASK - Number(podCidr.split("/")[1])));
}

/** `routingMode` and `tunnelProtocol` instead of `tunnel`, in the chart as in `cilium-config`. */
export const ROUTING_MODE: Since = ["1.14.0-snapshot.2"];

/** The chart can start Envoy beside the agent. */
const ENVOY: Since = ["1.14.0-snapshot.3"];

/**
 * The Helm values that ask a chart of Cilium, from 1.12 on, for a routing mode.
 * Reference: https://github.com/cilium/charts/tree/master (values.yaml of the packaged charts).
 */
export function ciliumValues(args: CiliumValuesArgs): HelmValues {
  const { switches } = MODE_CONTRACTS[args.mode];
  const native = args.tunnel === "disabled";
  // by name: the address of kind's control plane can change when Docker restarts
  const apiServer = args.apiServer ?? { host: controlPlaneName(args.clusterName), port: 6443 };
  const own: HelmValues = {
    cluster: { name: args.clusterName },
    k8sServiceHost: apiServer.host,
    k8sServicePort: apiServer.port,
    kubeProxyReplacement: replacementWord(switches.kubeProxyReplacement, args.version),
    ...tunnelValues(args),
    ...(native ? { ipv4NativeRoutingCIDR: args.nativeRoutingCIDR } : {}),
    autoDirectNodeRoutes: args.autoDirectNodeRoutes ?? native,
    ipam: {
      mode: "cluster-pool",
      operator: { clusterPoolIPv4PodCIDRList: [args.podCidr], clusterPoolIPv4MaskSize: NODE_POD_CIDR_MASK },
    },
    // every packet's trace, unaggregated: the chart ignores a monitorAggregation outside bpf
    bpf: { masquerade: switches.bpfMasquerade, monitorAggregation: "none" },
    debug: { enabled: true, verbose: "datapath" },
    ...imageBlock(args.images.agent),
    // two operators refuse to share a node, so a single node gets one
    operator: { replicas: Math.min(2, args.nodeCount), rollOutPods: true, ...imageBlock(args.images.operator) },
    ...(has(ENVOY, args.version) ? { envoy: { rollOutPods: true, ...imageBlock(args.images.envoy) } } : {}),
    ...hubbleValues(args),
    // agents read cilium-config only when they start: without this a changed mode never reaches them
    rollOutCiliumPods: true,
  };
  return mergeValues(own, args.extraValues);
}

function hubbleValues({ hubble, loadImages, version }: CiliumValuesArgs): HelmValues {
  if (!hubble?.relay) return {};
  const own = loadImages ? chartImages(version) : undefined;
  // some charts have the UI's digests in their tags
  const byTag = (reference: string): HelmValues => ({
    image: { tag: /:([^:@]+)(@|$)/.exec(reference)![1]!, useDigest: false },
  });
  const on = { enabled: true, rollOutPods: true };
  const ui = own ? { ...on, backend: byTag(own.uiBackend), frontend: byTag(own.uiFrontend) } : on;
  const relay = loadImages ? { ...on, image: { useDigest: false } } : on;
  return { hubble: { relay, ...(hubble.ui ? { ui } : {}) } };
}

function tunnelValues({ tunnel, version }: CiliumValuesArgs): HelmValues {
  if (!has(ROUTING_MODE, version)) return { tunnel };
  return tunnel === "disabled" ? { routingMode: "native" } : { routingMode: "tunnel", tunnelProtocol: tunnel };
}

/** The name of kind's control plane node, which Docker's resolver knows. */
export function controlPlaneName(clusterName: string): string {
  return `${clusterName}-control-plane`;
}

/** Helm's merge: objects key by key, everything else replaced. */
export function mergeValues(base: HelmValues, over: HelmValues): HelmValues {
  const merged: { [key: string]: HelmValue } = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const old = merged[key];
    merged[key] = isObject(old) && isObject(value) ? mergeValues(old, value) : value;
  }
  return merged;
}

/** The value at a path such as `bpf.masquerade`; undefined where nothing is set. */
export function valueAt(values: HelmValues, path: string): HelmValue | undefined {
  return at(values, path.split(".")) as HelmValue | undefined;
}

function isObject(value: HelmValue | undefined): value is HelmValues {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The chart's image block with what is overridden; nothing when nothing is. */
function imageBlock({ repository, tag, useDigest }: ImageOverride): HelmValues {
  // the chart's digest belongs to the chart's own image
  const digest = useDigest ?? (repository !== undefined || tag !== undefined ? false : undefined);
  const given = Object.entries({ repository, tag, useDigest: digest }).filter(
    (entry): entry is [string, string | boolean] => entry[1] !== undefined,
  );
  return given.length === 0 ? {} : { image: Object.fromEntries(given) };
}
