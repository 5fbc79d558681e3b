import { fail, pass, warning, type Check, type Finding } from "./check";
import { RESTART } from "./config";
import { eachNode, odd } from "./nodes";
import { sectionOf, type NodeEvidence } from "../evidence/node";

/** Settings that every mode needs, wherever the device is Cilium's or leads to other nodes. */
const REQUIRED: readonly {
  readonly key: RegExp;
  readonly value: string;
  /** Whether it matters only where packets pass the host's IP stack. */
  readonly hostOnly?: boolean;
  /** Values that do no harm either. */
  readonly harmless?: readonly string[];
  readonly why: string;
}[] = [
  { key: /^ipv4\/ip_forward$/, value: "1", why: "the kernel forwards no packets between pods, nodes and the outside" },
  {
    key: /^ipv(?:4\/conf\/all|[46]\/conf\/(?:eth0|cilium_host|cilium_net|lxc\w+))\/forwarding$/,
    value: "1",
    why: "the kernel forwards no packets that come in by this device",
  },
  { key: /^ipv(?:4\/icmp_|6\/icmp\/)echo_ignore_all$/, value: "0", why: "the node answers no pings" },
  { key: /^ipv6\/conf\/all\/forwarding$/, value: "1", why: "the kernel forwards no IPv6 packets" },
  {
    key: /^ipv6\/conf\/(?:eth0|cilium_host|cilium_net|lxc\w+)\/disable_ipv6$/,
    value: "0",
    why: "the device has no IPv6: no address, no route and no packet of it",
  },
  {
    key: /^ipv4\/conf\/(?:cilium_host|cilium_net|lxc\w+)\/rp_filter$/,
    value: "0",
    why: "the kernel drops packets whose way back it would route elsewhere",
  },
  {
    // the stricter one of this and the device's own counts
    key: /^ipv4\/conf\/all\/rp_filter$/,
    value: "0",
    harmless: ["2"],
    hostOnly: true,
    why: "the kernel drops packets whose way back it would route elsewhere, on every device",
  },
];

/** Settings in which nodes of one cluster do not differ by chance. */
export const COMPARED =
  /^ipv4\/(?:ip_forward|ip_default_ttl|ip_no_pmtu_disc|ip_nonlocal_bind|icmp_\w+|ipfrag_\w+|ip_local_port_range|tcp_(?:mtu_probing|timestamps|sack|window_scaling|syncookies|ecn)|conf\/(?:all|default|eth0|cilium_host|cilium_net)\/(?:forwarding|rp_filter|accept_local|arp_\w+|proxy_arp|route_localnet|disable_policy|disable_xfrm|src_valid_mark|send_redirects|accept_source_route))$|^bridge\//;

/** Settings of one machine's nodes that differ by themselves, or that people tune without touching other nodes' packets. */
const VOLATILE =
  /^ipv6\/conf\/(?:lxc|veth|tunl|sit|ip6tnl|dummy|docker)|^ipv6\/conf\/\w+\/mtu$|^ipv4\/(?:tcp_fastopen_key|ping_group_range)$|^ipv4\/tcp_(?:keepalive_\w+|fin_timeout|tw_\w+|max_\w+|orphan_retries|slow_start_\w+|\w*congestion_control)$|^ipv4\/conf\/(?:lxc|veth|tunl|sit|dummy|docker)|mc_forwarding$|^netfilter\//;

