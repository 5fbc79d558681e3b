import { counterOf, type NodeCounters } from "../evidence/node";
import type { Evidence } from "../evidence/gather";
import { NONE_LOST, PATH_PINGS } from "../evidence/pods";
import { fail, inconclusive, pass, skipped, type Check, type Finding } from "./check";
import { skipWithoutWorkload } from "./podNetwork";

/** Every pod pings the next node's; each node forwards these and their answers, of two pods: 4 packets each. */
const FORWARDED = 4 * PATH_PINGS;

/** A node forwards a few packets of others meanwhile. One direction of one pair of pods is more than these. */
const TOLERANCE = PATH_PINGS / 2;

/** What pods of each node send of them at least: pings, and answers to others'. */
export const SENT = 2 * PATH_PINGS;

/** Whether packets between pods take the way through the node that the mode promises. */
export const packetPathCheck: Check = {
  id: "packet-path",
  question:
    "Do packets between nodes' pods bypass the hosts' IP stack and its iptables, or pass it, as the mode expects?",
  needs: ["traffic"],
  skip: (expectation) =>
    skipWithoutWorkload(expectation) ??
    (expectation.evidence.forwarding === "not promised"
      ? "packets in a tunnel pass the hosts' IP stack in every mode"
      : undefined),
  judge({ nodes, before, between, traffic }, { evidence, nodeCount = 1 }) {
    if (traffic === undefined || traffic.pods.length === 0)
      return [inconclusive("cluster", "the workload has no pods")];
    const servers = traffic.pods.filter(({ pinged }) => pinged !== undefined);
    const wanted = nodes.length === 0 ? nodeCount : Math.min(nodeCount, nodes.length);
    if (wanted > 1 && servers.length < wanted)
      return [inconclusive("cluster", `servers on ${servers.length} of ${wanted} nodes could send pings`)];
    if (servers.length < 2) return [skipped("cluster", "a cluster of one node has no packets between nodes")];
    const losing = servers.filter(({ pinged }) => pinged!.lost !== NONE_LOST);
    if (losing.length > 0) {
      return losing.map(({ pod, node, pinged }) => {
        const { address, lost } = pinged!;
        const to = servers.find((other) => other.address === address)?.node;
        return fail(
          node,
          `${pod} pings ${address}${to === undefined ? "" : ` on ${to}`}: ${lost === "" ? "no answer" : lost}`,
          "pings between pods on different nodes are lost",
          "cilium monitor --type drop in both nodes' agents shows each dropped packet with its reason; ip -s link show eth0 on both nodes counts those that the device drops",
          { cause: "packet-loss", nodes: [node, ...(to === undefined ? [] : [to])] },
        );
      });
    }
    return between.map(({ node }): Finding => {
      const way = wayOfPings({ before, between }, node);
      if (way instanceof Error) return inconclusive(node, way.message);
      const { forwarded, host, sent, passed } = way;
      const seen = `the host's stack forwarded ${forwarded} of ${FORWARDED} packets, ${host} passed cilium_host; pods sent ${sent}`;
      if (sent < SENT) {
        const reason =
          "the pods' devices saw fewer packets than the pods sent: the workload does not use the pod network";
        return inconclusive(node, `${seen}; ${reason}`, undefined, { nodes: [node] });
      }
      if (passed !== evidence.forwarding) {
        const promised =
          evidence.forwarding === "BPF"
            ? "BPF passes packets around the host's stack"
            : "the host's stack forwards packets";
        return fail(
          node,
          seen,
          `in this mode ${promised}`,
          `kubectl -n kube-system exec ds/cilium -- cilium status (in the agent of ${node}): Host Routing; ip route show and ip rule show on ${node}`,
          { cause: "detour", nodes: [node] },
        );
      }
      if (host >= FORWARDED) {
        return fail(
          node,
          seen,
          "packets between pods pass cilium_host, which in native routing is the nodes' own",
          `on ${node}: ip route show; ip rule show`,
          { cause: "detour", nodes: [node] },
        );
      }
      return pass(node, seen);
    });
  },
};

/** Which way pings between pods took through a node, with what it counted meanwhile. */
export interface WayOfPings {
  /** IPv4 packets that the host's stack forwarded. */
  readonly forwarded: number;
  /** Packets that passed `cilium_host`. */
  readonly host: number;
  /** Packets that pods sent. */
  readonly sent: number;
  readonly passed: "host" | "BPF" | "both";
}

/** Which way pings between pods took through a node, or why nobody knows. */
export function wayOfPings(
  { before, between }: Pick<Evidence, "before" | "between">,
  node: string,
): WayOfPings | Error {
  const [start, end] = [countersOf(before, node), countersOf(between, node)];
  if (start instanceof Error) return start;
  if (end instanceof Error) return end;
  const forwarded = end.forwarded - start.forwarded;
  return {
    forwarded,
    host: end.ciliumHost - start.ciliumHost,
    sent: end.fromPods - start.fromPods,
    passed: forwarded >= FORWARDED ? "host" : forwarded <= TOLERANCE ? "BPF" : "both",
  };
}

interface Counters {
  readonly forwarded: number;
  readonly ciliumHost: number;
  readonly fromPods: number;
}

function countersOf(counters: readonly NodeCounters[], node: string): Counters | Error {
  const [snmp, host, fromPods] = (["snmp", "ciliumHost", "fromPods"] as const).map((name) =>
    counterOf(counters, node, name),
  ) as [string | Error, string | Error, string | Error];
  for (const each of [snmp, host, fromPods]) if (each instanceof Error) return each;
  const forwarded = forwardedIn(snmp as string);
  const [received, sent] = (host as string).trim().split("\n").map(Number);
  if (forwarded === undefined || Number.isNaN(received! + sent! + Number(fromPods)))
    return new Error("the node did not tell its counters");
  return { forwarded, ciliumHost: received! + sent!, fromPods: Number(fromPods) };
}

/** IPv4 packets that the kernel itself has forwarded, in `/proc/net/snmp`: a line of names and one of numbers. */
function forwardedIn(snmp: string): number | undefined {
  const [names, numbers] = snmp
    .split("\n")
    .filter((line) => line.startsWith("Ip: "))
    .map((line) => line.split(" "));
  const value = numbers?.[names!.indexOf("ForwDatagrams")];
  return value === undefined ? undefined : Number(value);
}
