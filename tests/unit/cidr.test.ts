import fc from "fast-check";
import {
  contains,
  containsAddress,
  ipv4CidrProblem,
  ipv6CidrProblem,
  isIpv4Address,
  isIpv6Address,
  overlap,
  parseIpv4Cidr,
} from "../../modes/cidr";

describe("networks", () => {
  /** A network by its bits, as text and as the first and last of its addresses. */
  const networkOf = (bits: number, prefix: number) => {
    const size = 2 ** (32 - prefix);
    const start = Math.floor(bits / size) * size;
    return { start, end: start + size - 1, cidr: `${addressOf(start)}/${prefix}` };
  };
  const addressOf = (bits: number) => [24, 16, 8, 0].map((shift) => Math.floor(bits / 2 ** shift) % 256).join(".");
  const bits = fc.nat(2 ** 32 - 1);
  const prefix = fc.nat(32);

  it("overlap and contain each other exactly as their address ranges do", () => {
    // two addresses that agree in as many bits as a common prefix says
    const pair = fc.tuple(bits, bits, prefix, prefix, prefix).map(([one, other, common, first, second]) => {
      const near = networkOf(one, common).start + (other % 2 ** (32 - common));
      return [networkOf(one, first), networkOf(near, second)] as const;
    });
    fc.assert(
      fc.property(pair, ([a, b]) => {
        expect(overlap(a.cidr, b.cidr)).toBe(a.start <= b.end && b.start <= a.end);
        expect(contains(a.cidr, b.cidr)).toBe(a.start <= b.start && b.end <= a.end);
        expect(contains(b.cidr, a.cidr)).toBe(b.start <= a.start && a.end <= b.end);
      }),
      { numRuns: 500 },
    );
  });

  it("are rejected with host bits, and suggested without them", () => {
    fc.assert(
      fc.property(bits, prefix, (address, length) => {
        const { start, cidr } = networkOf(address, length);
        const problem = address === start ? undefined : { rule: "has host bits set", suggestion: cidr };
        expect(ipv4CidrProblem(cidr)).toBeUndefined();
        expect(ipv4CidrProblem(`${addressOf(address)}/${length}`)).toEqual(problem);
      }),
    );
    for (const wrong of [
      "10.0.0.0",
      "10.0.0.0/33",
      "fd00::/8",
      "10.0.0/16",
      "010.0.0.0/16",
      "10.0.0.0/08",
      "0x0a.0.0.0/8",
      "a.b.c.d/8",
      "",
    ])
      expect(() => parseIpv4Cidr(wrong)).toThrow("must be an IPv4 network");
  });
});

describe("networks of IPv6", () => {
  it.each([
    ["fd00:10::/48", "fd00:10:0:1::/64", true],
    ["fd00:10::/48", "FD00:0010:0000:0001::/64", true],
    ["fd00:10::/48", "fd00:10:1::/64", false],
    ["fd00:10:0:1::/64", "fd00:10::/48", false],
    ["::/0", "10.0.0.0/8", false],
    ["0.0.0.0/0", "fd00::/8", false],
  ])("%s contains %s: %s", (outer, inner, expected) => {
    expect(contains(outer, inner)).toBe(expected);
    const sameFamily = outer.includes(":") === inner.includes(":");
    expect(overlap(outer, inner)).toBe(expected || (sameFamily && contains(inner, outer)));
  });

  it("contain addresses of their family only", () => {
    expect(containsAddress("fd00:10::/64", "fd00:10::1")).toBe(true);
    expect(containsAddress("fd00:10::/64", "10.0.0.1")).toBe(false);
    expect(containsAddress("10.0.0.0/8", "10.0.0.1")).toBe(true);
  });

  it.each([
    "fd00::1/64",
    "fd00:10::/129",
    "fd00:10::",
    "fd00::/08",
    "fe80::%eth0/64",
    "::ffff:10.0.0.0/104",
    "10.0.0.0/8",
  ])("do not include %s", (text) => {
    expect(ipv6CidrProblem(text)).toBeDefined();
    expect(() => contains("fd00::/8", `${text}x`)).toThrow("must be an IPv");
  });

  it("are suggested without host bits", () => {
    expect(ipv6CidrProblem("fd00:10::1/56")).toEqual({ rule: "has host bits set", suggestion: "fd00:10::/56" });
  });

  it.each([
    ["fd00::1", true],
    ["::", true],
    ["fe80::1%eth0", false],
    ["::ffff:10.0.0.1", false],
    ["10.0.0.1", false],
    ["fd00::/64", false],
  ])("isIpv6Address returns for %s: %s", (text, expected) => {
    expect(isIpv6Address(text)).toBe(expected);
  });
});

describe("isIpv4Address", () => {
  it.each([
    ["192.0.2.1", true],
    ["0.0.0.0", true],
    ["192.0.2.256", false],
    ["192.0.2", false],
    ["192.0.2.01", false],
    ["192.0.2.1/32", false],
    ["::1", false],
    ["one.one.one.one", false],
    ["", false],
  ])("returns for %j: %s", (text, expected) => {
    expect(isIpv4Address(text)).toBe(expected);
  });
});
