import { askAgent, saveIpv6Rules, saveRules, type Agent } from "../../cluster/agents";
import type { EvidenceCluster } from "../../cluster/read";
import type { Reading } from "./api";
import { ASK_KUBE_PROXY } from "./kubeProxy";
import { LIST_TCX } from "./tcx";

/** Seconds that all commands of a node may take: a busy machine takes long. */
const NODE_SECONDS = 45;

/** Stands for all addresses outside the cluster: it is for documentation, and nothing is sent there (RFC 5737). */
export const OUTSIDE_ADDRESS = "198.51.100.1";

/** The same of IPv6, where it is dual-stack (RFC 3849). */
export const OUTSIDE_IPV6_ADDRESS = "2001:db8::1";

/** Seconds that all counters of a node may take. */
const COUNTER_SECONDS = 20;

/** Where agents mount the cgroups, and attach the programs for sockets. */
export const CGROUP_ROOT = "/run/cilium/cgroupv2";

/** Seconds that one command of the script may take. */
const COMMAND_SECONDS = 8;

/** IPv4 settings of the node's network namespace, without those of devices that come and go by the hundred. */
const SYSCTLS =
  "grep -sH '' /proc/sys/net/ipv4/* /proc/sys/net/ipv4/conf/*/* /proc/sys/net/netfilter/nf_conntrack_count " +
  "/proc/sys/net/netfilter/nf_conntrack_max /proc/sys/net/netfilter/nf_conntrack_*timeout* /proc/sys/net/bridge/bridge-nf-call-iptables | sed 's|^/proc/sys/net/||'";

/** Filters on devices that are no BPF programs, also below a queue with classes: Cilium attaches none. */
const FILTERS = `for device in /sys/class/net/*; do for way in ingress egress ""; do
  device=\${device##*/}
  case "$device $way" in lxc*" ") continue ;; esac
  tc filter show dev "$device" $way 2>/dev/null | while read -r first rest; do
    case "$first $rest" in *" bpf "*) ;; "filter "*) echo "$device \${way:-root} $rest" ;; esac
  done
done; done`;

/** The configuration as the agent has it: the ConfigMap with what overrides it on this node. */
const CONFIG = `cd /tmp/cilium/config-map 2>/dev/null && for key in *; do
  [ -f "$key" ] || continue
  value=
  while IFS= read -r line || [ -n "$line" ]; do value="\${value:+$value }$line"; done < "$key"
  printf '%s=%s\\n' "$key" "$value"
done; true`;

/** The network plugins that the kubelet may choose from, and how often each mentions Cilium: the first by name wins. */
const CNI =
  "cd /host/etc/cni/net.d 2>/dev/null || { echo not mounted; exit 0; }; echo mounted; grep -Hsc cilium -- *; true";

/** What kube-proxy answers to its own health check, where one listens. */
const KUBE_PROXY =
  "timeout 6 bash -c 'exec 3<>/dev/tcp/127.0.0.1/10256 && printf \"GET /healthz HTTP/1.0\\r\\n\\r\\n\" >&3 && head -n 1 <&3' 2>/dev/null; " +
  "[ $? != 124 ] || echo silent";

/** Maps that agents write, and that were frozen: each is asked only where the kernel has a frozen one of Cilium's. */
const FROZEN = `bpftool -j map show 2>/dev/null | grep -q '"name":"cilium_[^}]*"frozen":1' || exit 0
cd /sys/fs/bpf/tc/globals && for map in cilium_lxc cilium_ipcache* cilium_lb4_* cilium_policy_* cilium_call* cilium_egresscall*; do
  case $(bpftool map show pinned "$map" 2>/dev/null) in *frozen*) echo "$map" ;; esac
done; true`;

/**
 * How the node's resolvers answer a question for the name `invalid`, which no resolver has to forward (RFC 6761): the first
 * bytes of the answer, of which the last four bits are its code, or `silent`.
 */
const RESOLVERS = `grep -s '^nameserver ' /etc/resolv.conf | while read -r _ server _; do
  answer=$(timeout 2 bash -c 'exec 3<>/dev/udp/$0/53 && printf "\\x4d\\x4f\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x07invalid\\x00\\x00\\x01\\x00\\x01" >&3 && head -c 4 <&3 | od -An -tx1' "$server" 2>/dev/null)
  echo "$server \${answer:-silent}"
done; true`;

