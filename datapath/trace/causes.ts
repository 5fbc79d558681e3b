import { askAgent, listAgents, saveIpv6Rules, saveRules } from "../../cluster/agents";
import type { AddressFamily } from "../../modes/ipFamily";
import type { Namespaces } from "./namespaces";
import type { Icmp } from "./packets";
import type { Traffic } from "./legs";
import { askNode, type TraceCluster } from "./traceCluster";

/** Types of errors: destination unreachable, time exceeded, and in ICMPv6 packet too big. */
const UNDELIVERED: Readonly<Record<Icmp["protocol"], readonly number[]>> = { ICMP: [3, 11], ICMPv6: [1, 2, 3] };

/** Rules that drop packets, with their counters, and Cilium's drop counters by reason. */
const rulesOf = (saved: string) => `{ ${saved}; } | grep -E -- '-j (DROP|REJECT)' | sort -u`;
const RULES: Readonly<Record<AddressFamily, string>> = {
  ipv4: rulesOf(saveRules("-c")),
  ipv6: rulesOf(saveIpv6Rules("-c")),
};
const DROPS = "cilium bpf metrics list 2>/dev/null | grep -v -i '^\\(success\\|interface\\|reason\\)' || true";

/**
 * Why a packet did not arrive: ICMP errors, rules and programs whose drop counters grow when it is sent again, a missing
 * agent, a wrong route, a neighbor that does not answer; or that the cause is gone.
 * @param again sends it once more, and returns whether it was answered
 */
export async function causesOf(
  cluster: TraceCluster,
  namespaces: Namespaces,
  traffic: Traffic,
  nodes: readonly string[],
  { family, routesAreDirect }: { readonly family: AddressFamily; readonly routesAreDirect: boolean },
  again: () => Promise<boolean>,
): Promise<string[]> {
  const last = traffic.reply.at(-1) ?? traffic.request.at(-1);
  const elsewhere =
    last === undefined || !routesAreDirect
      ? []
      : await causesOfRoute(cluster, namespaces, family, last.station.node, last.frame.packet.destination);
  const agents = await listAgents(cluster);
  const count = async (node: string): Promise<string[]> => {
    const agent = agents.find((each) => each.node === node);
    if (agent === undefined) return [];
    const answer = await askAgent(cluster, agent, ["sh", "-c", `${RULES[family]}; ${DROPS}`]);
    return answer instanceof Error ? [] : answer.split("\n").filter(Boolean);
  };
  const before = await Promise.all(nodes.map(count));
  const isGone = await again();
  const after = await Promise.all(nodes.map(count));
  return [
    ...traffic.errors
      .filter(
        ({ frame: { packet } }) =>
          packet.content.protocol !== "TCP" && UNDELIVERED[packet.content.protocol].includes(packet.content.type),
      )
      .slice(0, 1)
      .map(({ frame: { packet } }) => {
        return `${packet.source} reports by ${packet.content.protocol} that the packet cannot be delivered`;
      }),
    ...nodes.flatMap((node, index) => {
      const agent = agents.find((each) => each.node === node);
      const missing =
        agent === undefined ? [`no agent runs on ${node}`] : agent.ready ? [] : [`the agent on ${node} is not ready`];
      return [...missing, ...counted(before[index]!, after[index]!).map((line) => `${node} drops: ${line}`)];
    }),
    ...elsewhere,
    ...(isGone ? ["a second packet was answered: the cause is gone"] : []),
  ];
}

/** Lines whose counters changed, without the counters. */
function counted(before: readonly string[], after: readonly string[]): string[] {
  return [...new Set(after.filter((line) => !before.includes(line)).map(withoutNumbers))];
}

/** Remove a rule's `[packets:bytes]`, or the counts in a row of Cilium's metrics. */
function withoutNumbers(line: string): string {
  return line.startsWith("[")
    ? line.replace(/^\[\d+:\d+\] /, "")
    : line
        .replace(/\s+\d+\s+\d+(?=\s|$)/, "")
        .replace(/\s+/g, " ")
        .trim();
}

/** The route of a node for another node's pod, if it does not lead to that node, or leads to a neighbor that does not answer. */
async function causesOfRoute(
  cluster: TraceCluster,
  namespaces: Namespaces,
  family: AddressFamily,
  node: string,
  destination: string,
): Promise<string[]> {
  const pod = namespaces.pods.find(({ address }) => address === destination);
  const own = namespaces.nodes.find((each) => each.node === node)!;
  const other = namespaces.nodes.find((each) => each.node === pod?.node);
  if (other === undefined || other === own) return [];
  const ip = `ip -${family.slice(-1)}`;
  const route = await askNode(cluster, node, `${ip} route get ${destination} 2>&1`).catch(() => "");
  if (route === "" || / dev cilium_/.test(route)) return [];
  if (route.includes(` via ${other.address} `)) {
    const entry = await askNode(cluster, node, `${ip} neigh show to ${other.address} 2>&1`).catch(() => "");
    if (!/\b(?:INCOMPLETE|FAILED)\b/.test(entry)) return [];
    const asks = { ipv4: "ARP requests", ipv6: "neighbor solicitations" }[family];
    return [`${node} gets no answer to ${asks} for ${other.node}; its entry is: ${entry.trim()}`];
  }
  return [
    `${node} has no route to the pods of ${other.node}; its route for ${destination} is: ${route.split("\n")[0]!.trim()}`,
  ];
}
