import type { RoutingMode, Tunnel } from "../../modes/contract";
import type { ExpectedHop, Rewriter, Scenario, StationRole } from "../../modes/tracePaths";
import type { Verdict } from "../facts";

/** An interface in a network namespace: where a packet can be seen. */
export interface Station {
  readonly node: string;
  /** In this pod's namespace; the node's own where undefined. */
  readonly pod?: string | undefined;
  /** Its name there: eth0, lxc0a1b2c3d4e5f, cilium_host … */
  readonly interface: string;
  readonly role: StationRole;
  /** The pod at the other end of a veth pair; undefined where it is none of the workload's. */
  readonly vethOf?: string | undefined;
}

/** A packet seen at a station. */
export interface Hop {
  readonly station: Station;
  /** As the namespace of the station has it. */
  readonly direction: "in" | "out";
  /** Since the walk's first packet, by the clock of the node's machine. */
  readonly microseconds: number;
  /** Address, with the port where the protocol has ports. */
  readonly source: string;
  readonly destination: string;
  readonly ttl: number;
  /** Addresses of the packet that carried it encapsulated. */
  readonly tunnel?: { readonly source: string; readonly destination: string } | undefined;
  /** What has changed since the hop before, or, at the first, since what was asked for. */
  readonly rewritten: readonly Rewrite[];
}

/** An address that somebody has put in the place of another. */
export interface Rewrite {
  readonly field: "source" | "destination";
  readonly from: string;
  readonly to: string;
  readonly by: Rewriter;
}

/** One direction of a walk: the first packet of the request, or the one that answers it. */
export interface Leg {
  readonly name: "request" | "reply";
  readonly hops: readonly Hop[];
  /** The same stations and directions as the mode promises them; undefined where none is promised, or the pod that a service chose is not known. */
  readonly promised: readonly ExpectedHop[] | undefined;
  /** Where seen and promised part, a sentence each; empty where they agree. */
  readonly differences: readonly string[];
}

/** A line of a table that decided about the packet. */
export interface Lookup {
  readonly node: string;
  readonly table: "service map" | "Cilium's connection tracking" | "kernel's connection tracking";
  readonly line: string;
}

/** A node that took part. */
export interface WalkNode {
  readonly name: string;
  /** Its address in the nodes' network. */
  readonly address: string;
  /** Its pods that took part. */
  readonly pods: readonly { readonly name: string; readonly address: string }[];
  /** Every interface of it and of these pods that a packet could have passed, whether or not one did. */
  readonly stations: readonly Station[];
  /** Whether its kernel's netfilter saw the packet, by its connection tracking; undefined where that cannot be read. */
  readonly netfilter: boolean | undefined;
  /** Nodes with the same are on one machine, and their times comparable. */
  readonly clock: string;
}

/** The path that a packet took through a cluster, beside the one that its mode promises. */
export interface Walk {
  readonly cluster: string;
  readonly mode: RoutingMode;
  readonly tunnel: Tunnel;
  /** Cilium's, without v. */
  readonly version: string;
  readonly scenario: Scenario | "own";
  /** The scenario in one sentence. */
  readonly title: string;
  readonly probe: {
    readonly protocol: "ICMP" | "TCP";
    /** Name of the pod, node or machine. */
    readonly from: string;
    /** What the sender asked for: address, with the port for TCP. */
    readonly to: string;
    /** As one could paste it into a shell of the sender. */
    readonly command: string;
    readonly answered: boolean;
  };
  readonly nodes: readonly WalkNode[];
  /** The request first; a reply only where one was seen. */
  readonly legs: readonly Leg[];
  readonly lookups: readonly Lookup[];
  readonly verdict: Verdict;
  /** Why it is not a pass, and what to do; empty for a pass. */
  readonly reasons: readonly string[];
  readonly startedAt: string;
}
