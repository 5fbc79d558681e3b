import { has } from "./ciliumVersion";
import type { Tunnel } from "./contract";
import { usesDsr, type DatapathChoice } from "./datapathChoice";
import { IPV6_LOOPBACK } from "./ipFamily";

/** Purposes of interfaces in the namespaces of nodes and pods. */
export const STATION_ROLES = {
  pod: "The pod's eth0: one end of a veth pair, in the pod's network namespace",
  veth: "lxc…: the other end of a pod's veth pair, on the node; Cilium's BPF program for the pod runs here",
  device: "The node's device to other nodes and external networks; Cilium translates NodePorts here",
  tunnel: "cilium_vxlan or cilium_geneve: encapsulates packets to pods of other nodes",
  cilium_host: "cilium_host: the node's address in the pods' network, and its route to local pods",
  cilium_net: "cilium_net: the other end of cilium_host's veth pair",
  loopback: "lo: traffic of a node or pod to itself",
  other: "An interface that Cilium does not use",
} as const;

export type StationRole = keyof typeof STATION_ROLES;

/** The experiments of the articles, each with one packet and its reply. */
export const SCENARIOS = {
  "same-node": "a pod pings a pod on its own node",
  "cross-node": "a pod pings a pod on another node",
  clusterip: "a pod connects to a service's ClusterIP",
  "nodeport-own": "a pod connects to a NodePort of its own node",
  "nodeport-other": "a pod connects to a NodePort of another node",
  "node-nodeport": "a node connects to its own NodePort",
  "host-nodeport": "this machine, outside the cluster, connects to a node's NodePort",
  outside: "a pod pings an address outside the cluster",
} as const;

export type Scenario = keyof typeof SCENARIOS;

/** A hop of an expected path. */
export interface ExpectedHop {
  readonly node: string;
  /** Pod whose namespace it is in; undefined for the node's namespace. */
  readonly pod?: string | undefined;
  readonly role: StationRole;
  /** Pod at the other end of a veth pair. */
  readonly vethOf?: string | undefined;
  readonly direction: "in" | "out";
}

/**
 * What rewrites addresses: `socket LB` in the socket, before a packet exists; `BPF` at an interface; `kernel` in netfilter,
 * with rules of kube-proxy or Cilium; `unknown` if connection tracking cannot be read.
 */
export type Rewriter = "socket LB" | "BPF" | "kernel" | "unknown";

/** Properties that decide a packet's path. */
export interface PathFacts {
  readonly services: "kube-proxy" | "cilium";
  readonly hostRouting: "BPF" | "Legacy";
  /** What gives packets that leave the cluster their node's address; `none` for IPv6 in BPF before Cilium 1.14. */
  readonly masquerading: "BPF" | "iptables" | "none";
  readonly tunnel: Tunnel;
  /** What the settings choose beside the mode. Default: nothing. */
  readonly choice?: DatapathChoice | undefined;
  readonly sender:
    | { readonly kind: "pod"; readonly node: string; readonly pod: string }
    | { readonly kind: "node"; readonly node: string }
    | { readonly kind: "machine" };
  readonly target:
    | { readonly kind: "pod"; readonly node: string; readonly pod: string }
    | { readonly kind: "nodePort"; readonly node: string }
    | { readonly kind: "clusterIP" | "outside" | "other" };
  /** Endpoint of the service that received the packet. */
  readonly arrived: { readonly node: string; readonly pod: string } | undefined;
}

/**
 * The expected path of a packet and its reply: every interface of nodes and pods that sees them. Undefined if there is
 * no expectation. Recorded with Cilium 1.20.2: by IPv4 and IPv6 in the three stacks in native routing, and in ebpf with VXLAN.
 */
export function expectedPath(facts: PathFacts): ExpectedPath | undefined {
  const { services, sender, target, arrived, choice = {} } = facts;
  if (target.kind === "other" || isUnrecorded(facts)) return undefined;
  if (target.kind === "outside") return sender.kind === "pod" ? leavingCluster(facts, sender) : undefined;
  const end = target.kind === "pod" ? target : arrived;
  if (end === undefined) return undefined;
  // Cilium translates on the sender's node, kube-proxy on the addressed node
  const isAddressed = target.kind === "nodePort" && (services === "kube-proxy" || sender.kind === "machine");
  const isDirect = isAddressed && usesDsr(choice);
  const start = sender.kind === "machine" ? undefined : sender.node;
  const translator = isAddressed ? target.node : start!;
  const toTranslator = start === undefined ? [] : [start, translator];
  const toPod = [translator, end.node];
  const isLocalProcess = sender.kind === "node" && end.node === start;
  return {
    rewriter: rewriterOf(facts),
    request: [
      ...(sender.kind === "pod" ? outOf(sender) : sender.kind === "machine" ? [device(translator, "in")] : []),
      ...wire(toTranslator),
      ...crossing(facts, toPod),
      ...into(end, facts, isLocalProcess),
    ],
    reply: isDirect
      ? [...outOf(end), device(end.node, "out")]
      : [
          ...outOf(end),
          ...crossing(facts, toPod.toReversed()),
          ...hostOf(facts, toPod),
          ...wire(toTranslator.toReversed()),
          ...(sender.kind === "pod"
            ? into(sender, facts)
            : sender.kind === "machine"
              ? [device(translator, "out")]
              : []),
        ],
  };
}