/** What an agent is asked, by section. Every process costs the node some milliseconds, so the shell does what it can. */
export const NODE_COMMANDS = {
  config: CONFIG,
  arguments: "tr '\\0' '\\n' < /proc/1/cmdline; tr '\\0' '\\n' < /proc/1/environ | grep '^CILIUM_' | sort; true",
  options: "cilium config",
  status: "cilium status -o json --all-controllers",
  services: "cilium service list",
  lb: "cilium bpf lb list",
  revnat: "cilium bpf lb list --revnat",
  ipcache: "cilium bpf ipcache list -o json",
  endpoints: "cilium endpoint list -o json",
  endpointMap: "cilium bpf endpoint list -o json",
  links: "ip -j -d -s link show",
  addresses: "ip -j -4 addr show",
  cni: CNI,
  kubeProxy: KUBE_PROXY,
  rules: "ip -4 rule show",
  // not every kernel has it
  xfrm: "ip xfrm policy 2>/dev/null; true",
  routes: "ip -4 route show table all",
  neighbors: "ip -4 neigh show",
  sysctls: SYSCTLS,
  qdiscs: "tc qdisc show",
  filters: FILTERS,
  network: `timeout ${COMMAND_SECONDS} bpftool net show -j`,
  tcx: `command -v perl >/dev/null || exit 0; timeout ${COMMAND_SECONDS} perl -e '${LIST_TCX.replaceAll("'", `'\\''`)}'`,
  // with those of pods: a pod's own cgroup has its programs beside Cilium's
  cgroups: `timeout ${COMMAND_SECONDS} bpftool cgroup tree ${CGROUP_ROOT} -j`,
  policyMaps: `dumped=$(timeout ${COMMAND_SECONDS} cilium bpf policy get --all -n) || exit
printf '%s\\n' "$dumped" | grep -E '^(Endpoint ID|Deny)'; true`,
  iptables: saveRules("-c"),
  // it holds the nodes to which pods go without masquerading; not every mode has it
  ipset: "ipset save cilium_node_set_v4 2>/dev/null; true",
  frozen: FROZEN,
  resolvers: RESOLVERS,
} as const;

/** The networks to which ip-masq-agent leaves pods' addresses; nothing where it is off. A key has length and address. */
const IP_MASQ = `map=/sys/fs/bpf/tc/globals/cilium_ipmasq_v4; [ -e $map ] || exit 0
dumped=$(timeout ${COMMAND_SECONDS} bpftool -j map dump pinned $map) || exit
printf '%s' "$dumped" | sed 's/{"key":\\[/\\n/g' | grep '^"0x' | cut -d ']' -f 1 | tr -d '"' | tr , ' ' |
while read -r length l2 l3 l4 a1 a2 a3 a4; do printf '%d.%d.%d.%d/%d\\n' $a1 $a2 $a3 $a4 $length; done`;

/** What of IPv6 decides whether a device takes part in it, and what becomes of its packets. */
const IPV6_SYSCTLS =
  "cd /proc/sys/net && grep -sH '' ipv6/conf/*/disable_ipv6 ipv6/conf/*/forwarding ipv6/conf/*/hop_limit ipv6/conf/*/mtu " +
  "ipv6/icmp/echo_ignore_all ipv6/ip6frag_high_thresh ipv6/ip6frag_time; true";

/** What is asked beside them in a dual-stack cluster. */
export const IPV6_COMMANDS = {
  ipv6Routes: "ip -6 route show table all",
  ipv6Addresses: "ip -j -6 addr show",
  ipv6Rules: "ip -6 rule show",
  ipv6Neighbors: "ip -6 neigh show",
  ipv6Sysctls: IPV6_SYSCTLS,
  ip6tables: saveIpv6Rules("-c"),
  ipv6Set: "ipset save cilium_node_set_v6 2>/dev/null; true",
} as const;

/** What only `inspect` asks beside them. */
export const MAP_COMMANDS = {
  pressure: "cilium metrics list -o json -p bpf_map_pressure",
  ipMasq: IP_MASQ,
  proxyMode: ASK_KUBE_PROXY,
} as const;

/** A part of what an agent answered. */
export type Section = keyof typeof NODE_COMMANDS | keyof typeof IPV6_COMMANDS | keyof typeof MAP_COMMANDS | "health";

/** What shows the way that packets take, read before and after the pings between pods. */
const PATH = {
  snmp: "head -n 2 /proc/net/snmp",
  ciliumHost: "cat /sys/class/net/cilium_host/statistics/rx_packets /sys/class/net/cilium_host/statistics/tx_packets",
  // what pods sent, as their interfaces on the node have received it
  fromPods:
    "cat /sys/class/net/lxc*/statistics/rx_packets | { sum=0; while read -r each; do sum=$((sum + each)); done; echo $sum; }",
} as const;

/**
 * Pings that BPF gave another source, as `ICMP OUT <pod>:<identifier> -> <address>:0`; nothing where iptables masquerades,
 * which has no such map. A key has destination, source, their ports, protocol and direction; `cilium bpf nat list` takes ten
 * times as long, and with Cilium 1.13 may not end while connections close.
 */
const NAT = `map=/sys/fs/bpf/tc/globals/cilium_snat_v4_external; [ -e $map ] || exit 0
dumped=$(timeout ${COMMAND_SECONDS} bpftool -j map dump pinned $map) || exit
printf '%s' "$dumped" | sed 's/{"key":\\[/\\n/g' | grep '^[^]]*"0x01","0x00"\\]' | cut -d ']' -f 1 | tr -d '"' | tr , ' ' |
while read -r t1 t2 t3 t4 f1 f2 f3 f4 p1 p2 i1 i2 rest; do
  printf 'ICMP OUT %d.%d.%d.%d:%d -> %d.%d.%d.%d:%d\\n' $f1 $f2 $f3 $f4 $((i1 * 256 + i2)) $t1 $t2 $t3 $t4 $((p1 * 256 + p2))
done`;

/** What else counts or keeps packets, read before and after the probes. */
const PROBED = {
  metrics: "cilium metrics list -o json -p 'drop_count_total|bpf_map_pressure'",
  nat: NAT,
} as const;

/** The counters of each moment, and the commands that read them. */
export const COUNTERS = {
  before: { ...PROBED, defaultRoute: "ip -4 route show default", ...PATH },
  between: PATH,
  after: { ...PROBED, iptables: saveRules("-c") },
} as const;

/**
 * Connections of IPv6 that BPF gave another source, as `<source>:<port> <destination>` with addresses of 32 digits; nothing where
 * ip6tables masquerades. The key is as in {@link NAT}, with longer addresses.
 */
const IPV6_NAT = `map=/sys/fs/bpf/tc/globals/cilium_snat_v6_external; [ -e $map ] || exit 0
dumped=$(timeout ${COMMAND_SECONDS} bpftool -j map dump pinned $map) || exit
printf '%s' "$dumped" | sed 's/{"key":\\[/\\n/g' | grep '^[^]]*"0x06","0x00"\\]' | cut -d ']' -f 1 | sed 's/"0x//g; s/[",]//g' |
sed -E 's/^(.{32})(.{32}).{4}(.{4}).*/\\2:\\3 \\1/'`;

/** What is asked beside the counters in a dual-stack cluster. */
export const IPV6_COUNTERS = {
  before: { ipv6Nat: IPV6_NAT },
  between: {},
  after: {
    ipv6Nat: IPV6_NAT,
    ip6tables: saveIpv6Rules("-c"),
  },
} as const;

/** When counters are read: before the pings between pods, between these and the other probes, and after them. */
export type Moment = keyof typeof COUNTERS;

/** A set of counters; `hubble` are the flows of a connection, after the probes only. */
export type Counter =
  | keyof typeof COUNTERS.before
  | keyof typeof COUNTERS.after
  | keyof typeof IPV6_COUNTERS.after
  | "hubble";

/** What one node's agent answered. */
export interface NodeEvidence {
  readonly node: string;
  /** The agent's pod; undefined on a node without one. */
  readonly agent?: string | undefined;
  /** Why the agent could not be asked. */
  readonly error?: string | undefined;
  /** Whether it is of a dump: with the agent's defaults in its configuration, and the main table of routes only. Default: false. */
  readonly isDump?: boolean | undefined;
  readonly sections: Readonly<Partial<Record<Section, Reading<string>>>>;
  /** Kernel's answer to "how would this packet go?", by destination. */
  readonly lookups: Readonly<Record<string, string>>;
  /** The node's nftables rules beside those that iptables made; undefined where nodes cannot be entered. */
  readonly nftables?: Reading<string> | undefined;
  /** CNI plugins that the kubelet needs and does not have; undefined where nodes cannot be entered. */
  readonly missingPlugins?: readonly string[] | undefined;
  /** Checksum and size of Cilium's CNI plugin; undefined where nodes cannot be entered, as the next one. */
  readonly plugin?: string | undefined;
  /** The same of the plugin that brings up pods' loopbacks. */
  readonly loopbackPlugin?: string | undefined;
  /** The first name server that the kubelet gives to pods. */
  readonly clusterDns?: string | undefined;
  /** The domain of which the kubelet lets pods search names. */
  readonly clusterDomain?: string | undefined;
  /** Whom the node itself asks for names, by its resolv.conf. */
  readonly resolvConf?: string | undefined;
}

/** The counters of one node. */
export interface NodeCounters {
  readonly node: string;
  readonly sections: Readonly<Partial<Record<Counter, Reading<string>>>>;
  readonly error?: string | undefined;
}

const PLUGINS = "@@@ plugins";
const KUBELET = "@@@ kubelet";

/** Tables that iptables keeps in nftables are read as iptables. */
const LIST_RULES = `command -v nft >/dev/null && nft list tables 2>/dev/null | while read -r _ family table; do
  case "\${family%6} $table" in "ip filter"|"ip nat"|"ip mangle"|"ip raw"|"ip security") continue ;; esac
  nft -s list table "$family" "$table" 2>/dev/null
