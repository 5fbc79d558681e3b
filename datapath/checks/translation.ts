import { askAgent, listAgents } from "../agents";
import { nodeAddresses, places, runInPod, skipWithoutWorkload, type Place } from "../probes";
import { fail, inconclusive, pass, skipped, type Check, type Finding } from "./check";

/** A pod's connection to another node's NodePort, as Cilium's connection tracking on the pod's node has it. */
interface Flow {
  readonly place: Place;
  readonly target: string;
  readonly port: number;
  readonly sent: string | Error;
  readonly tracked: string | Error;
}

/** Outside the range that systems choose from, so that nobody else's connection has it. */
const FIRST_PORT = 61001;
const PORTS = 65535 - FIRST_PORT;

/** Whether a NodePort is translated by whom the mode has it: Cilium does so before the packet leaves the pod's node. */
export const translationCheck: Check<readonly Flow[]> = {
  id: "translation",
  question: "Who translates the NodePort: Cilium on the pod's own node, or kube-proxy on the node that was asked?",
  timeoutSeconds: 30,
  skip: skipWithoutWorkload,
  async read(cluster, { nodePort }) {
    const [{ servers }, nodes, agents] = await Promise.all([
      places(cluster),
      nodeAddresses(cluster),
      listAgents(cluster),
    ]);
    return Promise.all(
      servers.map(async (place, index): Promise<Flow> => {
        const own = nodes.findIndex(({ node }) => node === place.node);
        const target = nodes[(own + 1) % nodes.length]!.address;
        const port = FIRST_PORT + ((Date.now() + index) % PORTS);
        const agent = agents.find(({ node }) => node === place.node);
        const sent = await runInPod(
          cluster,
          place,
          `curl -sf -m 5 -o /dev/null --local-port ${port} http://${target}:${nodePort}/`,
        );
        const tracked =
          agent === undefined
            ? new Error(`there is no agent on ${place.node}`)
            : await askAgent(cluster, agent, [
                "sh",
                "-c",
                `cilium bpf ct list global | grep ${place.address}:${port} || true`,
              ]);
        return { place, target, port, sent, tracked };
      }),
    );
  },
  judge(flows, { evidence, nodePort }) {
    if (flows.length === 0) return [inconclusive("cluster", "the workload has no pods", "run pulumi up --refresh")];
    if (flows.length < 2) return [skipped("cluster", "one node has no other to ask")];
    return flows.map(({ place: { node, address }, target, port, sent, tracked }): Finding => {
      if (sent instanceof Error) return inconclusive(node, sent.message, "see the check services");
      if (tracked instanceof Error) return inconclusive(node, tracked.message);
      const out = new RegExp(`^TCP OUT ${address.replaceAll(".", "\\.")}:${port} -> (\\S+)`, "m").exec(tracked)?.[1];
      if (out === undefined) return inconclusive(node, `Cilium tracked no connection from ${address}:${port}`);
      const by = out === `${target}:${nodePort}` ? "absent" : "present";
      const seen = `${address}:${port} to ${target}:${nodePort} left the node for ${out}`;
      if (by === evidence.serviceMap.nodePort) return pass(node, seen);
      const reason =
        by === "present"
          ? "Cilium has translated it, and this mode leaves that to kube-proxy"
          : "it left untranslated, and in this mode Cilium translates it on the pod's node";
      return fail(node, seen, reason, "see the checks config, status and service-map");
    });
  },
};
