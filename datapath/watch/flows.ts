import type { Place } from "../probes";

/** Senders: the client pod, its node, or a container outside the cluster. */
export type SenderId = "pod" | "node" | "outside";

/** Probes of a flow, described in the program `flow` of the workload's image. */
export type Protocol = "icmp" | "udp" | "tcp" | "kept" | "dns" | "self";

/** Targets. `near` and `far` are pods on the client's node and on another one; their addresses can change. */
export type TargetId = "near" | "far" | "far-node" | "cluster-ip" | "node-port" | "dns" | "outside" | "itself";

/** One kind of traffic. */
export interface Flow {
  /** Stable id for programs: `cross-node-tcp`. */
  readonly id: string;
  readonly title: string;
  readonly from: SenderId;
  readonly to: TargetId;
  readonly protocol: Protocol;
  /** Cilium does not handle it: its losses and stalls are caused by the machine. */
  readonly isControl: boolean;
}

/** An address and a port; `name` is the name in a DNS query. */
export interface Target {
  readonly address: string;
  readonly port: number;
  readonly name?: string;
}

export type Targets = Readonly<Partial<Record<TargetId, Target>>>;

/** Protocols in titles. */
const WORDS: Readonly<Record<Protocol, string>> = {
  icmp: "ping",
  udp: "UDP",
  tcp: "new TCP",
  kept: "kept TCP",
  dns: "DNS",
  self: "loopback",
};

type Kind = readonly [prefix: string, title: string, from: SenderId, to: TargetId, protocols: readonly Protocol[]];

const KINDS: readonly Kind[] = [
  ["same-node", "pod to pod, same node", "pod", "near", ["icmp", "tcp", "kept"]],
  ["cross-node", "pod to pod, other node", "pod", "far", ["icmp", "tcp", "kept", "udp"]],
  ["cluster-ip", "pod to ClusterIP", "pod", "cluster-ip", ["tcp", "kept", "udp"]],
  ["node-port", "pod to NodePort", "pod", "node-port", ["tcp", "kept"]],
  ["dns", "pod to cluster DNS", "pod", "dns", ["dns"]],
  ["egress", "pod to outside", "pod", "outside", ["icmp", "tcp", "kept", "udp"]],
  ["node-cluster-ip", "node to ClusterIP", "node", "cluster-ip", ["tcp"]],
  ["node-node-port", "node to NodePort", "node", "node-port", ["tcp", "kept"]],
  ["node-pod", "node to pod, other node", "node", "far", ["tcp"]],
  ["node-node", "node to node", "node", "far-node", ["icmp"]],
  ["ingress", "outside to NodePort", "outside", "node-port", ["tcp", "kept", "udp"]],
];

const CONTROLS: readonly Kind[] = [
  ["control-pod", "control: pod to itself", "pod", "itself", ["self"]],
  ["control-node", "control: node to itself", "node", "itself", ["self"]],
  ["control-outside", "control: outside to itself", "outside", "itself", ["self"]],
  ["control-network", "control: outside to outside", "outside", "outside", ["icmp", "tcp", "kept"]],
];

const flowsOf = (kinds: readonly Kind[], isControl: boolean): Flow[] =>
  kinds.flatMap(([prefix, title, from, to, protocols]) =>
    protocols.map((protocol) => ({
      id: protocols.length === 1 ? prefix : `${prefix}-${protocol}`,
      title: protocol === "dns" || protocol === "self" ? title : `${title}, ${WORDS[protocol]}`,
      from,
      to,
      protocol,
      isControl,
    })),
  );

/** Every flow, in the order of reports, controls last. */
export const FLOWS: readonly Flow[] = [...flowsOf(KINDS, false), ...flowsOf(CONTROLS, true)];

/** Why a flow cannot be sent, by the missing sender or target. */
const MISSING: Readonly<Record<"node" | "outside" | TargetId, string>> = {
  node: "commands cannot run on the cluster's nodes",
  near: "no server runs on the client's node",
  far: "the cluster has only one node",
  "far-node": "the cluster has only one node",
  "cluster-ip": "the workload's Service has no ClusterIP",
  "node-port": "the workload's Service has no NodePort",
  dns: "the Service kube-dns is missing in kube-system",
  outside: "no container outside the cluster on the nodes' network",
  itself: "the sender is missing",
};

/** Choose the flows that can be sent. @returns them, and the omitted flows with reasons */
export function chooseFlows(
  targets: Targets,
  senders: ReadonlySet<SenderId>,
): { flows: Flow[]; omitted: { title: string; reason: string }[] } {
  const reasonOf = ({ from, to }: Flow): string | undefined => {
    if (!senders.has(from)) return MISSING[from === "pod" ? "near" : from];
    return to === "itself" || targets[to] !== undefined ? undefined : MISSING[to];
  };
  return {
    flows: FLOWS.filter((flow) => reasonOf(flow) === undefined),
    omitted: FLOWS.flatMap((flow) => {
      const reason = reasonOf(flow);
      return reason === undefined ? [] : [{ title: flow.title, reason }];
    }),
  };
}

/** Choose a server on the client's node, and one on another node, preferably a worker. */
export function choosePods(client: Place, servers: readonly Place[]) {
  const others = servers.filter(({ node }) => node !== client.node);
  return { near: servers.find(({ node }) => node === client.node), far: others.at(-1) };
}

/** Arguments of the program `flow`. */
export function flowArguments(
  flows: readonly Flow[],
  targets: Targets,
  intervalMs: number,
  timeoutMs: number,
): string[] {
  const one = ({ id, protocol, to }: Flow) => {
    const { address = "", port = 0, name = "" } = targets[to] ?? {};
    return [id, protocol, address, port, name].join(",");
  };
  return [String(intervalMs), String(timeoutMs), ...flows.map(one)];
}
