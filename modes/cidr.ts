import { isIP } from "node:net";
import ipaddr from "ipaddr.js";

/** The rule that a text breaks as an IPv4 network, and the network that was probably meant. */
export interface CidrProblem {
  readonly rule: string;
  readonly suggestion?: string | undefined;
}

/** Why a text is not an IPv4 network like `10.0.0.0/16`; undefined if it is one. */
export function ipv4CidrProblem(text: string): CidrProblem | undefined {
  // no leading zeros: some programs read 010 as octal, and Kubernetes rejects it
  if (!ipaddr.IPv4.isValidCIDRFourPartDecimal(text) || /\/0\d/.test(text)) {
    return { rule: "must be an IPv4 network such as 10.0.0.0/16" };
  }
  const network = ipaddr.IPv4.networkAddressFromCIDR(text).toString();
  const [address, prefix] = ipaddr.IPv4.parseCIDR(text);
  if (address.toString() === network) return undefined;
  return { rule: "has host bits set", suggestion: `${network}/${prefix}` };
}

/** Why a text is not an IPv6 network like `fd00:10::/56`; undefined if it is one. */
export function ipv6CidrProblem(text: string): CidrProblem | undefined {
  // no zones, and no leading zeros or signs in the length
  if (!/^[\da-f:]+\/(?:0|[1-9]\d{0,2})$/i.test(text) || !ipaddr.IPv6.isValidCIDR(text))
    return { rule: "must be an IPv6 network such as fd00:10::/56" };
  const network = ipaddr.IPv6.networkAddressFromCIDR(text).toString();
  const [address, prefix] = ipaddr.IPv6.parseCIDR(text);
  if (address.toString() === network) return undefined;
  return { rule: "has host bits set", suggestion: `${network}/${prefix}` };
}

type Network = [ipaddr.IPv4 | ipaddr.IPv6, number];

/** Networks that were parsed: a verification compares thousands of routes with the same few. */
const parsed = new Map<string, Network>();

const isIpv6 = (text: string) => text.includes(":");

/** Parse a network of either family. @throws Error if it is none */
function parseCidr(text: string): Network {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const problem = isIpv6(text) ? ipv6CidrProblem(text) : ipv4CidrProblem(text);
  if (problem !== undefined) throw new Error(`${JSON.stringify(text)} ${problem.rule}`);
  const network = isIpv6(text) ? ipaddr.IPv6.parseCIDR(text) : ipaddr.IPv4.parseCIDR(text);
  parsed.set(text, network);
  return network;
}

/** Parse an IPv4 network. @throws Error if {@link ipv4CidrProblem} finds a problem */
export function parseIpv4Cidr(text: string): [ipaddr.IPv4, number] {
  const problem = isIpv6(text) ? ipv4CidrProblem(text) : undefined;
  if (problem !== undefined) throw new Error(`${JSON.stringify(text)} ${problem.rule}`);
  return parseCidr(text) as [ipaddr.IPv4, number];
}

/** Whether `outer` contains every address of `inner`; never where they are of different families. @throws Error if one is not a network */
export function contains(outer: string, inner: string): boolean {
  const [outerAddress, outerPrefix] = parseCidr(outer);
  const [innerAddress, innerPrefix] = parseCidr(inner);
  return (
    innerPrefix >= outerPrefix &&
    innerAddress.kind() === outerAddress.kind() &&
    (innerAddress as ipaddr.IPv4).match(outerAddress as ipaddr.IPv4, outerPrefix)
  );
}

/** Whether a network of either family contains an address. @throws Error if one of them is none */
export const containsAddress = (network: string, address: string) =>
  contains(network, `${address}/${isIpv6(address) ? 128 : 32}`);

/** Whether two networks share an address: they do if and only if one contains the other. @throws Error if one is not a network */
export function overlap(a: string, b: string): boolean {
  return contains(a, b) || contains(b, a);
}

/** Whether `text` is an IPv4 address in dotted form. */
export function isIpv4Address(text: string): boolean {
  return ipaddr.IPv4.isValidFourPartDecimal(text);
}

/** Whether Go reads a text as a network, of which hosts' bits do not count. */
export function isCidr(text: string): boolean {
  const [address = "", bits = "", ...more] = text.split("/");
  const most = { 0: -1, 4: 32, 6: 128 }[isIP(address)]!;
  return more.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= most;
}

/** Whether `text` is an IPv6 address, without a zone and not in the mixed notation of IPv4. */
export function isIpv6Address(text: string): boolean {
  return isIP(text) === 6 && /^[\da-f:]+$/i.test(text);
}
