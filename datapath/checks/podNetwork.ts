import { contains } from "../../modes/cidr";
import { askAgents, type AgentAnswer } from "../agents";
import { places, runInPod, skipWithoutWorkload, type Place } from "../probes";
import { fail, inconclusive, pass, type Check, type Finding } from "./check";

interface PodNetworkEvidence {
  readonly pods: readonly { readonly place: Place; readonly output: string | Error }[];
  readonly hosts: readonly AgentAnswer[];
  readonly podCidrs: ReadonlyMap<string, readonly string[]>;
}

/** Whether pods have addresses of their node's pod network, and Cilium's way out. */
export const podNetworkCheck: Check<PodNetworkEvidence> = {
  id: "pod-network",
  question: "Does every pod have a /32 of its node's pod network, and cilium_host as its gateway?",
  timeoutSeconds: 20,
  skip: skipWithoutWorkload,
  async read(cluster, expectation) {
    const [{ all }, hosts, podCidrs] = await Promise.all([
      places(cluster, expectation),
      askAgents(cluster, "ip", "-4", "-o", "addr", "show", "dev", "cilium_host"),
      cluster.ciliumPodCidrs(),
    ]);
    const pods = all.map(async (place) => ({
      place,
      output: await runInPod(cluster, place, "ip -4 -o addr show dev eth0; ip -4 route show default"),
    }));
    return { pods: await Promise.all(pods), hosts, podCidrs };
  },
  judge({ pods, hosts, podCidrs }) {
    if (pods.length === 0) return [inconclusive("cluster", "the workload has no pods", "run pulumi up --refresh")];
    return pods.map(({ place: { pod, node }, output }): Finding => {
      const subject = `${pod} on ${node}`;
      const host = hosts.find((answer) => answer.node === node)?.output ?? new Error(`no agent on ${node} answered`);
      if (output instanceof Error) return inconclusive(subject, output.message);
      if (host instanceof Error) return inconclusive(subject, host.message);
      const address = /\binet (\S+)/.exec(output)?.[1];
      const gateway = /^default via (\S+)/m.exec(output)?.[1];
      const own = /\binet ([\d.]+)\//.exec(host)?.[1];
      const cidrs = podCidrs.get(node) ?? [];
      if (address === undefined || own === undefined || cidrs.length === 0) {
        return inconclusive(subject, "no address is known of the pod, of cilium_host or of the node's pod network");
      }
      const seen = `${address} via ${gateway ?? "nothing"}, pod network ${cidrs.join(", ")}`;
      const wrong = [
        ...(address.endsWith("/32") ? [] : ["its address is no /32"]),
        ...(cidrs.some((cidr) => contains(cidr, `${address.split("/")[0]!}/32`))
          ? []
          : [`its address is not in ${cidrs.join(", ")}`]),
        ...(gateway === own ? [] : [`its gateway is not cilium_host, ${own}`]),
      ];
      if (wrong.length === 0) return pass(subject, seen);
      const remedy = "was the pod there before Cilium? kubectl delete pod makes it anew";
      return fail(subject, seen, `the pod's network is not Cilium's: ${wrong.join(", ")}`, remedy);
    });
  },
};
