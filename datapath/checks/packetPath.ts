import { askAgents, type AgentAnswer } from "../agents";
import { places, runInPod, skipWithoutWorkload, type Place } from "../probes";
import { fail, inconclusive, pass, skipped, type Check, type Finding } from "./check";

/** Counters of a node before and after pings that crossed it. */
interface PacketPathEvidence {
  readonly senders: readonly { readonly place: Place; readonly output: string | Error }[];
  readonly before: readonly AgentAnswer[];
  readonly after: readonly AgentAnswer[];
}

/** Pings that every pod sends to the next node's; each node forwards these and their answers, of two pods: 4 packets each. */
const PINGS = 50;
const FORWARDED = 4 * PINGS;

/** What pods of each node send of them: pings, and answers to others'. */
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
    "Do packets between nodes' pods pass by the hosts' IP stack and its iptables, or through it, as the mode promises?",
  timeoutSeconds: 40,
  skip: (expectation) =>
    skipWithoutWorkload(expectation) ??
    (expectation.evidence.forwarding === "not promised"
      ? "what a tunnel's packets pass on the nodes is promised by no mode"
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
  judge({ senders, before, after }, { evidence }) {
    if (senders.length === 0) return [inconclusive("cluster", "the workload has no pods", "run pulumi up --refresh")];
    if (senders.length < 2) return [skipped("cluster", "one node has nobody to send packets to")];
    const silent = senders.filter(({ output }) => output instanceof Error || !/ 0% packet loss/.test(output));
    if (silent.length > 0) {
      const names = silent.map(({ place: { node } }) => node).join(", ");
      return [inconclusive("cluster", `pings were lost from ${names}`, "see the checks pod-to-pod and routes")];
    }
    return after.map(({ node, output }): Finding => {
      const [start, end] = [countersOf(before.find((answer) => answer.node === node)?.output), countersOf(output)];
      if (start instanceof Error) return inconclusive(node, start.message);
      if (end instanceof Error) return inconclusive(node, end.message);
      const forwarded = end.forwarded - start.forwarded;
      const host = end.ciliumHost - start.ciliumHost;
      const sent = end.fromPods - start.fromPods;
      const seen = `of ${FORWARDED} packets ${forwarded} forwarded by the host's stack, ${host} over cilium_host; pods' interfaces saw ${sent} of ${SENT} sent`;
      const passed = forwarded >= FORWARDED ? "host" : forwarded <= FORWARDED / 4 ? "BPF" : "both";
      if (passed !== evidence.forwarding) {
        const promised =
          evidence.forwarding === "BPF" ? "BPF passes packets by the host's stack" : "the host's stack forwards them";
        return fail(node, seen, `in this mode ${promised}`, "see the check status: host routing may have fallen back");
      }
      if (host >= FORWARDED) {
        return fail(
          node,
          seen,
          "packets between pods take the way over cilium_host, which in native routing is the nodes' own",
          "see the check routes",
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
    return new Error("the node's counters were not to be had");
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
