import { askAgents, type AgentAnswer } from "../../cluster/agents";
import { places, runInPod, type Place } from "../probes";
import { fail, inconclusive, pass, skipped, type Check, type Finding } from "./check";
import { skipWithoutWorkload } from "./podNetwork";

/** Counters of a node before and after pings that crossed it. */
interface PacketPathEvidence {
  readonly senders: readonly { readonly place: Place; readonly output: string | Error }[];
  readonly before: readonly AgentAnswer[];
  readonly after: readonly AgentAnswer[];
}

/** Pings that every pod sends to the next node's; each node forwards these and their answers, of two pods: 4 packets each. */
const PINGS = 50;
const FORWARDED = 4 * PINGS;

/** A node forwards a few packets of others meanwhile. One direction of one pair of pods is more than these. */
const TOLERANCE = PINGS / 2;

/** What pods of each node send of them at least: pings, and answers to others'. */
const SENT = 2 * PINGS;

const COUNTERS = [
  "sh",
  "-c",
  "cat /sys/class/net/cilium_host/statistics/rx_packets /sys/class/net/cilium_host/statistics/tx_packets; " +
    // what pods sent, as their interfaces on the node have received it
    "cat /sys/class/net/lxc*/statistics/rx_packets | { sum=0; while read -r each; do sum=$((sum + each)); done; echo $sum; }; " +
    "cat /proc/net/snmp",
];

/** Whether packets between pods take the way through the node that the mode promises. */
export const packetPathCheck: Check<PacketPathEvidence> = {
  id: "packet-path",
  question:
    "Do packets between nodes' pods bypass the hosts' IP stack and its iptables, or pass it, as the mode expects?",
  needs: [],
  timeoutSeconds: 40,
  skip: (expectation) =>
    skipWithoutWorkload(expectation) ??
    (expectation.evidence.forwarding === "not promised"
      ? "packets in a tunnel pass the hosts' IP stack in every mode"
      : undefined),
  async read(cluster, expectation) {
    const { servers } = await places(cluster, expectation);
    const before = await askAgents(cluster, ...COUNTERS);
    const senders = await Promise.all(
      servers.map(async (place, index) => {
        const target = servers[(index + 1) % servers.length]!;
        const script = `ping -q -c ${PINGS} -i 0.02 -W 2 ${target.address} || true`;
        return { place, output: servers.length < 2 ? "" : await runInPod(cluster, place, script) };
      }),
    );
    return { senders, before, after: await askAgents(cluster, ...COUNTERS) };
  },
  judge(_, { evidence }, { senders, before, after }) {
    if (senders.length === 0) return [inconclusive("cluster", "the workload has no pods")];
    if (senders.length < 2) return [skipped("cluster", "a cluster of one node has no packets between nodes")];
    const silent = senders.filter(({ output }) => output instanceof Error || !/ 0% packet loss/.test(output));
    if (silent.length > 0) {
      const names = silent.map(({ place: { node } }) => node);
      const reason = `pings between pods are lost from ${names.join(", ")}, so nobody can tell which way they take`;
      return [inconclusive("cluster", reason, undefined, { nodes: names })];
    }
    return after.map(({ node, output }): Finding => {
      const [start, end] = [countersOf(before.find((answer) => answer.node === node)?.output), countersOf(output)];
      if (start instanceof Error) return inconclusive(node, start.message);
      if (end instanceof Error) return inconclusive(node, end.message);
      const forwarded = end.forwarded - start.forwarded;
      const host = end.ciliumHost - start.ciliumHost;
      const sent = end.fromPods - start.fromPods;
      const seen = `the host's stack forwarded ${forwarded} of ${FORWARDED} packets, ${host} passed cilium_host; pods sent ${sent}`;
      if (sent < SENT) {
        const reason =
          "the pods' devices saw fewer packets than the pods sent: the workload does not use the pod network";
        return inconclusive(node, `${seen}; ${reason}`, undefined, { nodes: [node] });
      }
      const passed = forwarded >= FORWARDED ? "host" : forwarded <= TOLERANCE ? "BPF" : "both";
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

interface Counters {
  readonly forwarded: number;
  readonly ciliumHost: number;
  readonly fromPods: number;
}

function countersOf(output: string | Error | undefined): Counters | Error {
  if (output === undefined) return new Error("the agent was not there before");
  if (output instanceof Error) return output;
  const forwarded = forwardedIn(output);
  const [received, sent, fromPods] = output.split("\n").map(Number) as [number, number, number];
  if (forwarded === undefined || Number.isNaN(received + sent + fromPods))
    return new Error("the node did not tell its counters");
  return { forwarded, ciliumHost: received + sent, fromPods };
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
