import { setTimeout as sleep } from "node:timers/promises";
import { flowText, isWanted, type Flow, type FlowFilter } from "../datapath/observe/flow";
import { observe as observeCluster } from "../datapath/observe/observe";
import { WORKLOAD, WORKLOAD_CONTAINER } from "../modes/workload";
import { withProgress } from "./progress";
import { stackCluster } from "./stackCluster";
import { lookOf } from "../render/terminal";

export interface ObserveOptions extends FlowFilter {
  readonly follow?: boolean;
  /** Flows of before, where agents have a record. */
  readonly last: number;
  /** How long agents without a record are listened to. */
  readonly seconds: number;
  readonly probe?: boolean;
  readonly set?: readonly string[];
  readonly kubeconfig?: string;
  readonly json?: boolean;
}

/** Agents are asked for more than is shown, since most flows are between others than those that are asked for. */
const ASKED_FOR_EACH = 100;

/** Show the flows that a stack's agents see. @returns whether there were any */
export async function observe(stack: string, options: ObserveOptions): Promise<boolean> {
  const { follow = false, last, seconds } = options;
  if (!Number.isInteger(last) || last < 1) throw new Error("--last must be a whole number, 1 or more");
  if (!(seconds > 0)) throw new Error("--seconds must be a number above 0");
  const { cluster } = await stackCluster(stack, options.set, options.kubeconfig);
  const { red } = lookOf(process.stdout).colors;
  const kept: Flow[] = [];
  let shown = 0;
  const show = (flow: Flow) => {
    shown += 1;
    const line = () => (flow.verdict === "dropped" ? red(flowText(flow)) : flowText(flow));
    console.log(options.json ? JSON.stringify(flow) : line());
  };
  // a probe's flows come after the question
  const question = { follow: follow || options.probe === true, last: last * ASKED_FOR_EACH };
  const observation = await observeCluster(cluster, question, (flow) => {
    if (!isWanted(flow, options)) return;
    if (follow) show(flow);
    else kept.push(flow);
  });
  const stop = () => observation.end();
  process.once("SIGINT", stop).once("SIGTERM", stop);
  let isOver = false;
  const over = observation.ended.finally(() => (isOver = true));
  over.catch(() => undefined); // told below
  const probing = (async () => {
    // again and again, since agents do not say from when on they see packets
    while (options.probe && !isOver) {
      await cluster.exec(WORKLOAD.namespace, WORKLOAD.clientPod, WORKLOAD_CONTAINER, PROBE);
      await sleep(PROBE_MILLISECONDS);
    }
  })();
  if (!follow) {
    await withProgress("agents are listened to", async () => {
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
  const listened = [...observation.sources].filter(([, source]) => source === "monitor").map(([node]) => node);
  if (listened.length > 0 && !follow) {
    console.error(`No hubble in the agents' image: what passed ${listened.join(", ")} within ${seconds} s is shown`);
  }
  if (shown === 0) console.error("No such flow was seen");
  return shown > 0;
}

/** How long a probe waits for the next. */
const PROBE_MILLISECONDS = 1000;

/** What the client asks the workload's service. */
const PROBE = ["curl", "-sf", "-m", "3", "-o", "/dev/null", `http://${WORKLOAD.service}/`];
