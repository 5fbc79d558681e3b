import { contains } from "../../modes/cidr";
import { valueOf } from "../evidence/api";
import { gatewayOf } from "../evidence/gather";
import { counterOf } from "../evidence/node";
import type { Probe } from "../evidence/traffic";
import { deletingAgentOn, fail, inconclusive, pass, skipped, type Check, type Finding } from "./check";
import { ipv6Masquerading } from "./ipv6Masquerading";
import { skipWithoutWorkload } from "./podNetwork";

/** Whether the mode's component, BPF or iptables, masquerades pods that leave the cluster. */
export const masqueradingCheck: Check = {
  id: "masquerading",
  question: "Does BPF or iptables, as the mode expects, give pods their node's address on the way out of the cluster?",
  needs: ["traffic"],
  skip: skipWithoutWorkload,
  judge(evidence, expectation) {
    const { api, before, after, traffic } = evidence;
    const { evidence: expected, ciliumConfig, isExternal } = expectation;
    if (traffic === undefined) return [inconclusive("cluster", "no probes were sent")];
    const pods = traffic.pods.filter(
      ({ node }, index) => traffic.pods.findIndex((other) => other.node === node) === index,
    );
    if (pods.length === 0) return [inconclusive("cluster", "the workload has no pods")];
    const ofIpv4 = pods.map(({ pod, node, address }): Finding => {
      const at = { nodes: [node] };
      if (valueOf(api.nodes, []).some((each) => each.address === address))
        return inconclusive(node, `${pod} uses the host network, so it is never masqueraded`, undefined, at);
      const route = counterOf(before, node, "defaultRoute");
      if (route instanceof Error) return inconclusive(node, route.message, undefined, at);
      const gateway = gatewayOf(route);
      if (gateway === undefined)
        return inconclusive(node, "the node has no default route by an IPv4 address", undefined, at);
      const native = ciliumConfig["ipv4-native-routing-cidr"];
      if (typeof native === "string" && contains(native, `${gateway}/32`))
        return skipped(node, `the nodes' gateway ${gateway} is in ${native}, which is not masqueraded`);
      const ping = traffic.probes.find(
        ({ flow, from, to, shape }) =>
          flow === "pod-to-outside" && from.name === pod && to.address === gateway && shape === "icmp/small",
      );
      if (ping === undefined) return inconclusive(node, `${pod} sent no pings to ${gateway}`, undefined, at);
      const rules = counterOf(after, node, "iptables");
      if (rules instanceof Error) return inconclusive(node, rules.message, undefined, at);
      const [known, now] = [before, after].map((counters) => counterOf(counters, node, "nat")) as [
        string | Error,
        string | Error,
      ];
      if (known instanceof Error) return inconclusive(node, known.message, undefined, at);
      if (now instanceof Error) return inconclusive(node, now.message, undefined, at);
      const answered = ping.tries.some(({ failure }) => failure === undefined);
      const by =
        [
          ...(hasNewEntry(known, now, ping) ? ["BPF"] : []),
          ...(/^(?:\[\d+:\d+\] )?-A CILIUM_POST_nat .*-j MASQUERADE/m.test(rules) ? ["iptables"] : []),
        ].join(" and ") || "nobody";
      const seen = `${address} to ${gateway}: ${answered ? "answered" : "no answer"}, masqueraded by ${by}`;
      // a gateway knows no way back to a pod's own address
      if (
        by === "nobody" &&
        expected.masquerading === "BPF" &&
        answered &&
        !isExternal &&
        `${known}${now}`.trim() === ""
      ) {
        return fail(
          node,
          `${address} to ${gateway}: answered, and the map of translations shows nothing`,
          "the map cilium_snat_v4_external has no pin in /sys/fs/bpf, or another file system covers it: BPF masquerades, and nothing can read how. The datapath keeps the map until the agent restarts",
          `on ${node}: findmnt /sys/fs/bpf; if it is listed twice: umount /sys/fs/bpf; else, to pin a new map: ${deletingAgentOn(node)}`,
          { cause: "bpf-file-system", ...at },
        );
      }
      if (by !== expected.masquerading) {
        return fail(
          node,
          seen,
          `this mode masquerades by ${expected.masquerading}, and ${by === "nobody" ? "nobody does" : `${by} does`}`,
          `kubectl -n kube-system exec ds/cilium -- cilium status (in the agent of ${node}): Masquerading; iptables -t nat -S CILIUM_POST_nat on ${node}`,
          {
            cause: by === "nobody" && expected.masquerading === "iptables" ? "netfilter-missing" : "source-address",
            ...at,
          },
        );
      }
      if (answered) return pass(node, seen);
      return fail(
        node,
        seen,
        "the nodes' gateway does not answer pods: their packets leave with the pod's address, or are dropped",
        `on ${node}: ping -c 1 ${gateway}; iptables-save -t nat; in its agent: cilium bpf nat list`,
        { cause: "packet-loss", ...at },
      );
    });
    return [...ofIpv4, ...ipv6Masquerading(evidence, expectation)];
  },
};

/**
 * Whether BPF has translated one of the pings, each of which has an entry of its own: a list of a map that changes meanwhile
 * may skip some, and entries from before may be left of a mode that was in force until lately.
 */
function hasNewEntry(before: string, after: string, { from, to }: Probe): boolean {
  const known = translationsOf(before, from.address, to.address);
  return translationsOf(after, from.address, to.address).some((each) => !known.includes(each));
}

/** What BPF gave another source on the way from a pod to an address, each with its port or the ping's identifier. */
function translationsOf(list: string, from: string, to: string): string[] {
  return list
    .split("\n")
    .filter((line) => line.includes(`> ${to}:`))
    .flatMap((line) => / OUT (\S+)/.exec(line)?.[1] ?? [])
    .filter((own) => own.startsWith(`${from}:`));
}
