import { askAgents, type AgentAnswer } from "../agents";
import { askFromPods, places, skipWithoutWorkload } from "../probes";
import { inconclusive, pass, warning, type Check, type Finding } from "./check";

interface DropsEvidence {
  readonly before: readonly AgentAnswer[];
  readonly after: readonly AgentAnswer[];
}

const METRICS = ["cilium", "metrics", "list", "-o", "json", "-p", "drop_count_total"];

/** Every interface that comes up asks for IPv6 routers, and Cilium drops what it is not configured for. */
const NOT_IPV4 = "Unsupported L3 protocol";

/** Whether the datapath drops packets while the workload is used. */
export const dropsCheck: Check<DropsEvidence> = {
  id: "drops",
  question: "Does the datapath drop packets while pods use it?",
  timeoutSeconds: 30,
  skip: skipWithoutWorkload,
  async read(cluster, expectation) {
    const before = await askAgents(cluster, ...METRICS);
    const { servers } = await places(cluster, expectation);
    await askFromPods(cluster, servers, () =>
      servers.map(({ address }) => ({ name: address, command: `curl -sf -m 3 -o /dev/null http://${address}/` })),
    );
    return { before, after: await askAgents(cluster, ...METRICS) };
  },
  judge({ before, after }) {
    if (after.length === 0) return [inconclusive("cluster", "there are no agents")];
    return after.map(({ node, output }): Finding => {
      const [start, end] = [dropsOf(before.find((answer) => answer.node === node)?.output), dropsOf(output)];
      if (start instanceof Error) return inconclusive(node, start.message);
      if (end instanceof Error) return inconclusive(node, end.message);
      const more = [...end].flatMap(([reason, count]) => {
        const dropped = count - (start.get(reason) ?? 0);
        return dropped > 0 ? [`${dropped} × ${reason}`] : [];
      });
      const seen = more.length === 0 ? "no packet dropped" : `dropped ${more.join(", ")}`;
      if (more.every((each) => each.includes(NOT_IPV4))) return pass(node, seen);
      const remedy = "cilium monitor --type drop in the node's agent shows each packet";
      return warning(
        node,
        `dropped ${more.join(", ")}`,
        "a few are usual while connections end or pods change",
        remedy,
      );
    });
  },
};

/** Dropped packets by direction and reason. */
function dropsOf(output: string | Error | undefined): Map<string, number> | Error {
  if (output === undefined) return new Error("the agent was not there before");
  if (output instanceof Error) return output;
  try {
    // null where nothing was ever dropped
    const metrics = (JSON.parse(output) ?? []) as { labels?: Record<string, string>; value: number }[];
    return new Map(metrics.map(({ labels, value }) => [`${labels?.["reason"]} (${labels?.["direction"]})`, value]));
  } catch {
    return new Error(`the metrics are no JSON: ${output.slice(0, 80)}`);
  }
}
