import { isIpv4Address } from "../../modes/cidr";
import { WORKLOAD_CONTAINER, type WorkloadNames } from "../../modes/workload";
import { apiErrorLine } from "../../cluster/apiError";
import type { EvidenceCluster } from "../../cluster/read";
import { limited } from "../../cluster/limited";
import { within } from "../../cluster/within";
import { isDualStack, valueOf, type ApiEvidence } from "./api";

/** What a workload pod says of its own network. */
export interface PodNetwork {
  readonly pod: string;
  readonly node: string;
  readonly address: string;
  /** Whether it answers probes: it is one of the DaemonSet's pods. */
  readonly server: boolean;
  /** What became of {@link PATH_PINGS} pings to the next node's server; undefined for what is no server. */
  readonly pinged?: { readonly address: string; readonly lost: string } | undefined;
  /** `ip -4 -o addr show`, `ip -4 route show`, `ip -o link show`, resolv.conf, IPv4's sysctls, neighbors, what filters or delays packets, `ip -4 rule show`, /etc/hosts, routes of further tables and IPsec policies; or why they could not be read. */
  readonly output?: string | undefined;
  /** The same of IPv6 in a dual-stack cluster: addresses, routes of all tables, rules, neighbors, sysctls and rules of ip6tables. */
  readonly ipv6?: string | undefined;
  readonly error?: string | undefined;
}

/** Number of pings from each server to the next one: enough to stand out from all other packets of a node. */
export const PATH_PINGS = 50;
/** A pod tells its network in this time at most, pings included. */
const POD_SECONDS = 20;
const DEFAULT_MTU = 1500;

const NETWORK =
  "ip -4 -o addr show; echo ---; ip -4 route show; echo ---; ip -o link show; echo ---; cat /etc/resolv.conf; echo ---; " +
  "(cd /proc/sys/net/ipv4 && grep -sH '' * conf/all/* conf/eth0/*); echo ---; ip -4 neigh show; echo ---; " +
  // an image need not have the tools for rules
  "iptables-save 2>/dev/null | grep ^-A; iptables-legacy-save 2>/dev/null | grep ^-A; nft -s list ruleset 2>/dev/null | grep -v '^#'; " +
  "tc qdisc show dev eth0 | grep -vE ' (noqueue|clsact|ingress) '; tc filter show dev eth0 ingress; tc filter show dev eth0 egress; echo ---; ip -4 rule show; echo ---; cat /etc/hosts; echo ---; " +
  "ip -4 route show table all | grep ' table '; echo ---; ip xfrm policy 2>/dev/null; true";

const IPV6_NETWORK =
  "ip -6 -o addr show; echo ---; ip -6 route show table all; echo ---; ip -6 rule show; echo ---; ip -6 neigh show; echo ---; " +
  "(cd /proc/sys/net/ipv6 && grep -sH '' conf/all/disable_ipv6 conf/eth0/disable_ipv6 conf/lo/disable_ipv6 conf/eth0/hop_limit conf/eth0/mtu icmp/echo_ignore_all); echo ---; " +
  "ip6tables-save 2>/dev/null | grep ^-A; ip6tables-legacy-save 2>/dev/null | grep ^-A; true";

const IPV6 = "@@@ ipv6";
const PINGED = "@@@ pinged";
const pingsTo = (address: string) =>
  `ping -q -c ${PATH_PINGS} -i 0.02 -W 2 ${address} 2>&1 | grep -oE '[0-9.]+% packet loss'; true`;
/** What pings that were all answered say. */
export const NONE_LOST = "0% packet loss";

const inNodes = (a: { node: string }, b: { node: string }) => a.node.localeCompare(b.node, "en", { numeric: true });

/** Ask the workload's pods on these nodes about their networks, and let every server ping the next node's: servers first, by node. */
export async function readPods(
  cluster: EvidenceCluster,
  api: ApiEvidence,
  nodes: readonly string[],
  workload: WorkloadNames,
): Promise<PodNetwork[]> {
  const looked = new Set(nodes);
  const all = valueOf(api.pods, []).filter(
    ({ namespace, node, deleting, address, running }) =>
      namespace === workload.namespace && looked.has(node) && !deleting && running && isIpv4Address(address),
  );
  const servers = all.filter(({ labels }) => labels["app"] === workload.daemonSet).sort(inNodes);
  const clients = all.filter(({ name }) => name === workload.clientPod);
  return limited([...servers, ...clients], async ({ name: pod, node, address }, index): Promise<PodNetwork> => {
    const known = { pod, node, address, server: index < servers.length };
    const next = known.server && servers.length > 1 ? servers[(index + 1) % servers.length] : undefined;
    const asked = isDualStack(api) ? `${NETWORK}\necho ${IPV6}\n${IPV6_NETWORK}` : NETWORK;
    const script = next === undefined ? asked : `${asked}\necho ${PINGED}\n${pingsTo(next.address)}`;
    const said = await inPod(cluster, workload, pod, POD_SECONDS, ["sh", "-c", script]);
    if (said instanceof Error) return { ...known, error: said.message };
    const [network, lost = ""] = said.split(`${PINGED}\n`) as [string, string?];
    const [output, ipv6] = network.split(`${IPV6}\n`);
    return {
      ...{ ...known, output, pinged: next && { address: next.address, lost: lost.trim() } },
      ...(ipv6 === undefined ? {} : { ipv6 }),
    };
  });
}

/** What a command in a workload's pod printed, or why it printed nothing. */
export async function inPod(
  cluster: EvidenceCluster,
  { namespace }: WorkloadNames,
  pod: string,
  seconds: number,
  command: readonly string[],
): Promise<string | Error> {
  try {
    const { exitCode, stdout, stderr } = await within(
      seconds,
      cluster.exec(namespace, pod, WORKLOAD_CONTAINER, command),
      `${pod} gives no answer`,
    );
    return exitCode === 0 || stdout !== "" ? stdout : new Error(stderr.trim().slice(-200) || `exit code ${exitCode}`);
  } catch (error) {
    return new Error(apiErrorLine(error as Error));
  }
}

/** The largest packet that a pod's routes let out; 0 where the pod did not say. */
export function mtuOf({ output = "" }: Pick<PodNetwork, "output">): number {
  const [, routes = "", links = ""] = output.split("---\n");
  const route = /^default .*\bmtu (\d+)/m.exec(routes)?.[1];
  return Number(route ?? /\beth0\b.* mtu (\d+)/.exec(links)?.[1] ?? (output === "" ? 0 : DEFAULT_MTU));
}
