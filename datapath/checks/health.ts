import { answeredIn, healthTargets } from "../evidence/health";
import { ciliumNodesByNode, readingOf, valueOf } from "../evidence/api";
import { fail, inconclusive, pass, skipped, type Check, type Finding } from "./check";
import { eachNode } from "./nodes";

/**
 * Whether every agent reaches every node and its health endpoint. Agents themselves find that out every minute or two, and
 * what they found then may be old or nothing yet; so the addresses that they ask are asked anew.
 */
export const healthCheck: Check = {
  id: "health",
  question: "Does every node reach every other node and the health endpoint there?",
  needs: ["nodes"],
  judge(evidence, { nodeCount }) {
    const config = valueOf(evidence.api.config, undefined)?.data ?? {};
    if (config["enable-health-checking"] === "false")
      return [skipped("cluster", "cilium-config turns health checks off")];
    const hasEndpoints = config["enable-endpoint-health-checking"] !== "false";
    // throws if they could not be read, which would look like none
    readingOf(evidence.api.ciliumNodes);
    const known = ciliumNodesByNode(evidence.api).with;
    const without = known.filter(
      ({ address, healthAddress }) => address === "" || (hasEndpoints && healthAddress === ""),
    );
    if (known.length < (nodeCount ?? 1) || without.length > 0) {
      const names = without.map(({ name }) => name).join(", ");
      return [
        inconclusive(
          "cluster",
          `Cilium knows ${known.length} nodes${names === "" ? "" : `, and no health endpoint of ${names}`}`,
          "kubectl get ciliumnodes -o yaml; kubectl -n kube-system get pods -l app.kubernetes.io/part-of=cilium -o wide",
        ),
      ];
    }
    const targets = healthTargets(evidence.api);
    const nodes = new Set(targets.map((target) => target.node)).size;
    const sample = nodes < known.length ? `; ${nodes} of ${known.length} nodes were asked` : "";
    return eachNode(evidence, "health", ({ node }, output): Finding => {
      const silent = targets.filter((_, index) => !answeredIn(output, index));
      const seen = `${targets.length - silent.length} of ${targets.length} answered${sample}`;
      if (silent.length === 0) return pass(node, seen);
      const names = silent.slice(0, 3).map(({ title }) => title);
      return fail(
        node,
        seen,
        `no answer from ${names.join(", ")}${silent.length > 3 ? ` and ${silent.length - 3} more` : ""}`,
        "on both nodes: ip route show; iptables-save -c; nft list ruleset; and is the agent there ready? kubectl -n kube-system get pods -l k8s-app=cilium -o wide",
        { cause: "packet-loss", nodes: [...new Set([node, ...silent.map((target) => target.node)])] },
      );
    });
  },
};
