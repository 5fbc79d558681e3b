import { CILIUM_NAMESPACE } from "../../cluster/agents";
import type { HealthAddress } from "../../cluster/read";
import { askFromNodes, type Asked } from "../probes";
import { judgeAsked } from "./asked";
import { inconclusive, skipped, type Check } from "./check";

/** Every node and health endpoint listens there by default: https://docs.cilium.io/en/v1.18/operations/system_requirements/#firewall-rules */
const HEALTH_PORT = 4240;

interface HealthEvidence {
  /** What `cilium-config` says of health checks. */
  readonly config: Readonly<Record<string, string>>;
  readonly addresses: readonly HealthAddress[];
  readonly asked: readonly Asked[];
}

/**
 * Whether every agent reaches every node and its health endpoint. Agents themselves find that out every minute or two, and
 * what they found then may be old or nothing yet; so the addresses that they ask are asked anew.
 */
export const healthCheck: Check<HealthEvidence> = {
  id: "health",
  question: "Does every node reach every other node and the health endpoint there?",
  needs: [],
  timeoutSeconds: 40,
  async read(cluster) {
    const [addresses, configMap] = await Promise.all([
      cluster.healthAddresses(),
      cluster.configMap(CILIUM_NAMESPACE, "cilium-config"),
    ]);
    const config = configMap?.data ?? {};
    const port = Number(config["cluster-health-port"] ?? HEALTH_PORT);
    const targets = addresses.flatMap(({ node, nodeAddress, endpointAddress }) => [
      ...(nodeAddress === undefined ? [] : [target(`node ${node}`, nodeAddress, port)]),
      ...(endpointAddress === undefined ? [] : [target(`health endpoint of ${node}`, endpointAddress, port)]),
    ]);
    return { config, addresses, asked: await askFromNodes(cluster, targets) };
  },
  judge(_, { nodeCount }, { config, addresses, asked }) {
    if (config["enable-health-checking"] === "false")
      return [skipped("cluster", "cilium-config turns health checks off")];
    const hasEndpoints = config["enable-endpoint-health-checking"] !== "false";
    const without = addresses.filter(
      ({ nodeAddress, endpointAddress }) =>
        nodeAddress === undefined || (hasEndpoints && endpointAddress === undefined),
    );
    if (addresses.length < (nodeCount ?? 1) || without.length > 0) {
      const names = without.map(({ node }) => node).join(", ");
      const known = `Cilium knows ${addresses.length} nodes${names === "" ? "" : `, and no health endpoint of ${names}`}`;
      const remedy =
        "kubectl get ciliumnodes -o yaml; kubectl -n kube-system get pods -l app.kubernetes.io/part-of=cilium -o wide";
      return [inconclusive("cluster", known, remedy)];
    }
    return judgeAsked(
      asked,
      "on both nodes: ip route show; iptables-save -c; nft list ruleset; and is the agent there ready? kubectl -n kube-system get pods -l k8s-app=cilium -o wide",
      inconclusive("cluster", "no agent could be asked"),
      addresses.map(({ node }) => node),
    );
  },
};

/** The agent's image has neither ping nor curl in every version, but bash. */
function target(name: string, address: string, port: number) {
  return { name: `${name} (${address}:${port})`, command: `bash -c '</dev/tcp/${address}/${port}'` };
}