/** Minimum values of kernel settings, with the kernel's defaults. */
export const LEAST: readonly {
  readonly key: string;
  readonly least: number;
  readonly usual: string;
  /** Whether it matters only where netfilter translates pods' packets. */
  readonly hostOnly?: boolean;
  readonly why: string;
  /** What counts of a setting. Default: the number itself */
  readonly value?: (text: string) => number;
}[] = [
  {
    key: "netfilter/nf_conntrack_tcp_timeout_established",
    least: 300,
    usual: "86400",
    why: "idle connections that netfilter translates break after this many seconds",
  },
  ...(["nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream"] as const).map((name) => ({
    key: `netfilter/${name}`,
    least: 10,
    hostOnly: true,
    usual: name === "nf_conntrack_udp_timeout" ? "30" : "120",
    why: "answers by UDP that netfilter translates are lost when they take this many seconds",
  })),
  ...(
    [
      ["syn_recv", "60"],
      ["unacknowledged", "300"],
      ["max_retrans", "300"],
    ] as const
  ).map(([state, usual]) => ({
    ...{ key: `netfilter/nf_conntrack_tcp_timeout_${state}`, least: 10, hostOnly: true, usual },
    why: "connections that netfilter translates break when an answer takes this many seconds",
  })),
  ...["ipv4/ip_default_ttl", "ipv6/conf/all/hop_limit", "ipv6/conf/eth0/hop_limit"].map((key) => ({
    ...{ key, least: 32, usual: "64", why: "packets live for too few hops" },
  })),
  { key: "ipv4/ipfrag_time", least: 5, usual: "30", why: "fragments that arrive apart are dropped" },
  {
    key: "ipv4/ipfrag_high_thresh",
    least: 65536,
    usual: "4194304",
    why: "the kernel has no memory for fragments, and drops them",
  },
  {
    key: "ipv4/ip_local_port_range",
    least: 256,
    usual: "32768 60999",
    why: "more connections to the same server than there are local ports fail",
    value: (text) => {
      const [first, last] = text.split(/\s+/).map(Number) as [number, number];
      return last - first + 1;
    },
  },
];

/** A connection table as full as this drops new connections soon. */
const FULL = 0.95;

