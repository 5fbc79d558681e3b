import { isHubbleOn, NO_HUBBLE, observedProbe } from "../evidence/hubble";
import { counterOf } from "../evidence/node";
import { hubbleFlow } from "../observe/flow";
import { fail, inconclusive, pass, skipped, type Check, type Finding } from "./check";
import { skipWithoutWorkload } from "./podNetwork";

/** Whether Hubble has seen a probe's flow, and that it was forwarded. */
export const hubbleCheck: Check = {
  id: "hubble",
  question: "Does Hubble report a probe's flow as forwarded?",
  needs: ["traffic"],
  quick: false,
  skip: skipWithoutWorkload,
  judge({ api, traffic, after }) {
    if (!isHubbleOn(api)) return [skipped("cluster", "Hubble is off in cilium-config")];
    if (traffic === undefined || traffic.probes.length === 0) return [inconclusive("cluster", "no probes were sent")];
    const observed = after.flatMap(({ node }) => {
      const probe = observedProbe(traffic, node);
      return probe === undefined ? [] : [{ node, output: counterOf(after, node, "hubble"), probe }];
    });
    if (observed.length === 0) return [skipped("cluster", "no flow between nodes was probed")];
    if (observed.some(({ output }) => typeof output === "string" && output.trim() === NO_HUBBLE))
      return [skipped("cluster", "the agent's image has no hubble command")];
    return observed.map(({ node, output, probe: { from, to, tries } }): Finding => {
      const nodes = [...new Set([from.node!, node])];
      if (tries.some(({ failure }) => failure !== undefined))
        return inconclusive(node, `the probe from ${from.node} had no answer`, undefined, { nodes });
      if (output instanceof Error)
        return inconclusive(node, output.message, "set the Helm value hubble.enabled: true", { nodes: [node] });
      const verdicts = output.split("\n").flatMap((line) => hubbleFlow(line, node)?.verdict ?? []);
      const seen = `${verdicts.length} flows from ${from.address} to ${to.address}: ${[...new Set(verdicts)].join(", ") || "none"}`;
      if (verdicts.length === 0)
        return skipped(
          node,
          `the probe was answered, and Hubble no longer knows its flow from ${from.address} to ${to.address}`,
        );
      // beside these two there are verdicts of sockets, which decide nothing
      if (!verdicts.includes("dropped") && verdicts.includes("forwarded")) return pass(node, seen);
      return fail(
        node,
        seen,
        "packets of the probe were dropped, or none was forwarded",
        `hubble observe --from-ip ${from.address} --to-ip ${to.address} in the agent of ${node} shows the reasons`,
        { cause: "packet-loss", nodes },
      );
    });
  },
};
