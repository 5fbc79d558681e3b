import type { RoutingMode, Tunnel } from "../../modes/contract";
import type { AddressFamily } from "../../modes/ipFamily";
import type { ExpectedHop, Rewriter, Scenario, StationRole } from "../../modes/tracePaths";
import type { Verdict } from "../facts";

/** An interface in a network namespace, where packets are captured. */
export interface Station {
  readonly node: string;
  /** The pod of the namespace; undefined for the node's own. */
  readonly pod?: string | undefined;
  /** Name of the interface: eth0, lxc0a1b2c3d4e5f, cilium_host, … */
  readonly interface: string;
  readonly role: StationRole;
  /** The pod at the other end of a veth pair; undefined if it is not of the workload. */
  readonly vethOf?: string | undefined;
}

/** A packet at a station. */
export interface Hop {
  readonly station: Station;
  /** As seen from the station's namespace. */
  readonly direction: "in" | "out";
  /** Since the trace's first packet, by the clock of the node's machine. */
  readonly microseconds: number;
  /** Address, with the port for TCP: `10.0.0.1:80`, `[fd00::1]:80`. */
  readonly source: string;
  readonly destination: string;
  /** TTL, or the hop limit of IPv6. */
  readonly ttl: number;
  /** Addresses of the outer packet. */
  readonly tunnel?: { readonly source: string; readonly destination: string } | undefined;
  /** Changes since the previous hop; at the first hop, since the sender's request. */
  readonly rewritten: readonly Rewrite[];
}

/** A rewritten address. */
export interface Rewrite {
  readonly field: "source" | "destination";
  readonly from: string;
  readonly to: string;
  readonly by: Rewriter;
}

/** One direction: the first packet of the request, or of the reply. */
export interface Leg {
  readonly name: "request" | "reply";
  readonly hops: readonly Hop[];
  /** Expected hops; undefined if no path is expected, or the service's pod is unknown. */
  readonly promised: readonly ExpectedHop[] | undefined;
  /** How actual and expected hops differ, one sentence each. */
  readonly differences: readonly string[];
}

/** An entry of a table that matched the packet. */
export interface Lookup {
  readonly node: string;
  readonly table:
    | "service map"
    | "kube-proxy's nftables"
    | "kube-proxy's IPVS"
    | "Cilium's connection tracking"
    | "kernel's connection tracking";
  readonly line: string;
}

/** A node on the path. */
export interface TraceNode {
  readonly name: string;
  /** Address in the nodes' network. */
  readonly address: string;
  /** Its pods on the path. */
  readonly pods: readonly { readonly name: string; readonly address: string }[];
  /** Interfaces of the node and of these pods that a packet can pass. */
  readonly stations: readonly Station[];
  /** Whether its netfilter saw the packet, by connection tracking; undefined if that cannot be read. */
  readonly netfilter: boolean | undefined;
  /** Nodes with the same value are on one machine, and their times comparable. */
  readonly clock: string;
}

/** The path of a packet through a cluster, with the path that its mode implies. */
export interface Trace {
  readonly cluster: string;
  readonly mode: RoutingMode;
  readonly tunnel: Tunnel;
  /** Cilium's, without v. */
  readonly version: string;
  /** Family of the traced addresses. Default: `ipv4`. */
  readonly family?: AddressFamily | undefined;
  readonly scenario: Scenario | "own";
  /** The scenario in one sentence. */
  readonly title: string;
  /** What the settings mean for this packet, one sentence each; undefined where Cilium's defaults hold. */
  readonly notes?: readonly string[] | undefined;
  readonly probe: {
    readonly protocol: "ICMP" | "ICMPv6" | "TCP";
    /** Name of the pod, node or machine. */
    readonly from: string;
    /** Address that the sender connects to, with the port for TCP. */
    readonly to: string;
    /** For a shell of the sender. */
    readonly command: string;
    readonly answered: boolean;
  };
  readonly nodes: readonly TraceNode[];
  /** The request, and the reply if one was seen. */
  readonly legs: readonly Leg[];
  readonly lookups: readonly Lookup[];
  readonly verdict: Verdict;
  /** Why it did not pass, and what to do; empty for a pass. */
  readonly reasons: readonly string[];
  readonly startedAt: string;
}
