import { askAgent, listAgents } from "../../cluster/agents";
import { withPort, type AddressFamily } from "../../modes/ipFamily";
import type { Packet } from "./packets";
import { rulesOfIpvs, rulesOfNftables } from "../checks/proxyRules";
import type { KubeProxyMode } from "../../modes/kubeProxy";
import { askNode, type TraceCluster } from "./traceCluster";
import type { Lookup } from "./result";

/** Seconds that Cilium may take to list its connections: with 1.13 it may not end while some close, and what it has listed until then counts. */
const LIST_SECONDS = 6;

/** A node's table entries for the probe. */
export interface NodeTables {
  /** Entries of the kernel's connection tracking; undefined if it cannot be read. */
  readonly kernel: readonly string[] | undefined;
  readonly lookups: readonly Lookup[];
}

/** What a probe is looked up by. */
interface Sought {
  readonly family: AddressFamily;
  /** Its packets, as seen on any node. */
  readonly packets: readonly Packet[];
  /** The Service's address and port, if the sender connects to a Service. */
  readonly asked?: ServicePort | undefined;
  /** kube-proxy's mode, where the stack sets one. */
  readonly kubeProxy?: KubeProxyMode | undefined;
}

interface ServicePort {
  readonly address: string;
  readonly port: number;
}

/** Look up a probe in a node's tables. */
export async function readTables(
  cluster: TraceCluster,
  node: string,
  { family, packets, asked, kubeProxy }: Sought,
): Promise<NodeTables> {
  const numbers = [...new Set(packets.flatMap(numbersOf))];
  const addresses = [...new Set(packets.flatMap(({ source, destination }) => [source, destination]))];
  const protocol = packets[0]?.content.protocol.toUpperCase() ?? "";
  const [kernel, cilium] = await Promise.all([
    readKernel(cluster, node, family),
    readCilium(cluster, node, numbers, asked),
  ]);
  // numbers alone are ambiguous: pods' pings use the same ones
  const isAbout = (line: string) =>
    line.toUpperCase().startsWith(protocol) &&
    // behind the address, and no group inside one of IPv6
    numbers.some((number) => new RegExp(`(?:sport=|dport=|id=| [^ =]*:)${number}(?= |$)`).test(line)) &&
    addresses.filter((address) => hasAddress(line, address)).length >= 2;
  const own = kernel
    ?.split("\n")
    .filter(isAbout)
    .map((line) => line.replace(/\s+/g, " ").trim());
  const ofCilium = cilium.filter(({ table, line }) => table === "service map" || isAbout(line));
  const lookups = (own ?? []).map((line): Lookup => ({ node, table: "kernel's connection tracking", line }));
  // Cilium translates for pods also beside kube-proxy, and a NodePort's packet passes the sender's node as it is
  const isTranslated = asked !== undefined && (own ?? []).some((line) => isTranslatedFrom(asked, line));
  const rules = isTranslated && kubeProxy !== undefined ? await readRules(cluster, node, kubeProxy, asked) : [];
  return { kernel: own, lookups: [...ofCilium, ...rules, ...lookups] };
}

/** Whether an entry has an address, as `src=fd00::1 `, or with a port as Cilium prints it of both families: `fd00::1:80 `. */
function hasAddress(line: string, address: string): boolean {
  return new RegExp(`(?:=${escaped(address)} | ${escaped(address)}:\\d+(?: |$))`).test(line);
}

/** A text in regular expressions, of JavaScript and of grep -E. */
const escaped = (text: string) => text.replace(/[.[\]]/g, "\\$&");

/** Whether an entry is of a connection to this address and port that another one answers: the node has translated it. */
function isTranslatedFrom(asked: ServicePort, line: string): boolean {
  const [, address, port, source, sourcePort] =
    /src=\S+ dst=(\S+) sport=\d+ dport=(\d+).* src=(\S+) dst=\S+ sport=(\d+)/.exec(line) ?? [];
  const isAsked = (one: string | undefined, its: string | undefined) =>
    one === asked.address && Number(its) === asked.port;
  return isAsked(address, port) && !isAsked(source, sourcePort);
}

