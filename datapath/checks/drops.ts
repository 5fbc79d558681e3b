import { counterOf } from "../evidence/node";
import { deletingAgentOn, fail, inconclusive, pass, warning, type Check, type Finding } from "./check";
import { skipWithoutWorkload } from "./podNetwork";

/** Every interface that comes up asks for IPv6 routers, and Cilium drops what it is not configured for; policies have a check. */
const HARMLESS = /Policy denied|Unsupported L3 protocol|Unsupported protocol for NAT masquerade|Stale or unroutable IP/;

/** Reasons that tell of a program that should have been called; the second one is that of newer versions. */
export const MISSING_PROGRAM = /tail call|policy program not available/i;

/** As many drops as this come with connections that end and pods that change. */
const FEW = 3;

/** Whether the datapath drops packets while pods use it. */
export const dropsCheck: Check = {
  id: "drops",
  question: "Does the datapath drop packets while probes are sent?",
  needs: ["traffic"],
  skip: skipWithoutWorkload,
  judge({ before, after }) {
    if (after.length === 0) return [inconclusive("cluster", "no node could be asked")];
    return after.map(({ node }): Finding => {
      const at = { nodes: [node] };
      const more = dropsBetween(counterOf(before, node, "metrics"), counterOf(after, node, "metrics"));
      if (more instanceof Error) return inconclusive(node, more.message, undefined, at);
      const counted = [...more].filter(([reason]) => !HARMLESS.test(reason));
      const seen =
        more.size === 0
          ? "no packet dropped"
          : `dropped ${[...more].map(([reason, count]) => `${count} × ${reason}`).join(", ")}`;
      if (counted.reduce((sum, [, count]) => sum + count, 0) <= FEW) return pass(node, seen);
      const tail = counted.filter(([reason]) => MISSING_PROGRAM.test(reason));
      if (tail.length > 0) {
        return fail(
          node,
          seen,
          "a part of Cilium's programs is missing: packets are dropped where it should be called",
          `${deletingAgentOn(node)}: the agent loads its programs when it starts`,
          {
            cause: "program-missing",
            ...at,
          },
        );
      }
      const remedy = `kubectl -n kube-system exec ds/cilium -- cilium monitor --type drop (in the agent of ${node}) shows each packet`;
      return warning(
        node,
        seen,
        `Cilium drops packets while probes are sent: ${counted.map(([reason]) => reason).join(", ")}`,
        remedy,
        at,
      );
    });
  },
};

/** Packets dropped between two readings, by reason and direction. */
export function dropsBetween(before: string | Error, after: string | Error): Map<string, number> | Error {
  const [start, end] = [dropsOf(before), dropsOf(after)];
  if (start instanceof Error) return start;
  if (end instanceof Error) return end;
  return new Map(
    [...end]
      .map(([reason, count]) => [reason, count - (start.get(reason) ?? 0)] as const)
      .filter(([, count]) => count > 0),
  );
}

/** What `cilium metrics list -o json` prints of a metric. */
interface Metric {
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The values of one metric. @throws SyntaxError for what is no JSON */
export function metricsIn(output: string, name: string): Metric[] {
  // null where there is none yet
  const metrics = (JSON.parse(output.trim() || "null") ?? []) as Metric[];
  return metrics.filter((metric) => metric.name === undefined || metric.name.endsWith(name));
}

/** Dropped packets by direction and reason. */
function dropsOf(output: string | Error): Map<string, number> | Error {
  if (output instanceof Error) return output;
  try {
    return new Map(
      metricsIn(output, "drop_count_total").map(({ labels, value }) => [
        `${labels?.["reason"]} (${labels?.["direction"]})`,
        value,
      ]),
    );
  } catch {
    return new Error(`the metrics are not JSON: ${output.slice(0, 80)}`);
  }
}
