import type { Protocol } from "./probing";

/** Who sends a probe. */
export type SenderKind = "pod" | "node" | "outside";

/** What a probe asks. */
export type TargetKind = "pod" | "node" | "cluster-ip" | "node-port" | "outside";

/**
 * How large a probe is. `small`: fits any device. `full`: as large as the pods' MTU allows, with DF set. `bulk`: a
 * transfer of many full segments.
 */
export type Size = "small" | "full" | "bulk";

/** A protocol with a size. */
export type Shape = `${Protocol}/${Size}`;

/** Every combination that could be probed. */
export const SHAPES = [
  "icmp/small",
  "icmp/full",
  "tcp/small",
  "tcp/bulk",
  "udp/small",
  "udp/full",
  "udp-unconnected/small",
] as const satisfies readonly Shape[];
/** One of {@link SHAPES}. */
export type ProbedShape = (typeof SHAPES)[number];

/** Traffic that every mode promises to carry: who asks whom, and which combinations of protocol and size prove it. */
export interface Flow {
  readonly from: SenderKind;
  readonly to: TargetKind;
  readonly shapes: readonly ProbedShape[];
  /** Why the other combinations are not sent. */
  readonly omitted?: string;
}

/** What a pod asks itself, without any network: it tells a machine that is busy from a packet that is lost. */
export const CONTROL_ADDRESS = "127.0.0.1";

/** Everything that is probed. From every sender to every target of the kind, so both directions of a pair count. */
export const COVERAGE = {
  "pod-to-pod": {
    from: "pod",
    to: "pod",
    shapes: ["icmp/small", "icmp/full", "tcp/small", "tcp/bulk", "udp/small", "udp/full"],
    omitted: "without a service there is no socket load balancing, so an unconnected socket adds nothing",
  },
  "pod-to-node": {
    from: "pod",
    to: "node",
    shapes: ["icmp/small", "icmp/full"],
    omitted: "nodes run no server of this project",
  },
  "pod-to-cluster-ip": {
    from: "pod",
    to: "cluster-ip",
    shapes: ["tcp/small", "tcp/bulk", "udp/small", "udp/full", "udp-unconnected/small"],
    omitted: "services do not answer pings",
  },
  "pod-to-node-port": {
    from: "pod",
    to: "node-port",
    shapes: ["tcp/small", "tcp/bulk", "udp/small", "udp/full", "udp-unconnected/small"],
    omitted: "services do not answer pings",
  },
  "pod-to-outside": {
    from: "pod",
    to: "outside",
    shapes: ["icmp/small", "icmp/full", "tcp/small", "tcp/bulk", "udp/small", "udp/full"],
    omitted: "outside there is no service",
  },
  "node-to-pod": {
    from: "node",
    to: "pod",
    shapes: ["icmp/small", "icmp/full", "tcp/small", "tcp/bulk", "udp/small", "udp/full"],
    omitted: "without a service there is no socket load balancing, so an unconnected socket adds nothing",
  },
  "node-to-cluster-ip": {
    from: "node",
    to: "cluster-ip",
    shapes: ["tcp/small", "udp/small", "udp-unconnected/small"],
    omitted: "services do not answer pings; sizes are probed from node to pod",
  },
  "node-to-node-port": {
    from: "node",
    to: "node-port",
    shapes: ["tcp/small", "tcp/bulk", "udp/small"],
    omitted: "services do not answer pings; sizes are probed from node to pod",
  },
  "outside-to-node-port": {
    from: "outside",
    to: "node-port",
    shapes: ["tcp/small", "tcp/bulk", "udp/small", "udp/full"],
    omitted: "services do not answer pings, and Cilium has no socket hooks outside the cluster",
  },
} as const satisfies Readonly<Record<string, Flow>>;

/** One of the flows in {@link COVERAGE}. */
export type FlowId = keyof typeof COVERAGE;
