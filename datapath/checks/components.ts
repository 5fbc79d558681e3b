import type { V1Deployment } from "@kubernetes/client-node";
import { askAgents, CILIUM_NAMESPACE, type AgentAnswer } from "../agents";
import { fail, inconclusive, pass, warning, type Check, type Finding } from "./check";

/** Whether the operator is there, which gives nodes their pod networks. */
export const operatorCheck: Check<V1Deployment> = {
  id: "operator",
  question: "Is Cilium's operator available?",
  timeoutSeconds: 10,
  read: (cluster) => cluster.deployment(CILIUM_NAMESPACE, "cilium-operator"),
  judge({ spec, status }) {
    const [wanted, available] = [spec?.replicas ?? 1, status?.availableReplicas ?? 0];
    const seen = `${available} of ${wanted} available`;
    if (available === wanted && wanted > 0) return [pass("cluster", seen)];
    const remedy = `kubectl -n ${CILIUM_NAMESPACE} describe pods -l io.cilium/app=operator`;
    // two refuse to share a node, so the second is missing where there is one, and while nodes are replaced
    if (available > 0) return [warning("cluster", seen, "there is none in reserve", remedy)];
    return [fail("cluster", seen, "nodes that come new get no pod network without it", remedy)];
  },
};

/** What `cilium status -o json` tells of the agent's background work, as far as it is needed. */
interface Controllers {
  readonly controllers?: readonly {
    readonly name: string;
    readonly status?: { readonly "consecutive-failure-count"?: number; readonly "last-failure-msg"?: string };
  }[];
}

/** Whether something that agents do again and again fails at present. */
export const controllersCheck: Check<readonly AgentAnswer[]> = {
  id: "controllers",
  question: "Does all that the agents do again and again succeed?",
  timeoutSeconds: 20,
  read: (cluster) => askAgents(cluster, "cilium", "status", "-o", "json", "--all-controllers"),
  judge(answers) {
    if (answers.length === 0) return [inconclusive("cluster", "there are no agents")];
    return answers.map(({ node, output }): Finding => {
      if (output instanceof Error) return inconclusive(node, output.message);
      let controllers: Controllers["controllers"];
      try {
        ({ controllers } = JSON.parse(output) as Controllers);
      } catch {
        return inconclusive(node, `the status is no JSON: ${output.slice(0, 80)}`);
      }
      if (controllers === undefined || controllers.length === 0)
        return inconclusive(node, "no controllers were listed");
      const failing = controllers.filter(({ status }) => (status?.["consecutive-failure-count"] ?? 0) > 0);
      const seen = `${controllers.length - failing.length} of ${controllers.length} succeed`;
      if (failing.length === 0) return pass(node, seen);
      const words = failing.map(({ name, status }) => `${name}: ${status?.["last-failure-msg"] ?? "no message"}`);
      const remedy = `cilium status --all-controllers in the agent; they are tried again by themselves`;
      return warning(node, seen, words.join("; "), remedy);
    });
  },
};
