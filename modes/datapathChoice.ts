import { has, type Since } from "./ciliumVersion";
import { MODE_CONTRACTS, type RoutingMode } from "./contract";
import { at } from "./tree";
import type { ValueFinding } from "./valueFinding";

/** Who rewrites requests from outside the cluster to pods of another node: see {@link LoadBalancerMode}. */
export const LOAD_BALANCER_MODES = ["snat", "dsr", "hybrid"] as const;
/**
 * One of {@link LOAD_BALANCER_MODES}: `snat` (servers see the asked node, through which replies return), `dsr` (servers see
 * the client and reply to it directly), or `hybrid` (`dsr` for TCP, `snat` for UDP).
 */
export type LoadBalancerMode = (typeof LOAD_BALANCER_MODES)[number];

/** How DSR tells the server's node of the asked address: an IP option, IP in IP, or Geneve. */
export const DSR_DISPATCHES = ["opt", "ipip", "geneve"] as const;
/** One of {@link DSR_DISPATCHES}. */
export type DsrDispatch = (typeof DSR_DISPATCHES)[number];

/** How a server is chosen for a request from outside the cluster. */
export const LOAD_BALANCER_ALGORITHMS = ["random", "maglev"] as const;
/** One of {@link LOAD_BALANCER_ALGORITHMS}: with `maglev`, every node chooses the same server for a connection. */
export type LoadBalancerAlgorithm = (typeof LOAD_BALANCER_ALGORITHMS)[number];

/** Whether XDP programs serve requests from outside: never, on all devices, or on those whose driver can. */
export const ACCELERATIONS = ["disabled", "native", "best-effort"] as const;
/** One of {@link ACCELERATIONS}. */
export type Acceleration = (typeof ACCELERATIONS)[number];

/** Kinds of the pods' devices; with `auto`, the agent uses netkit where it can and veth elsewhere. */
export const DATAPATH_MODES = ["veth", "netkit", "netkit-l2", "auto"] as const;
/** One of {@link DATAPATH_MODES}. */
export type DatapathMode = (typeof DATAPATH_MODES)[number];

/** Choices beside the routing mode. What is not set is left to Cilium, and not promised. */
export interface DatapathChoice {
  /** How Cilium serves requests to NodePorts. Default: Cilium's, which are `snat`, `opt`, `random` and `disabled`. */
  readonly loadBalancer?:
    | {
        /** Who rewrites requests from outside to pods of another node. */
        readonly mode?: LoadBalancerMode | undefined;
        /** How DSR tells the server's node of the asked address. */
        readonly dsrDispatch?: DsrDispatch | undefined;
        /** How a server is chosen for a request from outside. */
        readonly algorithm?: LoadBalancerAlgorithm | undefined;
        /** Whether XDP programs serve requests from outside. */
        readonly acceleration?: Acceleration | undefined;
      }
    | undefined;
  /** The socket load balancer. Default: it serves nodes and pods. */
  readonly socketLB?:
    | {
        /** Serve only the nodes' own sockets; pods' packets are translated at their devices. */
        readonly hostNamespaceOnly?: boolean | undefined;
      }
    | undefined;
  /** Kind of the pods' devices. Default: `veth`. */
  readonly datapathMode?: DatapathMode | undefined;
  /** Attach programs by TCX instead of legacy tc. Default: true, where the kernel has it. */
  readonly enableTCX?: boolean | undefined;
}

/** A choice, as a setting of this project and as the Helm value of the same path. */
export interface DatapathOption {
  readonly path: string;
  /** Key of `cilium-config`. */
  readonly key: string;
  readonly value: string | boolean;
}

interface Option extends Omit<DatapathOption, "value"> {
  readonly of: (choice: DatapathChoice) => string | boolean | undefined;
  /** First versions with it. Default: all have it. */
  readonly since?: Since;
  /** The same of single values. */
  readonly values?: Readonly<Record<string, Since>>;
  /** What Cilium does only where it serves NodePorts. Default: true of any cluster. */
  readonly replacing?: string;
}

/** From here on agents have devices without a peer, and attach by TCX. */
const NETKIT: Since = ["1.16.0-rc.0"];

/**
 * All choices. Their keys are the same in the charts 1.12.4 to 1.20.2. Sources of the versions: cilium/cilium#23890 and
 * #25553 (Geneve), #41269 (IP in IP beside pods), #28666 (best effort), and the charts' own comments.
 */
