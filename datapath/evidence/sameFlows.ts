import type { OutsideClient } from "../../cluster/read";

/** A connection from outside, from one port of the client's, to one node's NodePort. */
export interface SameFlow {
  /** The client's port. */
  readonly port: number;
  readonly node: string;
  /** The pod that answered; undefined where none did. */
  readonly pod?: string | undefined;
}

/** Outside the range that systems choose from, so that no other connection of the client has one. */
const PORTS = { first: 61_000, last: 65_499 } as const;

/** Connections to each node: with two nodes and two pods, random choice looks like Maglev in one run of 256. */
const FLOWS = 8;

/** Seconds that one connection may take. */
const SECONDS = 5;

/** A node's NodePort. */
interface Target {
  readonly node: string;
  readonly address: string;
  readonly port: number;
}

/**
 * Connect to every node's NodePort from the same ports. Maglev chooses a pod by the client's address, both ports and the
 * protocol, and leaves out the asked address (`bpf/lib/hash.h` of Cilium).
 * @param now milliseconds: the next verification uses other ports, which no node remembers
 */
export async function readSameFlows(
  client: Pick<OutsideClient, "run">,
  targets: readonly Target[],
  now: number,
): Promise<SameFlow[]> {
  const room = PORTS.last - PORTS.first - FLOWS;
  const first = PORTS.first + ((Math.floor(now / 1000) * FLOWS) % room);
  const ports = Array.from({ length: FLOWS }, (_, offset) => first + offset);
  const output = await client.run(sameFlowsScript(ports, targets));
  return ports.flatMap((port) =>
    targets.map(({ node }, index) => ({
      ...{ port, node },
      pod: new RegExp(`^${port} ${index} pod=(\\S+)`, "m").exec(output)?.[1],
    })),
  );
}

/** The connections from one port that were answered through at least two nodes, for each such port. */
export function comparableFlows(flows: readonly SameFlow[]): SameFlow[][] {
  const ports = [...new Set(flows.map(({ port }) => port))];
  return ports
    .map((port) => flows.filter((flow) => flow.port === port && flow.pod !== undefined))
    .filter(({ length }) => length > 1);
}

/** Whether all connections reached one pod. */
export const reachOnePod = (flows: readonly SameFlow[]) => new Set(flows.map(({ pod }) => pod)).size === 1;

/** Whether each port reaches the same pod through every node. */
export const isSameEverywhere = (flows: readonly SameFlow[]) => comparableFlows(flows).every(reachOnePod);

/** Prints the client's port, the target's number and its answer, for each; the ports at the same time. */
function sameFlowsScript(ports: readonly number[], targets: readonly Target[]): string {
  const urls = targets.map(({ address, port }) => `http://${address}:${port}/probe`).join(" ");
  return `for port in ${ports.join(" ")}; do
  (number=0; for url in ${urls}; do
    echo "$port $number $(curl -s -m ${SECONDS} --local-port $port $url | head -n 1)"
    number=$((number + 1))
  done) &
done
wait`;
}
