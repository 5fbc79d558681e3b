import ipaddr from "ipaddr.js";
import { withPort, type AddressFamily } from "../../modes/ipFamily";

/** Where kube-proxy's rules lead on one node. Keys and backends are as in `10.96.0.1:443` or `[fd00::1]:443`. */
export interface ProxyRules {
  /** Backends by a ClusterIP's `address:port/TCP`. */
  readonly services: ReadonlyMap<string, ReadonlySet<string>>;
  /** Backends by a NodePort's `port/TCP`. */
  readonly nodePorts: ReadonlyMap<string, ReadonlySet<string>>;
  /** How many there are, in one phrase. */
  readonly seen: string;
}

/** Chains and maps of a table. Names have slashes, and a Service's port may have no name. */
const PARTS = /^\t(chain|map) (\S+) \{\n([^]*?)^\t\}/gm;

/** kube-proxy's own part of what `nft list table` printed of a family; undefined if the table is not there. */
const kubeProxyTable = (tables: string, family: "ip" | "ip6" = "ip"): string | undefined =>
  new RegExp(`^table ${family} kube-proxy \\{\\n([^]*?)^\\}`, "m").exec(tables)?.[1];

/** How much is in kube-proxy's table: a map's elements decide as a rule of iptables does. */
export function countOfNftables(tables: string): { readonly chains: number; readonly rules: number } {
  const parts = [...(kubeProxyTable(tables) ?? "").matchAll(PARTS)];
  const chains = parts.filter(([, kind]) => kind === "chain");
  const inChains = chains.flatMap(([, , , body]) => body!.match(/^\t\t(?!type |comment ).+/gm) ?? []);
  const elements = parts.flatMap(([, kind, , body]) => (kind === "map" ? (body!.match(ELEMENT) ?? []) : []));
  return { chains: chains.length, rules: inChains.length + elements.length };
}

/** An element of a map: its key and the chain that it leads to. */
const ELEMENT = /((?:[\da-f.:]+ \. )?(?:tcp|udp|sctp) \. \d+)(?: comment "[^"]*")? : (?:goto|jump) ([^\s,}]+)/g;

/**
 * The rules of the mode nftables (https://github.com/kubernetes/kubernetes/blob/v1.34.2/pkg/proxy/nftables/README.md);
 * undefined if kube-proxy has no table of the family here.
 */
export function rulesOfNftables(tables: string, family: "ip" | "ip6" = "ip"): ProxyRules | undefined {
  const table = kubeProxyTable(tables, family);
  if (table === undefined) return undefined;
  const parts = [...table.matchAll(PARTS)];
  const chains = new Map(parts.flatMap(([, kind, name, body]) => (kind === "chain" ? [[name!, body!] as const] : [])));
  const backends = (chain: string, seen: readonly string[] = []): string[] => {
    const body = chains.get(chain);
    if (body === undefined || seen.includes(chain)) return [];
    const own = [...body.matchAll(/\bdnat to (\S+)/g)].map(([, to]) => to!);
    const next = [...body.matchAll(/\bgoto ([^\s,}]+)/g)].map(([, to]) => to!);
    return [...own, ...[...new Set(next)].flatMap((each) => backends(each, [...seen, chain]))];
  };
  const elements = (map: string, keyOf: (parts: readonly string[]) => string) =>
    new Map(
      [...(parts.find(([, kind, name]) => kind === "map" && name === map)?.[3] ?? "").matchAll(ELEMENT)].map(
        ([, key, chain]) => [keyOf(key!.split(" . ")), new Set(backends(chain!))] as const,
      ),
    );
  const services = elements(
    "service-ips",
    ([address, protocol, port]) => `${withPort(address!, port!)}/${protocol!.toUpperCase()}`,
  );
  const nodePorts = elements("service-nodeports", ([protocol, port]) => `${port}/${protocol!.toUpperCase()}`);
  const seen = `table ${family} kube-proxy with ${services.size} ports of Services, ${nodePorts.size} NodePorts`;
  return { services, nodePorts, seen };
}

/** Ends of connections in /proc/net/ip_vs: `0A600001:01BB`, or `[fd00:0010:0096:0000:0000:0000:0000:0001]:01BB`. */
const ENDS: Readonly<Record<AddressFamily, string>> = {
  ipv4: "([0-9A-F]{8}):([0-9A-F]{4})",
  ipv6: "\\[([0-9a-f:]{39})\\]:([0-9A-F]{4})",
};

function endOf([address, port]: readonly string[]): { readonly address: string; readonly port: number } {
  const bytes = address!.replaceAll(":", "").match(/../g)!;
  return {
    address: ipaddr.fromByteArray(bytes.map((byte) => parseInt(byte, 16))).toString(),
    port: parseInt(port!, 16),
  };
}

/**
 * The same of the mode ipvs, from /proc/net/ip_vs (https://github.com/torvalds/linux/blob/v6.12/net/netfilter/ipvs/ip_vs_ctl.c);
 * undefined if the kernel has no IPVS. @param addresses the node's own, at which NodePorts answer
 */
export function rulesOfIpvs(
  table: string,
  addresses: readonly string[],
  family: AddressFamily = "ipv4",
): ProxyRules | undefined {
  if (!table.includes("IP Virtual Server")) return undefined;
  const services = new Map<string, Set<string>>();
  const nodePorts = new Map<string, Set<string>>();
  let current: Set<string> | undefined;
  const ofService = new RegExp(`^(TCP|UDP|SCTP) +${ENDS[family]} `);
  const ofBackend = new RegExp(`^ +-> ${ENDS[family]} `);
  for (const line of table.split("\n")) {
    const [, protocol, ...own] = ofService.exec(line) ?? [];
    const [, ...backend] = ofBackend.exec(line) ?? [];
    if (protocol !== undefined) {
      current = new Set();
      const { address, port } = endOf(own);
      if (addresses.includes(address)) nodePorts.set(`${port}/${protocol}`, current);
      else services.set(`${withPort(address, port)}/${protocol}`, current);
    } else if (backend.length > 0) {
      const { address, port } = endOf(backend);
      current?.add(withPort(address, port));
    }
  }
  return { services, nodePorts, seen: `IPVS with ${services.size} ports of Services, ${nodePorts.size} NodePorts` };
}
