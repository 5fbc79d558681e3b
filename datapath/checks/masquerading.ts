import { contains, isIpv4Address } from "../../modes/cidr";
import { askAgent, listAgents, SAVE_NAT } from "../../cluster/agents";
import { places, runInPod, type Place } from "../probes";
import { fail, inconclusive, pass, skipped, type Check, type Finding } from "./check";
import { skipWithoutWorkload } from "./podNetwork";

/** A ping from one node's pod out of the cluster. */
interface WayOut {
  readonly place: Place;
  /** The nodes' gateway: an address outside the cluster that cannot know the way back to a pod. */
  readonly gateway: string | Error;
  readonly pinged: string | Error;
  /** The agent's BPF NAT entries before: some may be left of a mode that was in force until lately. */
  readonly before: string | Error;
  /** The same afterwards, and the rules of iptables. */
  readonly tables: string | Error;
}

const BPF_NAT = "cilium bpf nat list 2>/dev/null || echo no BPF NAT list";

/** Whether the mode's component, BPF or iptables, masquerades pods that leave the cluster. */
export const masqueradingCheck: Check<readonly WayOut[]> = {
  id: "masquerading",
  question: "Does BPF or iptables, as the mode expects, give pods their node's address on the way out of the cluster?",
  needs: [],
  timeoutSeconds: 30,
  skip: skipWithoutWorkload,
  async read(cluster, expectation) {
    const [{ servers }, agents] = await Promise.all([places(cluster, expectation), listAgents(cluster)]);
    return Promise.all(
      servers.map(async (place): Promise<WayOut> => {
        const agent = agents.find(({ node }) => node === place.node);
        if (agent === undefined) {
          const none = new Error(`there is no agent on ${place.node}`);
          return { place, gateway: none, pinged: none, before: none, tables: none };
        }
        const route = await askAgent(cluster, agent, ["ip", "-4", "route", "show", "default"]);
        const gateway =
          route instanceof Error
            ? route
            : ([...route.matchAll(/^default via (\S+)/gm)].map(([, via]) => via!).find(isIpv4Address) ??
              new Error("the node has no default route by an IPv4 address"));
        if (gateway instanceof Error) return { place, gateway, pinged: gateway, before: gateway, tables: gateway };
        const wayOut = async (): Promise<WayOut> => {
          const before = await askAgent(cluster, agent, ["sh", "-c", BPF_NAT]);
          const pinged = await runInPod(cluster, place, `ping -c 1 -W 2 ${gateway} || true`);
          const tables = await askAgent(cluster, agent, ["sh", "-c", `${BPF_NAT}; ${SAVE_NAT}`]);
          return { place, gateway, pinged, before, tables };
        };
        let way = await wayOut();
        // a list of a map that changes meanwhile may skip an entry
        for (let again = 0; again < 2 && expectation.evidence.masquerading === "BPF" && !hasNewEntry(way); again++)
          way = await wayOut();
        return way;
      }),
    );
  },
  judge(_, { evidence, ciliumConfig }, ways) {
    if (ways.length === 0) return [inconclusive("cluster", "the workload has no pods")];
    return ways.map((way): Finding => {
      const { place, gateway, pinged, before, tables } = way;
      const { node, address } = place;
      const at = { nodes: [node] };
      if (gateway instanceof Error) return inconclusive(node, gateway.message, undefined, at);
      const native = ciliumConfig["ipv4-native-routing-cidr"];
      if (typeof native === "string" && contains(native, `${gateway}/32`)) {
        return skipped(node, `the nodes' gateway ${gateway} is in ${native}, which is not masqueraded`);
      }
      if (pinged instanceof Error) return inconclusive(node, pinged.message, undefined, at);
      if (before instanceof Error) return inconclusive(node, before.message, undefined, at);
      if (tables instanceof Error) return inconclusive(node, tables.message, undefined, at);
      const answered = / 0% packet loss/.test(pinged);
      const inBpf = hasNewEntry(way);
      const inIptables = /^-A CILIUM_POST_nat .*-j MASQUERADE/m.test(tables);
      const by = [...(inBpf ? ["BPF"] : []), ...(inIptables ? ["iptables"] : [])].join(" and ") || "nobody";
      const seen = `${address} to ${gateway}: ${answered ? "answered" : "no answer"}, masqueraded by ${by}`;
      if (by !== evidence.masquerading) {
        return fail(
          node,
          seen,
          `this mode masquerades by ${evidence.masquerading}, and ${by === "nobody" ? "nobody does" : `${by} does`}`,
          `kubectl -n kube-system exec ds/cilium -- cilium status (in the agent of ${node}): Masquerading; iptables -t nat -S CILIUM_POST_nat on ${node}`,
          {
            cause: by === "nobody" && evidence.masquerading === "iptables" ? "netfilter-missing" : "source-address",
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
  },
};

/** Whether BPF has masqueraded the ping; a reading that failed is judged as such. */
function hasNewEntry({ place: { address }, gateway, before, tables }: WayOut): boolean {
  if (gateway instanceof Error || before instanceof Error || tables instanceof Error) return true;
  const known = translationsOf(before, address, gateway);
  return [...translationsOf(tables, address, gateway)].some((each) => !known.has(each));
}

/** What BPF gave another source on the way from a pod to an address, each with its port or the ping's identifier. */
function translationsOf(tables: string, from: string, to: string): Set<string> {
  const lines = tables.split("\n").filter((line) => line.includes(`> ${to}:`) && line.includes("XLATE_SRC"));
  return new Set(
    lines.flatMap((line) => / OUT (\S+)/.exec(line)?.[1] ?? []).filter((own) => own.startsWith(`${from}:`)),
  );
}