/** Whether the kernel's own settings let the datapath work. */
export const kernelCheck: Check = {
  id: "kernel",
  question: "Do the kernel settings of every node allow forwarding, and are they the same on all nodes?",
  needs: ["nodes"],
  judge(evidence, { isExternal, evidence: { forwarding } }) {
    // nodes of another maker may be machines of different kinds
    const isCompared = (key: string) => (isExternal ? COMPARED.test(key) : !VOLATILE.test(key));
    const settingsByNode = new Map(
      evidence.nodes.flatMap((node) => {
        const text = sectionOf(node, "sysctls");
        return text instanceof Error ? [] : [[node.node, settingsOf(`${text}\n${ipv6SettingsOf(node)}`)] as const];
      }),
    );
    const keys = new Set([...settingsByNode.values()].flatMap((settings) => [...settings.keys()].filter(isCompared)));
    const odds = new Map(
      [...keys].map((key) => {
        const all = [...settingsByNode].map(([name, own]) => ({ node: name, value: own.get(key) }));
        return [key, new Map(odd(all, ({ value }) => value).map((each) => [each.node, each]))];
      }),
    );
    return eachNode(evidence, "sysctls", (each): Finding => {
      const { node, sections } = each;
      const at = { nodes: [node] };
      const unwritable = Object.values(sections).find(
        (reading) => "error" in reading && /read-only file system/i.test(reading.error),
      );
      if (unwritable !== undefined) {
        return fail(
          node,
          (unwritable as { readonly error: string }).error,
          "the BPF file system is read-only: the agent cannot load programs, and new pods get no network",
          `on ${node}: mount -o remount,rw /sys/fs/bpf; then ${RESTART}`,
          { cause: "bpf-file-system", ...at },
        );
      }
      const unpinned = unpinnedMaps(each);
      if (unpinned.length > 0) {
        return fail(
          node,
          `no pins of BPF maps in /sys/fs/bpf: ${unpinned.join(", ")}`,
          "the pins of BPF maps are missing: another file system covers them, or they were removed. The datapath keeps its maps until the agent restarts, and nothing can read them",
          `on ${node}: findmnt /sys/fs/bpf; if it is listed twice: umount /sys/fs/bpf; else, to pin new maps: kubectl -n kube-system delete pod ${each.agent}`,
          { cause: "bpf-file-system", ...at },
        );
      }
      const settings = settingsByNode.get(node)!;
      const [count, max] = ["count", "max"].map((each) => Number(settings.get(`netfilter/nf_conntrack_${each}`)));
      if (count! >= FULL * max!) {
        return fail(
          node,
          `${count} of ${max} connections tracked`,
          "the kernel's connection table is full, and it drops new connections",
          `on the machine that ${node} runs on: sysctl -w net.netfilter.nf_conntrack_max=${2 * Math.max(max!, count!)}`,
          { cause: "conntrack-full", ...at },
        );
      }
      const wrong = [...settings].flatMap(([key, value]) =>
        REQUIRED.filter(
          (rule) =>
            rule.key.test(key) &&
            rule.value !== value &&
            !(rule.harmless ?? []).includes(value) &&
            !(rule.hostOnly === true && forwarding === "BPF"),
        ).map((rule) => ({
          key,
          value,
          want: rule.value,
          why: rule.why,
          isTie: false,
        })),
      );
      for (const { key, least, usual, why, hostOnly = false, value: countOf = Number } of LEAST) {
        if (hostOnly && forwarding === "BPF") continue;
        const value = settings.get(key);
        if (value !== undefined && countOf(value) < least) wrong.push({ key, value, want: usual, why, isTie: false });
      }
      const unlike = [...keys].flatMap((key) => {
        if (wrong.some((each) => each.key === key)) return [];
        const mine = odds.get(key)?.get(node);
        return mine === undefined
          ? []
          : [
              {
                ...{ key, value: mine.own, why: "the other nodes have another value" },
                want: mine.isTie ? `like the other's (${mine.most})` : mine.most,
                isTie: mine.isTie,
              },
            ];
      });
      const all = [...wrong, ...unlike];
      if (all.length === 0) return pass(node, `${settings.size} settings read, none in the way`);
      const shown = all.slice(0, 5);
      // of these nobody here knows that they matter
      const isKnown = wrong.length > 0 || (!isExternal && unlike.some(({ key }) => COMPARED.test(key)));
      const say = isKnown ? fail : warning;
      return say(
        node,
        shown.map(({ key, value }) => `${nameOf(key)} = ${value}`).join(", "),
        `${shown.map(({ key, want, why }) => `${nameOf(key)} must be ${want}: ${why}`).join("; ")}${all.length > 5 ? `; and ${all.length - 5} more` : ""}`,
        `on ${node}: ${shown.map(({ key, want, isTie }) => (isTie ? `sysctl ${nameOf(key)}, and set the same on every node` : `sysctl -w ${nameOf(key)}=${/\s/.test(want) ? `"${want.replace(/\s+/g, " ")}"` : want}`)).join("; ")}`,
        { cause: "sysctl-changed", ...at },
      );
    });
  },
};

/** Maps that cannot be opened, or are empty: an ipcache always has an entry of the whole world. */
function unpinnedMaps({ sections }: NodeEvidence): string[] {
  const names = { ipcache: "ipcache", endpointMap: "endpoint map", lb: "services", revnat: "reverse translations" };
  return Object.entries(names).flatMap(([section, name]) => {
    const reading = sections[section as keyof typeof names];
    if (reading === undefined) return [];
    const isMissing =
      "error" in reading
        ? /no such file or directory/i.test(reading.error)
        : section === "ipcache" && reading.value.trim() === "{}";
    return isMissing ? [name] : [];
  });
}

/** Those of IPv6; empty in a cluster without it. */
function ipv6SettingsOf(node: NodeEvidence): string {
  const text = node.sections.ipv6Sysctls === undefined ? "" : sectionOf(node, "ipv6Sysctls");
  return text instanceof Error ? "" : text;
}

function settingsOf(text: string): Map<string, string> {
  return new Map(
    text.split("\n").flatMap((line) => {
      const at = line.indexOf(":");
      return at < 1 ? [] : [[line.slice(0, at), line.slice(at + 1).trim()] as const];
    }),
  );
}

const nameOf = (key: string) => `net.${key.replaceAll("/", ".")}`;