const OPTIONS: readonly Option[] = [
  {
    path: "loadBalancer.mode",
    key: "bpf-lb-mode",
    of: ({ loadBalancer }) => loadBalancer?.mode,
    replacing: "kube-proxy serves NodePorts",
  },
  {
    path: "loadBalancer.dsrDispatch",
    key: "bpf-lb-dsr-dispatch",
    of: ({ loadBalancer }) => loadBalancer?.dsrDispatch,
    values: { geneve: ["1.14.0-rc.0"], ipip: ["1.19.0-rc.0"] },
    replacing: "kube-proxy serves NodePorts",
  },
  {
    path: "loadBalancer.algorithm",
    key: "bpf-lb-algorithm",
    of: ({ loadBalancer }) => loadBalancer?.algorithm,
    replacing: "kube-proxy serves NodePorts",
  },
  {
    path: "loadBalancer.acceleration",
    key: "bpf-lb-acceleration",
    of: ({ loadBalancer }) => loadBalancer?.acceleration,
    values: { "best-effort": ["1.15.0-rc.0"] },
    replacing: "kube-proxy serves NodePorts",
  },
  {
    path: "socketLB.hostNamespaceOnly",
    key: "bpf-lb-sock-hostns-only",
    of: ({ socketLB }) => socketLB?.hostNamespaceOnly,
    replacing: "no socket load balancer runs",
  },
  {
    path: "bpf.datapathMode",
    key: "datapath-mode",
    of: ({ datapathMode }) => datapathMode,
    since: NETKIT,
    values: { auto: ["1.20.0-pre.0"] },
  },
  { path: "bpf.enableTCX", key: "enable-tcx", of: ({ enableTCX }) => enableTCX, since: NETKIT },
];

/** The settings of all choices. */
export const OPTION_PATHS: readonly string[] = OPTIONS.map(({ path }) => path);

/** How two configurations differ in the choices, such as `loadBalancer.mode snat → dsr`. */
export function choiceChanges(old: ConfigOfChoices, next: ConfigOfChoices): string[] {
  const text = (value: string | null | undefined) => value ?? "(Cilium's own)";
  return OPTIONS.filter(({ key }) => (old[key] ?? null) !== (next[key] ?? null)).map(
    ({ path, key }) => `${path} ${text(old[key])} → ${text(next[key])}`,
  );
}

type ConfigOfChoices = Readonly<Record<string, string | null | undefined>>;

/** The choices that are set. */
export function datapathOptions(choice: DatapathChoice): DatapathOption[] {
  return OPTIONS.flatMap(({ path, key, of }) => {
    const value = of(choice);
    return value === undefined ? [] : [{ path, key, value }];
  });
}

/** The choices that are words, by their arguments of components, with the words that exist. */
export function chosenWords({ loadBalancer = {}, datapathMode }: DatapathChoice) {
  const { mode, dsrDispatch, algorithm, acceleration } = loadBalancer;
  return [
    { argument: "loadBalancer.mode", value: mode, words: LOAD_BALANCER_MODES },
    { argument: "loadBalancer.dsrDispatch", value: dsrDispatch, words: DSR_DISPATCHES },
    { argument: "loadBalancer.algorithm", value: algorithm, words: LOAD_BALANCER_ALGORITHMS },
    { argument: "loadBalancer.acceleration", value: acceleration, words: ACCELERATIONS },
    { argument: "datapathMode", value: datapathMode, words: DATAPATH_MODES },
  ].filter(({ value }) => value !== undefined);
}

/** The setting of a key of `cilium-config`; undefined unless it is set. */
export function optionOf(key: string, choice: DatapathChoice): DatapathOption | undefined {
  return datapathOptions(choice).find((option) => option.key === key);
}

const FEATURES = "kube-proxy-replacement.features";

/** What agents call the dispatches. */
const DISPATCH_NAMES = { opt: "IP Option/Extension", ipip: "IPIP", geneve: "Geneve" } as const;

/** From here on agents report the dispatch, and sockets of nodes only. */
const REPORTED: Since = ["1.14.0"];

