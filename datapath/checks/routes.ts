import type { V1Node } from "@kubernetes/client-node";
import { askAgents, type AgentAnswer } from "../agents";
import { fail, inconclusive, pass, type Check, type Finding } from "./check";

interface RoutesEvidence {
  readonly routes: readonly AgentAnswer[];
  readonly links: readonly AgentAnswer[];
  readonly nodes: readonly V1Node[];
  readonly podCidrs: ReadonlyMap<string, readonly string[]>;
}

/** Whether every node reaches every other node's pods by the way that mode and tunnel have. */
export const routesCheck: Check<RoutesEvidence> = {
  id: "routes",
  question: "Does every node reach the other nodes' pods by the way that was asked for?",
  timeoutSeconds: 20,
  async read(cluster) {
    const [routes, links, nodes, podCidrs] = await Promise.all([
      askAgents(cluster, "ip", "-4", "route", "show"),
      askAgents(cluster, "ip", "-o", "link", "show"),
      cluster.nodes(),
      cluster.ciliumPodCidrs(),
    ]);
    return { routes, links, nodes, podCidrs };
  },
  judge({ routes, links, nodes, podCidrs }, { evidence }) {
    if (routes.length === 0) return [inconclusive("cluster", "there are no agents to ask on the nodes")];
    return routes.map(({ node, output }): Finding => {
      const link = links.find((answer) => answer.node === node)?.output ?? new Error("no answer");
      if (output instanceof Error) return inconclusive(node, output.message);
      if (link instanceof Error) return inconclusive(node, link.message);
      const device = /\bcilium_(?:vxlan|geneve)\b/.exec(link)?.[0] ?? "none";
      const others = nodes.filter(({ metadata }) => metadata?.name !== node);
      if (evidence.nodeRoutes === "not Cilium's" && device === evidence.tunnelDevice) {
        return pass(node, `the routes are not Cilium's, tunnel device ${device}`);
      }
      const without = others.filter(({ metadata }) => (podCidrs.get(metadata!.name!) ?? []).length === 0);
      if (without.length > 0) {
        return inconclusive(
          node,
          `no pod network is known of ${without.map(({ metadata }) => metadata!.name).join(", ")}`,
        );
      }
      const wanted = others.flatMap((other) =>
        podCidrs.get(other.metadata!.name!)!.map((cidr) => ({ cidr, ...WAYS[evidence.nodeRoutes](addressOf(other)) })),
      );
      const lines = output.split("\n").map((line) => line.trim());
      const missing = wanted.filter(
        ({ cidr, way }) => !lines.some((line) => line.startsWith(`${cidr} `) && way.test(line)),
      );
      const seen = `${wanted.length - missing.length} of ${wanted.length} routes, tunnel device ${device}`;
      if (device !== evidence.tunnelDevice) {
        return fail(
          node,
          seen,
          `the tunnel device must be ${evidence.tunnelDevice}`,
          "cilium-config and the agents differ from what was asked for: see the checks config and status",
        );
      }
      if (missing.length === 0) return pass(node, seen);
      const found = missing.map(
        ({ cidr, shown }) =>
          `${cidr} ${shown} (there is ${lines.find((line) => line.startsWith(`${cidr} `)) ?? "none"})`,
      );
      return fail(
        node,
        seen,
        `missing: ${found.join(", ")}`,
        "restart the node's agent, which writes them: kubectl -n kube-system rollout restart daemonset/cilium",
      );
    });
  },
};

/** A route's way as the contract names it. */
const WAYS = {
  "via the other node dev eth0": (address: string) => ({
    way: new RegExp(`via ${literal(address)} dev eth0\\b`),
    shown: `via ${address} dev eth0`,
  }),
  "via the other node": (address: string) => ({
    way: new RegExp(`via ${literal(address)}\\b`),
    shown: `via ${address}`,
  }),
  "via cilium_host dev cilium_host": () => ({ way: /dev cilium_host\b/, shown: "dev cilium_host" }),
  "not Cilium's": () => ({ way: /./, shown: "by any way" }),
} as const;

function addressOf({ status }: V1Node): string {
  return status?.addresses?.find(({ type, address }) => type === "InternalIP" && address.includes("."))?.address ?? "";
}

const literal = (address: string) => address.replaceAll(".", "\\.");
