import type { NodeInventory } from "./results";

/** An interface whose packets wait in a queue that nobody has by default. */
export interface UnusualQueue {
  readonly node: string;
  readonly interface: string;
  /** Such as `netem delay 5ms`. */
  readonly queueing: string;
}

/** What kernels, distributions and Cilium's bandwidth manager give interfaces. */
const USUAL = new Set(["none", "noqueue", "noop", "mq", "multiq", "fq", "fq_codel", "pfifo", "pfifo_fast", "cake"]);

/** The interfaces of nodes that delay or limit packets, by what somebody set up there. */
export function unusualQueues(nodes: readonly NodeInventory[]): readonly UnusualQueue[] {
  return nodes.flatMap(({ node, interfaces }) =>
    interfaces
      .filter(({ queueing }) => queueing.split(", ").some((each) => !USUAL.has(each.split(" ")[0]!)))
      .map(({ name, queueing }) => ({ node, interface: name, queueing })),
  );
}
