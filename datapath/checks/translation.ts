import { askAgent, listAgents } from "../../cluster/agents";
import { valueOf } from "../evidence/api";
import { nodeAddresses, places, runInPod, type Place } from "../probes";
import { fail, inconclusive, pass, skipped, type Check, type Finding } from "./check";
import { skipWithoutWorkload } from "./podNetwork";

/** A pod's connections to another node's NodePort, as Cilium's connection tracking on the pod's node has them. */
interface Flow {
  readonly place: Place;
  readonly target: string;
  readonly sent: string | Error;
  /** Each connection's port in the pod, and where it left for. */
  readonly tracked: readonly { readonly port: string; readonly out: string }[] | Error;
}

/** Outside the range that systems choose from, so that nobody else's connection has one. */
const PORTS = { first: 61000, last: 65499 } as const;

/** Connections of each pod: those that the service gives back to the pod itself never leave it, and nobody tracks them. */
const TRIES = 10;

/** How often they are sent at most, each time from other ports, until Cilium has one. */
const ATTEMPTS = 3;

/** The port at which the workload's pods serve. */
const SERVER_PORT = 80;

/** Key of `cilium-config` with which only nodes' sockets translate. */
const HOST_ONLY = "bpf-lb-sock-hostns-only";

/** Where Cilium keeps TCP connections. */
const TRACKED = "/sys/fs/bpf/tc/globals/cilium_ct4_global";

const SEE =
  "kubectl -n kube-system exec ds/cilium -- cilium status --verbose | grep -A 12 KubeProxyReplacement; bpftool cgroup show /run/cilium/cgroupv2 in the agent";

/** Whether the mode's component translates a NodePort: Cilium does so before the packet leaves the pod's node. */
export const translationCheck: Check<readonly Flow[]> = {
  id: "translation",
  question:
    "Who translates the NodePort: Cilium on the pod's own node, or kube-proxy on the node that receives the request?",
  needs: [],
  timeoutSeconds: 30,
  skip: skipWithoutWorkload,
  async read(cluster, expectation) {
    const { nodePort } = expectation;
    const [{ servers }, nodes, agents] = await Promise.all([
      places(cluster, expectation),
      nodeAddresses(cluster),
      listAgents(cluster),
    ]);
    return Promise.all(
      servers.map(async (place, index): Promise<Flow> => {
        const own = nodes.findIndex(({ node }) => node === place.node);
        const target = nodes[(own + 1) % nodes.length]?.address;
        if (target === undefined) throw new Error("no node has an IPv4 address");
        const agent = agents.find(({ node }) => node === place.node);
        const flow = async (attempt: number): Promise<Flow> => {
          const number = cluster.now() + index + attempt * servers.length;
          const first = PORTS.first + ((number * TRIES) % (PORTS.last - PORTS.first));
          const ports = Array.from({ length: TRIES }, (_, offset) => first + offset);
          const connections = ports.map(
            (port) => `-sf -m 5 -o /dev/null --local-port ${port} http://${target}:${nodePort}/`,
          );
          const sent = await runInPod(cluster, place, `curl --fail-early ${connections.join(" --next ")}`);
          const ways = [`${target}:${nodePort}`, ...servers.map(({ address }) => `${address}:${SERVER_PORT}`)];
          const answer =
            agent === undefined
              ? new Error(`there is no agent on ${place.node}`)
              : await askAgent(cluster, agent, ["sh", "-c", lookupScript(place.address, ports, ways)]);
          const tracked =
            answer instanceof Error
              ? answer
              : [...answer.matchAll(/^(\d+) (\S+)$/gm)].map(([, port, out]) => ({ port: port!, out: out! }));
          return { place, target, sent: sent instanceof Error ? explained(sent) : sent, tracked };
        };
        let found = await flow(0);
        // on a busy node Cilium removes closed connections before they are looked up; a verification less than a minute
        // ago may have used one of the ports
        const isMissed = ({ tracked }: Flow) => !(tracked instanceof Error) && tracked.length === 0;
        const isTaken = ({ sent }: Flow) => sent instanceof Error && sent.message.endsWith(PORT_TAKEN);
        for (let attempt = 1; attempt < ATTEMPTS && (isMissed(found) || isTaken(found)); attempt++)
          found = await flow(attempt);
        return found;
      }),
    );
  },
  judge({ api }, { evidence, nodePort, datapathConfig = {} }, flows) {
    const config = valueOf(api.config, undefined)?.data ?? {};
    // sockets of pods were left out on purpose: BPF translates at the pod's device, or on the asked node
    const isHostOnly = config[HOST_ONLY] === "true" && !(HOST_ONLY in datapathConfig);
    if (flows.length === 0) return [inconclusive("cluster", "the workload has no pods")];
    if (flows.length < 2) return [skipped("cluster", "a cluster of one node has no other node to ask")];
    return flows.map(({ place: { node, address }, target, sent, tracked }): Finding => {
      const at = { nodes: [node] };
      // a server on any node may be the reason
      if (sent instanceof Error)
        return inconclusive(node, `connections to another node's NodePort failed: ${sent.message}`);
      if (tracked instanceof Error) return inconclusive(node, tracked.message, undefined, at);
      if (tracked.length === 0) {
        return inconclusive(node, `Cilium tracked none of ${TRIES} connections from ${address}`, undefined, at);
      }
      const untranslated = tracked.filter(({ out }) => out === `${target}:${nodePort}`);
      const by = untranslated.length > 0 ? "absent" : "present";
      const { port, out } = untranslated[0] ?? tracked[0]!;
      const seen = `${address}:${port} to ${target}:${nodePort} left the node for ${out}`;
      if (evidence.serviceMap.nodePort === "absent" && untranslated.length < tracked.length) {
        return fail(node, seen, "Cilium translates NodePorts, and this mode leaves that to kube-proxy", SEE, {
          cause: "mode-fallback",
          ...at,
        });
      }
      if (by === evidence.serviceMap.nodePort || isHostOnly) return pass(node, seen);
      return fail(
        node,
        seen,
        "the connection left the node untranslated; in this mode Cilium translates it in the pod's socket",
        SEE,
        { cause: "service-untranslated", ...at },
      );
    });
  },
};

/**
 * Prints where each of a pod's connections left for, of the ways that it can have left. They are looked up one by one:
 * the whole list has everybody's connections, and while some of them close Cilium 1.13 takes minutes and gigabytes for it.
 */
function lookupScript(address: string, ports: readonly number[], ways: readonly string[]): string {
  const bytes = (of: string) => of.replaceAll(".", " ");
  const tables = ways.map((way) => {
    const [to, port] = way.split(":") as [string, string];
    return `${way} ${bytes(address)} ${bytes(to)} ${Math.floor(Number(port) / 256)} ${Number(port) % 256}`;
  });
  return `bpftool map show pinned ${TRACKED} >/dev/null || exit 1
for port in ${ports.join(" ")}; do
  while read -r way key; do
    bpftool map lookup pinned ${TRACKED} key $key $((port / 256)) $((port % 256)) 6 0 >/dev/null 2>&1 || continue
    echo "$port $way"
    break
  done <<END
${tables.join("\n")}
END
done`;
}

const PORT_TAKEN = "the connection's local port is in use";

/** curl says how it failed by a number only. */
function explained({ message }: Error): Error {
  const words: Readonly<Record<string, string>> = {
    "7": "connection refused",
    "28": "no answer within 5 s",
    "45": PORT_TAKEN,
    "52": "an empty answer",
    "56": "connection reset",
  };
  return new Error(message.replace(/exit code (\d+)$/, (all, code: string) => words[code] ?? all));
}
