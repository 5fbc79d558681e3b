import { askAgent, listAgents } from "../agents";
import { fail, inconclusive, pass, type Check, type Finding } from "./check";

/** What an agent reached at this moment: the target's name to the exit code. */
interface Reached {
  readonly node: string;
  readonly targets: readonly HealthTarget[] | Error;
  readonly output: string | Error;
}

/** Every node and health endpoint listens there: https://docs.cilium.io/en/v1.18/operations/system_requirements/#firewall-rules */
const HEALTH_PORT = 4240;

/**
 * Whether every agent reaches every node and its health endpoint. Agents know their addresses, and probe them every minute or two;
 * what they found then may be old or nothing yet, so each address is asked anew.
 */
export const healthCheck: Check<readonly Reached[]> = {
  id: "health",
  question: "Does every node reach every other node and the health endpoint there?",
  timeoutSeconds: 40,
  async read(cluster) {
    const agents = await listAgents(cluster);
    return Promise.all(
      agents.map(async (agent): Promise<Reached> => {
        const status = await askAgent(cluster, agent, ["cilium-health", "status", "-o", "json"]);
        const targets = status instanceof Error ? status : healthTargets(status);
        if (targets instanceof Error) return { node: agent.node, targets, output: targets };
        // the agent's image has neither ping nor curl, but bash
        const connect = ({ address }: HealthTarget, index: number) =>
          `(timeout 5 bash -c '</dev/tcp/${address}/${HEALTH_PORT}' 2>/dev/null; echo "${index} $?") &`;
        const output = await askAgent(cluster, agent, ["bash", "-c", [...targets.map(connect), "wait"].join("\n")]);
        return { node: agent.node, targets, output };
      }),
    );
  },
  judge(reached, { nodeCount }) {
    if (reached.length === 0) return [inconclusive("cluster", "there are no agents")];
    return reached.map(({ node, targets, output }): Finding => {
      if (targets instanceof Error) return inconclusive(node, targets.message);
      if (output instanceof Error) return inconclusive(node, output.message);
      const wanted = 2 * (nodeCount ?? reached.length);
      if (targets.length < wanted) {
        return inconclusive(
          node,
          `the agent knows ${targets.length} addresses of nodes and health endpoints, and needs ${wanted}`,
        );
      }
      const answered = new Set([...output.matchAll(/^(\d+) 0$/gm)].map(([, index]) => Number(index)));
      const silent = targets.filter((_, index) => !answered.has(index));
      const seen = `${targets.length - silent.length} of ${targets.length} nodes and health endpoints answer`;
      if (silent.length === 0) return pass(node, seen);
      const names = silent.map(({ name, address }) => `${name} (${address})`).join(", ");
      const remedy =
        "see the check routes; iptables-save and nft list ruleset on both nodes tell what drops packets; does the agent there run?";
      return fail(node, seen, `no answer on port ${HEALTH_PORT} from ${names}`, remedy);
    });
  },
};

/** An address that an agent's health checks ask. */
export interface HealthTarget {
  /** `node c/c-worker` or `health endpoint of c/c-worker`. */
  readonly name: string;
  readonly address: string;
}

/** What `cilium-health status -o json` tells, as far as it is needed. */
interface HealthStatus {
  readonly nodes?: readonly {
    readonly name: string;
    readonly host?: { readonly "primary-address"?: { readonly ip?: string } };
    readonly endpoint?: { readonly ip?: string };
    readonly "health-endpoint"?: { readonly "primary-address"?: { readonly ip?: string } };
  }[];
}

/** The addresses in `cilium-health status -o json`; an error for text that is none. */
export function healthTargets(text: string): HealthTarget[] | Error {
  let status: HealthStatus;
  try {
    status = JSON.parse(text) as HealthStatus;
  } catch {
    return new Error(`the health status is no JSON: ${text.slice(0, 80)}`);
  }
  return (status.nodes ?? []).flatMap(({ name, host, endpoint, "health-endpoint": healthEndpoint }) => {
    const own = host?.["primary-address"]?.ip;
    const health = healthEndpoint?.["primary-address"]?.ip ?? endpoint?.ip;
    return [
      ...(own ? [{ name: `node ${name}`, address: own }] : []),
      ...(health ? [{ name: `health endpoint of ${name}`, address: health }] : []),
    ];
  });
}