/** Expected values in `cilium status -o json` by path, in any case; agents leave out what is off. */
export function expectedStatus(choice: DatapathChoice, version: string): Readonly<Record<string, string>> {
  const { loadBalancer: { mode, dsrDispatch, algorithm, acceleration } = {}, socketLB } = choice;
  const { datapathMode, enableTCX } = choice;
  const isReported = has(REPORTED, version);
  const rows: readonly (readonly [string, string | undefined])[] = [
    [`${FEATURES}.nodePort.mode`, mode],
    [`${FEATURES}.nodePort.dsrMode`, isReported && dsrDispatch !== undefined ? DISPATCH_NAMES[dsrDispatch] : undefined],
    [`${FEATURES}.nodePort.algorithm`, algorithm],
    [`${FEATURES}.nodePort.acceleration`, acceleration],
    [`${FEATURES}.bpfSocketLBHostnsOnly`, isReported && socketLB?.hostNamespaceOnly ? "true" : undefined],
    // with auto, the agent decides
    ["datapath-mode", datapathMode === "auto" ? undefined : datapathMode],
    ["attach-mode", enableTCX === undefined ? undefined : enableTCX ? "tcx" : "tc"],
  ];
  return Object.fromEntries(rows.flatMap(([path, value]) => (value === undefined ? [] : [[path, value]])));
}

/** Whether requests from outside to pods of another node keep the client's address, at least by TCP. */
export const usesDsr = ({ loadBalancer }: DatapathChoice) => ["dsr", "hybrid"].includes(loadBalancer?.mode ?? "snat");

/** Choices that the mode or the version cannot have, and such without effect. */
export function choiceProblems(
  choice: DatapathChoice,
  {
    mode,
    version,
    extraValues,
  }: { readonly mode: RoutingMode; readonly version: string; readonly extraValues?: object },
  shown: (value: string) => string = (value) => value,
): ValueFinding[] {
  const { services } = MODE_CONTRACTS[mode];
  const refused = OPTIONS.flatMap(({ path, of, since, values = {}, replacing }): ValueFinding[] => {
    const value = of(choice);
    if (value === undefined) return [];
    const finding = (rule: string): ValueFinding => ({ severity: "error", key: path, rule });
    if (replacing !== undefined && services !== "cilium")
      return [finding(`requires kubeProxyReplacement: true, without which ${replacing}`)];
    const missing = [since, values[String(value)]].find((each) => each !== undefined && !has(each, version));
    if (missing === undefined) return [];
    const [first] = missing as [string];
    const what = missing === since ? "" : `${shown(String(value))} `;
    return [finding(`${what}needs Cilium ${first.replace(/\.0-.*$/, "")} or newer, got ${version}; remove it`)];
  });
  const { dsrDispatch } = choice.loadBalancer ?? {};
  const key = "loadBalancer.dsrDispatch";
  // Services may choose DSR for themselves
  const hasDsr = usesDsr(choice) || String(at(extraValues, ["bpf", "lbModeAnnotation"])) === "true";
  if (dsrDispatch === undefined || hasDsr || refused.some((each) => each.key === key)) return refused;
  const rule = "requires loadBalancer.mode: dsr or hybrid; remove it, or set the mode";
  return [...refused, { severity: "error", key, rule }];
}

/** Choices of which it is known that they do not work everywhere. @param isKind whether the nodes are kind's */
export function choiceWarnings(choice: DatapathChoice, mode: RoutingMode, isKind: boolean): ValueFinding[] {
  const { acceleration = "disabled", dsrDispatch } = choice.loadBalancer ?? {};
  const warn = (key: string, rule: string): ValueFinding => ({ severity: "warning", key, rule });
  return [
    ...(acceleration !== "disabled" && isKind
      ? [
          warn(
            "loadBalancer.acceleration",
            "kind's nodes have veth devices, on which XDP loses requests for pods of other nodes although agents report it as in force; the verification will fail",
          ),
        ]
      : []),
    ...(dsrDispatch === "ipip" && usesDsr(choice)
      ? [
          warn(
            "loadBalancer.dsrDispatch",
            "IP in IP carries no port, so only Services whose port equals their pods' port answer; the verification, whose NodePort differs, will fail",
          ),
        ]
      : []),
    ...(dsrDispatch === "geneve" && usesDsr(choice) && MODE_CONTRACTS[mode].masquerading !== "BPF"
      ? [
          warn(
            "loadBalancer.dsrDispatch",
            "some versions of Cilium reset connections of DSR by Geneve unless BPF masquerades (https://github.com/cilium/cilium/issues/32189); set bpf.masquerade: true",
          ),
        ]
      : []),
  ];
}
