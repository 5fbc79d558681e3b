import ipaddr from "ipaddr.js";

/** Parse an IPv4 network like `10.0.0.0/16`. @throws Error when it is none, or when host bits are set. */
export function parseIpv4Cidr(text: string): [ipaddr.IPv4, number] {
  // no leading zeros: some read 010 as eight, and Kubernetes refuses it
  if (!ipaddr.IPv4.isValidCIDRFourPartDecimal(text) || /\/0\d/.test(text)) {
    throw new Error(`must be an IPv4 network such as 10.0.0.0/16`);
  }
  const network = ipaddr.IPv4.networkAddressFromCIDR(text);
  const [address, prefix] = ipaddr.IPv4.parseCIDR(text);
  if (address.toString() !== network.toString()) {
    throw new Error(`has host bits set; did you mean "${network.toString()}/${prefix}"?`);
  }
  return [address, prefix];
}

/** Whether `text` is an IPv4 network that {@link parseIpv4Cidr} accepts; otherwise the rule it breaks. */
export function ipv4CidrProblem(text: string): string | undefined {
  try {
    parseIpv4Cidr(text);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Whether every address of `inner` lies in `outer`. */
export function contains(outer: string, inner: string): boolean {
  const [outerAddress, outerPrefix] = parseIpv4Cidr(outer);
  const [innerAddress, innerPrefix] = parseIpv4Cidr(inner);
  return innerPrefix >= outerPrefix && innerAddress.match(outerAddress, outerPrefix);
}

/** Whether two networks share an address: CIDRs overlap exactly when one contains the other. */
export function overlap(a: string, b: string): boolean {
  return contains(a, b) || contains(b, a);
}

/** Whether `text` is an IPv4 address in dotted form. */
export function isIpv4Address(text: string): boolean {
  return ipaddr.IPv4.isValidFourPartDecimal(text);
}
