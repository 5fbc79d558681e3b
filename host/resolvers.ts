import { readFile } from "node:fs/promises";
import { contains, isIpv4Address } from "../modes/cidr";
import type { DnsForward } from "../modes/kindConfig";

/** The resolvers that CoreDNS forwards to. */
export interface Resolvers {
  /** IPv4 addresses; none: CoreDNS keeps the node's own resolver. */
  readonly addresses: readonly string[];
  /** Why pods may not resolve external names with BPF host routing; undefined when they can. */
  readonly problem?: string | undefined;
}

/** What to do about a {@link Resolvers.problem}. */
export const RESOLVER_REMEDY = "set dns.forward to resolvers that pods can reach";

/** The resolvers that a `dns.forward` setting selects. */
export async function resolversFor(forward: DnsForward, nativeRoutingCIDR: string): Promise<Resolvers> {
  if (forward === "node") return { addresses: [] };
  if (forward !== "auto") return { addresses: forward };
  const own = await hostResolvers();
  const unreachable = own.filter((address) => contains(nativeRoutingCIDR, `${address}/32`));
  const addresses = own.filter((address) => !unreachable.includes(address));
  if (addresses.length > 0) return { addresses };
  const problem =
    unreachable.length > 0
      ? `this machine's resolver ${unreachable.join(", ")} is in cilium.nativeRoutingCIDR ${nativeRoutingCIDR}, so its replies cannot be routed back to pods`
      : "this machine has no resolver that pods can reach";
  return { addresses, problem };
}

/** This machine's resolvers without loopback addresses, chosen as Docker chooses them for containers. */
async function hostResolvers(): Promise<string[]> {
  for (const file of ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"]) {
    const addresses = parseResolvConf(await readFile(file, "utf8").catch(() => ""));
    if (addresses.length > 0) return addresses;
  }
  return [];
}

/** The IPv4 nameservers of a resolv.conf, without loopback addresses. */
export function parseResolvConf(text: string): string[] {
  return [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)]
    .map((match) => match[1]!)
    .filter((address) => isIpv4Address(address) && !address.startsWith("127."));
}
