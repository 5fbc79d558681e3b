import type { Evidence } from "../evidence/gather";
import { ipv6View } from "../evidence/ipv6View";
import { byIpv6, type Finding } from "./check";

/** A family of addresses, and how its tools are called in remedies. */
export interface Family {
  readonly name: "IPv4" | "IPv6";
  readonly ip: "ip" | "ip -6";
  readonly iptables: "iptables" | "ip6tables";
  /** The family of its tables in nftables. */
  readonly nft: "ip" | "ip6";
  /** Length of an address's own prefix. */
  readonly bits: 32 | 128;
}

export const IPV4: Family = { name: "IPv4", ip: "ip", iptables: "iptables", nft: "ip", bits: 32 };
export const IPV6: Family = { name: "IPv6", ip: "ip -6", iptables: "ip6tables", nft: "ip6", bits: 128 };

/** What a check finds of IPv4, and in a dual-stack cluster of IPv6. @param judge gets evidence that has the family's in the place of IPv4's */
export function eachFamily(
  evidence: Evidence,
  judge: (evidence: Evidence, family: Family) => readonly Finding[],
): Finding[] {
  const ofIpv6 = ipv6View(evidence);
  return [...judge(evidence, IPV4), ...(ofIpv6 === undefined ? [] : byIpv6(judge(ofIpv6, IPV6)))];
}

/** The port of a frontend, such as `10.0.0.1:80` or `[fd00::1]:80`. */
export const portOf = (frontend: string) => frontend.split(":").at(-1)!;

/** Whether an address, or one with a port, is of IPv6. */
export const isIpv6 = (text: string) => text.split(":").length > 2;