done
echo '${PLUGINS}'
for plugin in cilium-cni loopback; do [ -x /opt/cni/bin/$plugin ] || echo $plugin; done
echo '${KUBELET}'
cksum < /opt/cni/bin/cilium-cni
echo loopback $(cksum < /opt/cni/bin/loopback)
grep -A1 '^clusterDNS:' /var/lib/kubelet/config.yaml 2>/dev/null
grep '^clusterDomain:' /var/lib/kubelet/config.yaml 2>/dev/null
grep -E '^(nameserver|search|options) ' /etc/resolv.conf | sed 's/^/resolv.conf /'; true`;

/** What a node's agent is asked. */
export interface Questions {
  readonly commands: Readonly<Partial<Record<Section, string>>>;
  /** Addresses to which the kernel is asked the way. */
  readonly destinations: readonly string[];
}

/** Ask a node's agent everything, in one go. @param agent or why there is none to ask */
export async function readNode(
  cluster: EvidenceCluster,
  node: string,
  agent: Agent | Error,
  { commands, destinations }: Questions,
): Promise<NodeEvidence> {
  if (agent instanceof Error) return { node, error: agent.message, sections: {}, lookups: {} };
  const { onNode } = cluster;
  const [output, entered] = await Promise.all([
    askAgent(
      cluster,
      agent,
      ["sh", "-c", scriptOf(commands) + lookupsOf([...destinations, OUTSIDE_ADDRESS])],
      NODE_SECONDS,
    ),
    onNode?.(node, ["sh", "-c", LIST_RULES]).then(enteredOf, (error: Error) => ({
      nftables: { error: error.message },
    })),
  ]);
  if (output instanceof Error) {
    const error = agent.trouble ?? output.message;
    return { node, agent: agent.pod, error, sections: {}, lookups: {}, ...entered };
  }
  const [sections, lookups] = output.split(`\n${LOOKUPS}\n`);
  return {
    node,
    agent: agent.pod,
    sections: sectionsOf<Section>(sections!),
    lookups: Object.fromEntries(
      [...(lookups ?? "").matchAll(/^> (\S+)\n([^]*?)(?=^> |$(?![^]))/gm)].map(([, to, said]) => [to!, said!.trim()]),
    ),
    ...entered,
  };
}

function enteredOf(output: string): Partial<NodeEvidence> {
  const [rules, rest = ""] = output.split(`${PLUGINS}\n`);
  const [plugins = "", kubelet = ""] = rest.split(`${KUBELET}\n`);
  return {
    nftables: { value: rules! },
    missingPlugins: plugins.split("\n").filter(Boolean),
    plugin: /^\d+ \d+$/m.exec(kubelet)?.[0],
    loopbackPlugin: /^loopback (\d+ \d+)$/m.exec(kubelet)?.[1],
    clusterDns: /^- (\S+)$/m.exec(kubelet)?.[1],
    clusterDomain: /^clusterDomain: (\S+)$/m.exec(kubelet)?.[1],
    resolvConf: [...kubelet.matchAll(/^resolv\.conf (.*)$/gm)].map(([, line]) => line!.trim()).join("; ") || undefined,
  };
}

/** Read the counters of a node. @param agent or why there is none to ask @param more scripts of further sections */
export async function readCounters(
  cluster: EvidenceCluster,
  node: string,
  agent: Agent | Error,
  moment: Moment,
  more: Readonly<Partial<Record<Counter, string>>> = {},
): Promise<NodeCounters> {
  if (agent instanceof Error) return { node, sections: {}, error: agent.message };
  const commands = { ...COUNTERS[moment], ...more };
  const output = await askAgent(cluster, agent, ["sh", "-c", scriptOf(commands)], COUNTER_SECONDS);
  if (output instanceof Error) return { node, sections: {}, error: output.message };
  return { node, sections: sectionsOf<Counter>(output) };
}

const MARK = "@@@";
const LOOKUPS = "@@@ lookups";

/**
 * Runs every command, and prints `@@@ <name> <exit code>` after what it printed. An agent that hangs is asked once: what
 * else asks it (BPF maps do not) has the same answer at once.
 */
function scriptOf(commands: Readonly<Record<string, string>>): string {
  const run = Object.entries(commands).map(([name, command]) => {
    const asksCilium = /^cilium (bpf )?/.exec(command);
    const ask = `${asksCilium === null ? `( ${command}\n)` : `timeout ${COMMAND_SECONDS} ${command}`} 2>"$errors"; code=$?`;
    const asksAgent = asksCilium !== null && asksCilium[1] === undefined;
    return [
      asksAgent ? `if [ $silent = 124 ]; then code=124; else ${ask}; silent=$code; fi` : ask,
      `error=; [ ! -s "$errors" ] || error=$(tail -n 1 "$errors")`,
      `printf '\\n${MARK} ${name} %s %s\\n' $code "$error"`,
    ].join("\n");
  });
  return ["errors=$(mktemp)", "silent=0", ...run, 'rm -f "$errors"\n'].join("\n");
}

function lookupsOf(destinations: readonly string[]): string {
  const isIpv6 = (to: string) => to.includes(":");
  const ask = (family: number, all: readonly string[]) =>
    all.length === 0 ? "" : `for to in ${all.join(" ")}; do echo "> $to"; ip -${family} route get "$to" 2>&1; done; `;
  return `\necho '${LOOKUPS}'\n${ask(
    4,
    destinations.filter((to) => !isIpv6(to)),
  )}${ask(6, destinations.filter(isIpv6))}true`;
}

function sectionsOf<Name extends string>(output: string): Partial<Record<Name, Reading<string>>> {
  const found = output.matchAll(/([^]*?)\n@@@ (\w+) (\d+) ?(.*)(?:\n|$)/g);
  return Object.fromEntries(
    [...found].map(([, text, name, code, error]) => [
      name!,
      code === "0" ? { value: text! } : { error: failureOf(name!, code!, error!) },
    ]),
  ) as Partial<Record<Name, Reading<string>>>;
}

function failureOf(section: string, code: string, error: string): string {
  const said = error === "" ? `exit code ${code}` : error.slice(0, 160);
  const words = section.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return code === "124" ? `the agent did not tell its ${words} within ${COMMAND_SECONDS} s` : `${words}: ${said}`;
}

/** What a node said, or why it did not. */
export function sectionOf(node: NodeEvidence, section: Section): string | Error {
  const reading = node.sections[section];
  if (reading === undefined) return new Error(node.error ?? `${node.node} did not tell its ${section}`);
  return "value" in reading ? reading.value : new Error(reading.error);
}

/** The same as JSON. */
export function jsonOf<T>(node: NodeEvidence, section: Section): T | Error {
  const text = sectionOf(node, section);
  if (text instanceof Error) return text;
  try {
    return JSON.parse(text) as T;
  } catch {
    return new Error(`${section} on ${node.node} is not JSON: ${text.trim().slice(0, 60) || "(empty)"}`);
  }
}

/** The version of a node's Cilium, such as `1.20.2`, as its agent reports it. */
export function agentVersion(node: NodeEvidence): string | undefined {
  const status = jsonOf<{ cilium?: { msg?: string } }>(node, "status");
  return status instanceof Error ? undefined : /^v?(\d+\.\d+\.\d+\S*)/.exec(status.cilium?.msg ?? "")?.[1];
}

/** What a counter said, or why it did not. */
export function counterOf(nodes: readonly NodeCounters[], node: string, counter: Counter): string | Error {
  const found = nodes.find((each) => each.node === node);
  const reading = found?.sections[counter];
  if (reading === undefined) return new Error(found?.error ?? `${node} did not tell its counters`);
  return "value" in reading ? reading.value : new Error(reading.error);
}

/** What `ip -j -4 addr show` prints of a device. */
export interface Addressed {
  readonly ifname: string;
  readonly addr_info: readonly { readonly local?: string; readonly prefixlen?: number }[];
}

/** A node's own addresses, each with the devices that have it; undefined where they could not be read. */
export function addressesOf(node: NodeEvidence): ReadonlyMap<string, readonly string[]> | undefined {
  const addressed = jsonOf<Addressed[]>(node, "addresses");
  if (addressed instanceof Error) return undefined;
  const devices = new Map<string, string[]>();
  for (const { ifname, addr_info: own } of addressed)
    for (const { local } of own) if (local !== undefined) devices.set(local, [...(devices.get(local) ?? []), ifname]);
  return devices;
}

/** A node's own addresses on one device; none where they could not be read. */
export function addressesOn(node: NodeEvidence, device: string): readonly string[] {
  return [...(addressesOf(node) ?? [])].flatMap(([address, devices]) => (devices.includes(device) ? [address] : []));
}

/** A node's own IPv6 addresses on one device, without those of its link; none where they could not be read. */
export function ipv6AddressesOn(node: NodeEvidence, device: string): readonly string[] {
  const addressed = jsonOf<Addressed[]>(node, "ipv6Addresses");
  if (addressed instanceof Error) return [];
  const own = addressed.find(({ ifname }) => ifname === device)?.addr_info ?? [];
  return own.flatMap(({ local }) => (local === undefined || local.startsWith("fe80:") ? [] : [local]));
}

/** `cilium endpoint list -o json`, as far as it tells of the network. */
export interface AgentEndpoint {
  readonly status?: {
    readonly state?: string;
    readonly identity?: { readonly id?: number };
    readonly networking?: {
      readonly addressing?: readonly { readonly ipv4?: string }[];
      readonly "interface-index"?: number;
      readonly mac?: string;
      readonly "host-mac"?: string;
    };
  };
}

/** The endpoints as a node's agent has them; none where they could not be read. */
export function endpointsOf(node: NodeEvidence): readonly AgentEndpoint[] {
  const endpoints = jsonOf<AgentEndpoint[]>(node, "endpoints");
  return endpoints instanceof Error ? [] : endpoints;
}

/** What an endpoint is before it has had programs: https://docs.cilium.io/en/latest/security/policy/lifecycle/ */
const NEW = ["creating", "waiting-for-identity"];

/** The same until Cilium has loaded its programs. */
const UNFINISHED = new Set([...NEW, "not-ready", "waiting-to-regenerate", "regenerating", "restoring"]);

/** The index of an endpoint's device on the node; undefined while the endpoint is new. */
export const deviceOf = ({ status }: AgentEndpoint): number | undefined =>
  NEW.includes(status?.state ?? "") ? undefined : status?.networking?.["interface-index"];

/** Whether an agent still makes the programs of some endpoint: a slow node compiles them for a minute after a restart. */
export function isRegenerating(node: NodeEvidence): boolean {
  return endpointsOf(node).some(({ status }) => UNFINISHED.has(status?.state ?? ""));
}

/** What an agent has beside the ConfigMap, which it overrides. */
export interface OwnSetting {
  /** As the process has it: `--mtu=1400` or `CILIUM_MTU=1400`. */
  readonly said: string;
  /** The key that the ConfigMap has for it: `mtu`. */
  readonly key: string;
  readonly value: string;
  /** Name of the variable without `CILIUM_`; undefined for an argument. */
  readonly variable?: string | undefined;
}

/** An agent's own arguments and variables; none where it did not tell. The value of an argument may be the next word. */
export function ownSettings(said: string | Error): OwnSetting[] {
  if (said instanceof Error) return [];
  return [...said.matchAll(/^(?:--([\w-]+)(?:=(.*)|\n(?!-|CILIUM_)(.+))?|CILIUM_(\w+)=(.*))$/gm)].map(
    ([all, argument, joined, next, variable, assigned]) => ({
      ...{ said: all.replace("\n", " "), variable, value: assigned ?? joined ?? next ?? "true" },
      key: argument ?? variable!.toLowerCase().replaceAll("_", "-"),
    }),
  );
}
