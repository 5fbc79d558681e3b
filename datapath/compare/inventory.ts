import { askAgent, listAgents, saveRules, type Agent } from "../../cluster/agents";
import { parseServiceList } from "../checks/serviceMap";
import type { ClusterReader } from "../../cluster/read";
import { LIST_INTERFACES, parseInterfaces } from "./interfaces";
import type { NodeInventory } from "./results";
import { rulesByOwner } from "./rules";

/** Read what the nodes of a cluster hold, by their agents. @throws Error when one does not answer, or there is none */
export async function readNodes(cluster: ClusterReader): Promise<NodeInventory[]> {
  const agents = await listAgents(cluster);
  if (agents.length === 0) throw new Error("There are no agents to ask on the nodes");
  return Promise.all(agents.map((agent) => readNode(cluster, agent)));
}

async function readNode(cluster: ClusterReader, agent: Agent): Promise<NodeInventory> {
  const ask = async (...command: string[]): Promise<string> => {
    const answer = await askAgent(cluster, agent, command);
    if (answer instanceof Error) throw new Error(`${agent.node} cannot be looked at: ${answer.message}`);
    return answer;
  };
  const [rules, services, interfaces, tables] = await Promise.all([
    ask("sh", "-c", saveRules()),
    ask("cilium", "service", "list"),
    ask("sh", "-c", LIST_INTERFACES),
    // old node images have no nft
    cluster.onNode?.(agent.node, ["nft", "list", "tables"]).catch(() => undefined),
  ]);
  return {
    node: agent.node,
    iptables: rulesByOwner(rules),
    ...(tables === undefined ? {} : { nftables: ownTables(tables) }),
    services: servicesByType(services),
    interfaces: parseInterfaces(interfaces),
  };
}

/** Count what `cilium service list` printed by type. */
function servicesByType(list: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { type } of parseServiceList(list)) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
}

/** The tables in which iptables keeps its rules have been counted by them. */
const OF_IPTABLES = /^ip6? (?:nat|filter|mangle|raw|security)$/;

function ownTables(list: string): string[] {
  const names = [...list.matchAll(/^table (\S+ \S+)/gm)].map(([, name]) => name!);
  return names.filter((name) => !OF_IPTABLES.test(name)).sort();
}
