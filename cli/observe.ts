import { setTimeout as sleep } from "node:timers/promises";
import { flowText, isWanted, type Flow, type FlowFilter } from "../datapath/observe/flow";
import { observe as observeCluster } from "../datapath/observe/observe";
import { WORKLOAD, WORKLOAD_CONTAINER } from "../modes/workload";
import { withProgress } from "./progress";
import { stackCluster } from "./stackCluster";
import { lookOf } from "./environment";
import { UsageError } from "./usage";

export interface ObserveOptions extends FlowFilter {
  readonly follow?: boolean;
  /** Maximum number of earlier flows, where agents keep a record. */
  readonly last: number;
  /** Time to listen to agents that keep no record. */
  readonly seconds: number;
  readonly probe?: boolean;
  readonly set?: readonly string[];
  readonly kubeconfig?: string;
  readonly json?: boolean;
}

/** Flows to read from each agent for each one to show, since most flows do not match the filter. */
const READ_FOR_EACH = 100;

/** Print the flows that a stack's agents see. @returns whether there were any */
export async function observe(stack: string, options: ObserveOptions): Promise<boolean> {
  const { follow = false, last, seconds } = options;
  if (!Number.isInteger(last) || last < 1)
    throw new UsageError(`--last must be an integer of at least 1 (got ${last})`);
  if (!(seconds > 0)) throw new UsageError(`--seconds must be a number above 0 (got ${seconds})`);
  const { cluster } = await stackCluster(stack, options.set, options.kubeconfig);
  const { red } = lookOf(process.stdout).colors;
  const kept: Flow[] = [];
  let shown = 0;
  const show = (flow: Flow) => {
    shown += 1;
    const line = () => (flow.verdict === "dropped" ? red(flowText(flow)) : flowText(flow));
    console.log(options.json ? JSON.stringify(flow) : line());
  };
  // a probe's flows come after this request
  const question = { follow: follow || options.probe === true, last: last * READ_FOR_EACH };
  const observation = await observeCluster(cluster, question, (flow) => {
    if (!isWanted(flow, options)) return;
    if (follow) show(flow);
    else kept.push(flow);
  });
  const stop = () => observation.end();
  process.once("SIGINT", stop).once("SIGTERM", stop);
  let isOver = false;
  const over = observation.ended.finally(() => (isOver = true));
  over.catch(() => undefined); // thrown below
  const probing = (async () => {
    // repeatedly, since agents do not say when they begin to see packets
    while (options.probe && !isOver) {
      await cluster.exec(WORKLOAD.namespace, WORKLOAD.clientPod, WORKLOAD_CONTAINER, PROBE);
      await sleep(PROBE_MILLISECONDS);
    }
  })();
  if (!follow) {
    await withProgress("Listening to the agents", async () => {
      await observation.started;
      await Promise.race([over, sleep(seconds * 1000, undefined, { ref: false })]);
    });
    observation.end();
  }
  await Promise.all([over, probing]);
  kept
    .sort((a, b) => a.time.getTime() - b.time.getTime())
    .slice(-last)
    .forEach(show);
  const note = cutNote(kept.length, last);
  if (note !== undefined) console.error(note);
  const listened = [...observation.sources].filter(([, source]) => source === "monitor").map(([node]) => node);
  if (listened.length > 0 && !follow) {
    console.error(
      `The agents' image on ${listened.join(", ")} has no hubble: these are the flows of ${seconds} s; --seconds takes more`,
    );
  }
  if (shown === 0) console.error("No matching flow was seen");
  return shown > 0;
}

/** What `--last` left out; undefined where all flows were shown. */
export function cutNote(found: number, last: number): string | undefined {
  return found > last ? `The last ${last} of ${found} flows; --last ${found} shows all` : undefined;
}

/** Time between two probes. */
const PROBE_MILLISECONDS = 1000;

/** The client's request to the workload's service. */
const PROBE = ["curl", "-sf", "-m", "3", "-o", "/dev/null", `http://${WORKLOAD.service}/`];
