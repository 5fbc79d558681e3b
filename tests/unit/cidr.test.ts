import fc from "fast-check";
import { contains, ipv4CidrProblem, isIpv4Address, overlap, parseIpv4Cidr } from "../../modes/cidr";

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