/** Choices whose paths nobody has recorded: DSR in other packets, and in tunnels pods whose sockets do not translate. */
function isUnrecorded({ sender, target, tunnel, choice = {} }: PathFacts): boolean {
  const isService = target.kind === "clusterIP" || target.kind === "nodePort";
  const isEncapsulated = usesDsr(choice) && (choice.loadBalancer?.dsrDispatch ?? "opt") !== "opt";
  const isHostOnly = choice.socketLB?.hostNamespaceOnly === true && tunnel !== "disabled";
  return (sender.kind === "machine" && isEncapsulated) || (sender.kind === "pod" && isService && isHostOnly);
}

/** What a choice means for a packet from outside to a NodePort; empty where Cilium's defaults hold. */
export function choiceNotes(choice: DatapathChoice): string[] {
  const { mode = "snat", algorithm = "random" } = choice.loadBalancer ?? {};
  return [
    ...(usesDsr(choice)
      ? [`DSR (loadBalancer.mode ${mode}): the server sees this client's address, and its node replies to it directly`]
      : []),
    ...(algorithm === "maglev"
      ? ["Maglev (loadBalancer.algorithm): every node chooses the same server for this client's address and port"]
      : []),
  ];
}

/** What a version of Cilium does not do by IPv6, as far as a packet of this kind needs it; empty otherwise. @param senderServes whether the sender is a server of the Service */
export function ipv6Notes(
  { services, masquerading, sender, target, choice = {} }: Omit<PathFacts, "arrived">,
  version: string,
  senderServes: boolean,
): string[] {
  // sockets translate for pods only where Cilium replaces kube-proxy, which has NodePorts otherwise
  const isOfDevices =
    sender.kind === "pod" &&
    (services === "kube-proxy"
      ? target.kind === "clusterIP"
      : choice.socketLB?.hostNamespaceOnly === true && (target.kind === "clusterIP" || target.kind === "nodePort"));
  return [
    ...(target.kind === "outside" && masquerading === "none"
      ? ["BPF masquerades IPv6 from Cilium 1.14 on: before, no reply from outside finds its way back"]
      : []),
    ...(senderServes && isOfDevices && !has(IPV6_LOOPBACK, version)
      ? ["A pod reaches itself through an IPv6 Service from Cilium 1.19 on: before, it gets no answer if it is chosen"]
      : []),
  ];
}

export interface ExpectedPath {
  /** What rewrites the request's addresses; undefined if nothing does. */
  readonly rewriter: Rewriter | undefined;
  readonly request: readonly ExpectedHop[];
  readonly reply: readonly ExpectedHop[];
}

/** Cilium translates ClusterIPs in every mode: in sockets if it replaces kube-proxy, otherwise at veth interfaces. */
function rewriterOf({ services, sender, target, choice }: PathFacts): Rewriter | undefined {
  if (target.kind === "pod") return undefined;
  if (services === "kube-proxy") return target.kind === "clusterIP" && sender.kind === "pod" ? "BPF" : "kernel";
  const isOfSockets = sender.kind === "node" || !choice?.socketLB?.hostNamespaceOnly;
  return sender.kind !== "machine" && isOfSockets ? "socket LB" : "BPF";
}

interface PodOfNode {
  readonly node: string;
  readonly pod: string;
}

function leavingCluster(facts: PathFacts, sender: PodOfNode): ExpectedPath {
  const rewriters = { BPF: "BPF", iptables: "kernel", none: undefined } as const;
  return {
    rewriter: rewriters[facts.masquerading],
    request: [...outOf(sender), device(sender.node, "out")],
    reply: [device(sender.node, "in"), ...into(sender, facts)],
  };
}

const device = (node: string, direction: ExpectedHop["direction"]): ExpectedHop => ({
  node,
  role: "device",
  direction,
});

function outOf({ node, pod }: PodOfNode): ExpectedHop[] {
  return [
    { node, pod, role: "pod", direction: "out" },
    { node, role: "veth", vethOf: pod, direction: "in" },
  ];
}

/** BPF host routing delivers packets of other pods and nodes directly into the pod; the node's own packets pass the veth. */
function into({ node, pod }: PodOfNode, { hostRouting }: PathFacts, fromNode = false): ExpectedHop[] {
  const end: ExpectedHop = { node, pod, role: "pod", direction: "in" };
  return hostRouting === "BPF" && !fromNode ? [end] : [{ node, role: "veth", vethOf: pod, direction: "out" }, end];
}

/** From node to node without encapsulation; none on the same node. */
function wire([from, to]: readonly string[]): ExpectedHop[] {
  return from === undefined || to === undefined || from === to ? [] : [device(from, "out"), device(to, "in")];
}

/** From node to node as pods' packets travel; none on the same node. */
function crossing({ tunnel }: PathFacts, nodes: readonly string[]): ExpectedHop[] {
  const [out, into] = wire(nodes);
  if (out === undefined || into === undefined) return [];
  return tunnel === "disabled" ? [out, into] : [{ ...out, role: "tunnel" }, out, into, { ...into, role: "tunnel" }];
}

/** Decapsulated packets for the node itself, or for kube-proxy's rules on it, pass cilium_host. */
function hostOf({ tunnel, services, sender, target }: PathFacts, [node, end]: readonly string[]): ExpectedHop[] {
  const isHosts = sender.kind === "node" || (target.kind === "nodePort" && services === "kube-proxy");
  if (tunnel === "disabled" || !isHosts || node === end) return [];
  return [{ node: node!, role: "cilium_host", direction: "in" }];
}