/** Where kube-proxy's rules on a node lead from a Service's address; those of iptables are many, and not listed. */
async function readRules(
  cluster: TraceCluster,
  node: string,
  kubeProxy: KubeProxyMode,
  { address, port }: ServicePort,
): Promise<Lookup[]> {
  if (kubeProxy === "iptables") return [];
  const asked = withPort(address, port);
  const [family, nft] = address.includes(":") ? (["ipv6", "ip6"] as const) : (["ipv4", "ip"] as const);
  const [table, script] =
    kubeProxy === "nftables"
      ? (["kube-proxy's nftables", `nft -s list table ${nft} kube-proxy 2>/dev/null || true`] as const)
      : (["kube-proxy's IPVS", "cat /proc/net/ip_vs 2>/dev/null || true"] as const);
  // the workload's image, which a trace's commands have, has no nft
  const said = (await cluster.onNode?.(node, ["sh", "-c", script]).catch(() => "")) ?? "";
  const rules = kubeProxy === "nftables" ? rulesOfNftables(said, nft) : rulesOfIpvs(said, [address], family);
  const backends = rules?.services.get(`${asked}/TCP`) ?? rules?.nodePorts.get(`${port}/TCP`);
  if (backends === undefined) return [];
  return [{ node, table, line: `${asked}/TCP leads to ${[...backends].join(", ")}` }];
}

/** The port or identifier of the probe. */
function numbersOf({ content }: Packet): number[] {
  if (content.protocol !== "TCP") return [content.identifier];
  return [content.syn && !content.ack ? content.sourcePort : content.destinationPort];
}

/** The connection tracking of a node's kernel; undefined if it cannot be read. */
async function readKernel(cluster: TraceCluster, node: string, family: AddressFamily): Promise<string | undefined> {
  const option = family === "ipv4" ? "" : `-f ${family} `;
  const read = await askNode(cluster, node, `conntrack -L ${option}2>/dev/null && echo read`).catch(() => "");
  return read.endsWith("read\n") ? read : undefined;
}

async function readCilium(
  cluster: TraceCluster,
  node: string,
  numbers: readonly number[],
  asked: ServicePort | undefined,
): Promise<Lookup[]> {
  const agent = (await listAgents(cluster)).find((each) => each.node === node);
  if (agent === undefined) return [];
  const any = asked?.address.includes(":") ? "::" : "0.0.0.0";
  const frontends = asked && [asked.address, any].map((address) => escaped(withPort(address, asked.port)));
  const services = `cilium bpf lb list | grep -E '^(${frontends?.join("|")})(/| )' || true`;
  // a busy node has megabytes of connections
  const tracked = `timeout -s KILL ${LIST_SECONDS} cilium bpf ct list global | grep -E ':(${numbers.join("|")})( |$)' || true`;
  const ask = async (table: Lookup["table"], script: string): Promise<Lookup[]> => {
    const answer = await askAgent(cluster, agent, ["sh", "-c", script]);
    if (answer instanceof Error) return [];
    const lines = answer.split("\n").map((line) =>
      line
        .replace(/ expires=.*/, "")
        .replace(/\s+/g, " ")
        .trim(),
    );
    return lines.filter(Boolean).map((line) => ({ node, table, line }));
  };
  const answers = await Promise.all([
    asked === undefined ? [] : ask("service map", services),
    numbers.length === 0 ? [] : ask("Cilium's connection tracking", tracked),
  ]);
  return answers.flat();
}

/** Whether an entry of the kernel's connection tracking translates one of two addresses to the other. */
export function translates(line: string, from: string, to: string): boolean {
  const tuples = [...line.matchAll(/src=(\S+) dst=(\S+)(?: sport=(\d+) dport=(\d+))?/g)].map(
    ([, source, destination, sourcePort, destinationPort]) => [
      sourcePort === undefined ? source! : withPort(source!, sourcePort),
      destinationPort === undefined ? destination! : withPort(destination!, destinationPort),
    ],
  );
  const [original, reply] = tuples;
  if (original === undefined || reply === undefined) return false;
  const pairs = [
    [original[0]!, reply[1]!],
    [original[1]!, reply[0]!],
  ];
  return pairs.some(([a, b]) => a !== b && ((a === from && b === to) || (a === to && b === from)));
}
