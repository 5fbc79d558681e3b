import { isIpv4Address } from "../../modes/cidr";
import { ciliumNodesByNode, valueOf, type ApiEvidence } from "./api";
import { sampled } from "./sample";

/** Every node and health endpoint listens there by default: https://docs.cilium.io/en/v1.18/operations/system_requirements/#firewall-rules */
const HEALTH_PORT = 4240;

/** How long a connection may take, in seconds. */
const SECONDS = 8;

/** An address that agents ask for each other's health. */
interface HealthTarget {
  readonly node: string;
  readonly title: string;
  readonly address: string;
  readonly port: number;
}

/** How many nodes each node asks at most: it starts two processes for each of them. */
const MOST_NODES = 100;

/** The addresses of all nodes and of their health endpoints; in a large cluster, of a sample of {@link MOST_NODES} nodes. */
export function healthTargets(api: ApiEvidence): HealthTarget[] {
  const port = Number(valueOf(api.config, undefined)?.data["cluster-health-port"] ?? HEALTH_PORT);
  const target = (node: string, what: string, address: string): HealthTarget[] =>
    isIpv4Address(address) ? [{ node, title: `${what} ${node} (${address}:${port})`, address, port }] : [];
  const nodes = ciliumNodesByNode(api).with;
  const names = nodes.map(({ name }) => name);
  const asked = new Set(sampled(names, MOST_NODES));
  return nodes
    .filter(({ name }) => asked.has(name))
    .flatMap(({ name, address, healthAddress }) => [
      ...target(name, "node", address),
      ...target(name, "the health endpoint of", healthAddress),
    ]);
}

/** Connects to all of them at once. An agent's image has neither ping nor curl in every version, but bash. */
export function healthScript(targets: readonly HealthTarget[]): string {
  const places = targets.map(({ address, port }) => `${address}/${port}`).join(" ");
  return `index=0
for place in ${places}; do
  (timeout ${SECONDS} bash -c "</dev/tcp/$place" 2>/dev/null && echo $index) &
  index=$((index + 1))
done
wait`;
}

/** Whether a target answered, by what the script printed. */
export function answeredIn(output: string, index: number): boolean {
  return output.split("\n").includes(String(index));
}
