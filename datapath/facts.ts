// What evidence comes to in the end, as programs and outputs hold it: nothing here knows of the API's own types.
import type { ApiServer } from "../modes/ciliumValues";
import type { RoutingMode } from "../modes/contract";
import type { Verdict } from "../modes/verdict";

export { VERDICTS, type Verdict } from "../modes/verdict";

/** How many of a cluster's nodes were looked at. */
export interface NodesLookedAt {
  /** Those that were looked at. */
  readonly looked: number;
  /** Those that the cluster has. */
  readonly all: number;
}

/**
 * How strong the evidence for a verdict is. `proven`: the datapath showed it; `reported`: agents and their configuration
 * say so, and no traffic was sent; `not in force`: evidence against the mode; `unknown`: not enough evidence either way;
 * `off`: the stack does not verify.
 */
export const PROOFS = ["proven", "reported", "not in force", "unknown", "off"] as const;
/** How strong the evidence is: one of {@link PROOFS}. */
export type Proof = (typeof PROOFS)[number];

/** A verification as a stack's output has it: a line of evidence for each check. */
export interface VerificationSummary {
  /** `off`: nothing was looked at. */
  readonly verdict: "pass" | "fail" | "off";
  /** Undefined in outputs of older versions. */
  readonly proof?: Proof | undefined;
  /** The root causes of a failure, a line each. Undefined in outputs of older versions. */
  readonly causes?: readonly string[] | undefined;
  /** When the cluster was verified, in ISO 8601; undefined where it was not, and in outputs of older versions. */
  readonly verifiedAt?: string | undefined;
  /** Revision of Cilium's Helm release that was verified; undefined where `verifiedAt` is. */
  readonly revision?: number | undefined;
  /** How many checks ended how. */
  readonly counts: Readonly<Partial<Record<Verdict, number>>>;
  /** How long it took; 0 where nothing was looked at. */
  readonly seconds: number;
  /** Each check's id to `<verdict>: <evidence>`; the worst finding's where there are several. */
  readonly checks: Readonly<Record<string, string>>;
  /** Undefined where nobody could count them. */
  readonly nodes?: NodesLookedAt | undefined;
}

/**
 * How a datapath deviates. `fallback`: agents run with something else than configured; `drift`: the configuration was
 * changed since, or nodes differ; `contradiction`: the datapath has something else than agents report.
 */
export const DEVIATIONS = ["fallback", "drift", "contradiction"] as const;
/** How a datapath deviates: one of {@link DEVIATIONS}. */
export type Deviation = (typeof DEVIATIONS)[number];

/** A row of `inspect` in which something deviates. */
export interface DatapathDeviation {
  /** The row's title. */
  readonly title: string;
  /** How it deviates. */
  readonly verdict: Deviation;
  /** Why, with the observed value. */
  readonly reason: string;
  /** Nodes with this reason. */
  readonly nodes: readonly string[];
}

/**
 * The datapath of a verified cluster, as `inspect` shows it. Where nodes differ, a value lists theirs, separated by commas;
 * where none is known, it is undefined.
 */
export interface DatapathSummary {
  /** Mode by its name; undefined where the cluster is in none. */
  readonly mode?: RoutingMode | undefined;
  /** The most similar mode; undefined where `mode` is not. */
  readonly nearest?: RoutingMode | undefined;
  /** What separates the cluster from `nearest`; none where `mode` is defined. */
  readonly differences: readonly string[];
  /** `native`, `vxlan` or `geneve`. */
  readonly network?: string | undefined;
  /** `Cilium`, or kube-proxy with its mode, such as `kube-proxy (iptables)`. */
  readonly services?: string | undefined;
  /** `BPF` or `Legacy`. */
  readonly hostRouting?: string | undefined;
  /** `BPF`, `iptables` or `off`. */
  readonly masquerading?: string | undefined;
  /** `veth` or `netkit`. */
  readonly deviceMode?: string | undefined;
  /** `tcx` or `tc`. */
  readonly attachment?: string | undefined;
  /** `everywhere`, `host namespace` or `off`. */
  readonly socketLb?: string | undefined;
  /** `snat`, `dsr` or `hybrid`; undefined where Cilium serves no NodePorts. */
  readonly loadBalancer?: string | undefined;
  /** MTU of the pods in bytes, and the device's where it differs. */
  readonly mtu?: string | undefined;
  /** `WireGuard`, `IPsec` or `off`. */
  readonly encryption?: string | undefined;
  /** Fallbacks, drift and contradictions; empty where there are none. */
  readonly deviations: readonly DatapathDeviation[];
}

/** One node as Cilium sees it. */
export interface NodeFacts {
  /** Its name in Kubernetes. */
  readonly name: string;
  /** Networks that Cilium gave its pods: IPv4 ones, in a dual-stack cluster followed by IPv6 ones. */
  readonly podCidrs: readonly string[];
  /** The agent's pod on this node, in `kube-system`. */
  readonly agentPod: string;
}

/** What is known of a cluster that exists before anything is installed in it. */
export interface ClusterFacts {
  /** Uid of its namespace kube-system: the cluster's own, and no other's. */
  readonly identity: string;
  /** API server as this machine reaches it. */
  readonly endpoint: string;
  /** API server as nodes reach it without kube-proxy: the first of its addresses. */
  readonly apiServer: ApiServer | undefined;
  /** Its nodes, the control plane first. */
  readonly nodes: readonly {
    /** Its name in Kubernetes. */
    readonly name: string;
    /** By the label of the control plane. */
    readonly role: "control-plane" | "worker";
    /** IPv4 address in the nodes' network; empty where there is none. */
    readonly address: string;
    /** IPv6 address of a node of a dual-stack kind cluster. */
    readonly ipv6Address?: string | undefined;
    /** IPv4 networks that Kubernetes gave its pods; undefined where it gave none. */
    readonly podCidrs?: readonly string[] | undefined;
  }[];
  /** Whether a pod of kube-proxy is in kube-system. */
  readonly kubeProxy: boolean;
  /** The DaemonSet of a network plugin that is not Cilium, `namespace/name`; undefined where none has a known name. */
  readonly otherNetwork: string | undefined;
  /** Address of the service `kubernetes`, the first of the services' network. */
  readonly serviceAddress: string;
  /** IPv4 network of the services, as the API server's pod has it; undefined where no such pod shows it. */
  readonly serviceCidr?: string | undefined;
  /** Where the pods of the cluster's Cilium have their addresses from; undefined where there is no Cilium. */
  readonly cilium?: InstalledPodNetworks | undefined;
}

/** Where the pods of an installed Cilium have their addresses from. */
export interface InstalledPodNetworks {
  /** Its `ipam`, such as `cluster-pool`. */
  readonly ipam: string;
  /** Its pool: IPv4 networks, separated by spaces; undefined where it has none. */
  readonly podCidr?: string | undefined;
  /** Prefix length of a node's part of the pool; undefined where it has none. */
  readonly podCidrMaskSize?: number | undefined;
  /** IPv4 networks that nodes have for their pods. */
  readonly nodePodCidrs: readonly string[];
  /** Whether its pods have IPv6 addresses too. Default: false. */
  readonly hasIpv6?: boolean | undefined;
}
