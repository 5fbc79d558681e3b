import { askAgent, listAgents, saveRules } from "../../cluster/agents";
import type { Ground } from "./ground";
import type { Traffic } from "./legs";
import { askNode, type TraceCluster } from "./traceCluster";

/** Unreachable, and exceeded on its way. */
const UNDELIVERED: readonly number[] = [3, 11];

/** Rules that let nothing through, with how often they did so, and Cilium's own count of what it dropped, by reason. */
const RULES = `{ ${saveRules("-c")}; } | grep -E -- '-j (DROP|REJECT)' | sort -u`;
const DROPS = "cilium bpf metrics list 2>/dev/null | grep -v -i '^\\(success\\|interface\\|reason\\)' || true";

/**
 * Why a packet did not arrive, as far as evidence has it: what others said in ICMP, rules and programs that count one
 * more when it is sent again, a missing agent, a route that leads elsewhere; or that whatever it was has passed.
 * @param again sends it once more; true when it was answered
 */
export async function causesOf(
  cluster: TraceCluster,
  ground: Ground,
  traffic: Traffic,
  nodes: readonly string[],
  routesAreDirect: boolean,
  again: () => Promise<boolean>,
): Promise<string[]> {
  const last = traffic.reply.at(-1) ?? traffic.request.at(-1);
  const elsewhere =
    last === undefined || !routesAreDirect
      ? []
      : await wrongRoute(cluster, ground, last.station.node, last.frame.packet.destination);
  const agents = await listAgents(cluster);
  const count = async (node: string): Promise<string[]> => {
    const agent = agents.find((each) => each.node === node);
    if (agent === undefined) return [];
    const answer = await askAgent(cluster, agent, ["sh", "-c", `${RULES}; ${DROPS}`]);
    return answer instanceof Error ? [] : answer.split("\n").filter(Boolean);
  };
  const before = await Promise.all(nodes.map(count));
  const hasPassed = await again();
  const after = await Promise.all(nodes.map(count));
  return [
    ...traffic.errors
      .filter(
        ({ frame: { packet } }) => packet.content.protocol === "ICMP" && UNDELIVERED.includes(packet.content.type),
      )
      .slice(0, 1)
      .map(({ frame: { packet } }) => `${packet.source} said in ICMP that it cannot be delivered`),
    ...nodes.flatMap((node, index) => {
      const agent = agents.find((each) => each.node === node);
      const missing =
        agent === undefined ? [`no agent runs on ${node}`] : agent.ready ? [] : [`the agent on ${node} is not ready`];
      return [...missing, ...counted(before[index]!, after[index]!).map((line) => `${node} drops: ${line}`)];
    }),
    ...elsewhere,
    ...(hasPassed ? ["sent again, it was answered: what stopped it has passed"] : []),
  ];
}

/** Lines whose numbers are higher than before, without the numbers. */
function counted(before: readonly string[], after: readonly string[]): string[] {
  return [...new Set(after.filter((line) => !before.includes(line)).map(withoutNumbers))];
}

/** A rule's `[packets:bytes]`, and the counts in a row of Cilium's metrics. */
function withoutNumbers(line: string): string {
  return line.startsWith("[")
    ? line.replace(/^\[\d+:\d+\] /, "")
    : line
        .replace(/\s+\d+\s+\d+(?=\s|$)/, "")
        .replace(/\s+/g, " ")
        .trim();
}

/** Where a node sends packets for another node's pod, when that is not the other node. */
async function wrongRoute(cluster: TraceCluster, ground: Ground, node: string, destination: string): Promise<string[]> {
  const pod = ground.pods.find(({ address }) => address === destination);
  const own = ground.nodes.find((each) => each.node === node)!;
  const other = ground.nodes.find((each) => each.node === pod?.node);
  if (other === undefined || other === own) return [];
  const route = await askNode(cluster, node, `ip -4 route get ${destination} 2>&1`).catch(() => "");
  if (route === "" || route.includes(` via ${other.address} `) || / dev cilium_/.test(route)) return [];
  return [
    `${node} has no route to the pods of ${other.node}; it sends ${destination} so: ${route.split("\n")[0]!.trim()}`,
  ];
}
