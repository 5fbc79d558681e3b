import type { Hop, Leg, Rewrite, Station, Trace, TraceNode } from "../../../datapath/trace/result";
import type { ExpectedHop } from "../../../modes/tracePaths";

const NODES = {
  worker: { address: "172.18.0.3", pod: { name: "net", address: "10.0.2.32" }, veth: "lxc89eb07782005" },
  worker2: { address: "172.18.0.2", pod: { name: "server-xtzwx", address: "10.0.1.15" }, veth: "lxc3d8b8c4b9039" },
} as const;
type Name = keyof typeof NODES;

function stationsOf(node: Name, tunnel: Trace["tunnel"]): Record<string, Station> {
  const { pod, veth } = NODES[node];
  return {
    pod: { node, pod: pod.name, interface: "eth0", role: "pod" },
    veth: { node, interface: veth, role: "veth", vethOf: pod.name },
    device: { node, interface: "eth0", role: "device" },
    cilium_host: { node, interface: "cilium_host", role: "cilium_host" },
    cilium_net: { node, interface: "cilium_net", role: "cilium_net" },
    lo: { node, interface: "lo", role: "loopback" },
    ...(tunnel === "disabled" ? {} : { tunnel: { node, interface: `cilium_${tunnel}`, role: "tunnel" } }),
  };
}

/** A node of the samples with its pod and interfaces. */
export function traceNode(name: Name, tunnel: Trace["tunnel"], netfilter?: boolean, clock = "laptop"): TraceNode {
  const { address, pod } = NODES[name];
  return { name, address, pods: [pod], stations: Object.values(stationsOf(name, tunnel)), netfilter, clock };
}

/** What one capture saw. */
export interface Seen {
  /** Node, interface and direction: `worker pod out`. */
  readonly at: string;
  readonly us: number;
  readonly from: string;
  readonly to: string;
  readonly ttl: number;
  readonly rewritten?: readonly Rewrite[];
  readonly tunnel?: Hop["tunnel"];
}

/** Hops of these sightings, in a cluster with this tunnel. */
export function hopsOf(seen: readonly Seen[], tunnel: Trace["tunnel"]): readonly Hop[] {
  return seen.map(({ at, us, from, to, ttl, rewritten = [], tunnel: outer }) => {
    const [node, station, direction] = at.split(" ") as [Name, string, "in" | "out"];
    const where = stationsOf(node, tunnel)[station]!;
    return {
      station: where,
      direction,
      microseconds: us,
      source: from,
      destination: to,
      ttl,
      tunnel: outer,
      rewritten,
    };
  });
}

/** A leg that goes as promised. */
export function legOf(name: Leg["name"], hops: readonly Hop[]): Leg {
  return { name, hops, promised: hops.map(expectedHop), differences: [] };
}

/** The expected hop for a hop. */
export function expectedHop({ station: { node, pod, role, vethOf }, direction }: Hop): ExpectedHop {
  return { node, pod, role, vethOf, direction };
}

/** An address for another. */
export const rewrite = (field: Rewrite["field"], from: string, to: string, by: Rewrite["by"]): Rewrite => ({
  field,
  from,
  to,
  by,
});
