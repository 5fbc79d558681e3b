import { setTimeout as sleep } from "node:timers/promises";
import { askAgent, CILIUM_NAMESPACE, listAgents } from "../../cluster/agents";
import { hubbleFlow } from "../observe/flow";
import { askFromPods, places, type Asked, type Place } from "../probes";
import { fail, inconclusive, pass, skipped, type Check, type Finding } from "./check";
import { skipWithoutWorkload } from "./podNetwork";

/** A probe between two pods, and what Hubble saw of it on the target's node. */
interface Observed {
  readonly from: Place;
  readonly to: Place;
  readonly answers: Asked["answers"];
  readonly output: string | Error;
}

/** Hubble tells of a flow a moment after it passed. */
const ATTEMPTS = 5;
const ATTEMPT_MILLISECONDS = 500;

/** Older flows are of other probes. */
const SINCE = "15s";

/** Prints this where the agent's image has no `hubble`. */
const NO_HUBBLE = "no-hubble-command";

/** Whether Hubble has seen a probe's flow, and that it was forwarded. */
export const hubbleCheck: Check<readonly Observed[] | string> = {
  id: "hubble",
  question: "Does Hubble report a probe's flow as forwarded?",
  needs: [],
  quick: false,
  timeoutSeconds: 30,
  skip: skipWithoutWorkload,
  async read(cluster, expectation) {
    const [{ servers }, agents, config] = await Promise.all([
      places(cluster, expectation),
      listAgents(cluster),
      cluster.configMap(CILIUM_NAMESPACE, "cilium-config"),
    ]);
    if (config?.data?.["enable-hubble"] !== "true") return "Hubble is off in cilium-config";
    const pairs = servers.map((from, index) => ({ from, to: servers[(index + 1) % servers.length]! }));
    const asked = await askFromPods(cluster, servers, (place) => {
      const { address } = pairs.find(({ from }) => from.pod === place.pod)!.to;
      return [{ name: address, command: `curl -sf -m 3 -o /dev/null http://${address}/` }];
    });
    return Promise.all(
      pairs.map(async ({ from, to }): Promise<Observed> => {
        const agent = agents.find(({ node }) => node === to.node);
        if (agent === undefined)
          return { from, to, answers: new Map(), output: new Error(`there is no agent on ${to.node}`) };
        const filter = `--from-ip ${from.address} --to-ip ${to.address}`;
        const script = `command -v hubble >/dev/null || { echo ${NO_HUBBLE}; exit 0; }; hubble observe --since ${SINCE} -o json ${filter}`;
        let output = await askAgent(cluster, agent, ["sh", "-c", script]);
        for (let attempt = 1; attempt < ATTEMPTS && output === ""; attempt += 1) {
          await sleep(ATTEMPT_MILLISECONDS);
          output = await askAgent(cluster, agent, ["sh", "-c", script]);
        }
        return { from, to, answers: asked.find(({ pod }) => pod === from.pod)!.answers, output };
      }),
    );
  },
  judge(_evidence, _expectation, observed) {
    if (typeof observed === "string") return [skipped("cluster", observed)];
    if (observed.length === 0) return [inconclusive("cluster", "the workload has no pods")];
    if (observed.length < 2) return [skipped("cluster", "a cluster of one node has no flow between nodes")];
    if (observed.every(({ output }) => typeof output === "string" && output.trim() === NO_HUBBLE)) {
      return [skipped("cluster", "the agent's image has no hubble command")];
    }
    return observed.map(({ from, to, answers, output }): Finding => {
      if (answers instanceof Error || [...answers.values()].some((answer) => answer !== "ok"))
        return inconclusive(to.node, `the probe from ${from.node} had no answer`, undefined, {
          nodes: [from.node, to.node],
        });
      if (output instanceof Error)
        return inconclusive(to.node, output.message, "set the Helm value hubble.enabled: true", { nodes: [to.node] });
      const verdicts = output.split("\n").flatMap((line) => hubbleFlow(line, to.node)?.verdict ?? []);
      const seen = `${verdicts.length} flows from ${from.address} to ${to.address}: ${[...new Set(verdicts)].join(", ") || "none"}`;
      if (verdicts.length === 0)
        return inconclusive(to.node, `Hubble reports no flow from ${from.address} to ${to.address}`, undefined, {
          nodes: [from.node, to.node],
        });
      // beside these two there are verdicts of sockets, which decide nothing
      if (!verdicts.includes("dropped") && verdicts.includes("forwarded")) return pass(to.node, seen);
      return fail(
        to.node,
        seen,
        "packets of the probe were dropped, or none was forwarded",
        `hubble observe --from-ip ${from.address} --to-ip ${to.address} in the agent of ${to.node} shows the reasons`,
        { cause: "packet-loss", nodes: [from.node, to.node] },
      );
    });
  },
};
