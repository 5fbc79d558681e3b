import { cliProcess } from "../support/cli";

const FIX = "set cluster.ipFamily: dual, which replaces its cluster, or trace by IPv4 addresses, without --ipv6";

describe("trace by IPv6", () => {
  it("is refused for stacks without IPv6 before anything is asked, with each stack's fix", () => {
    const { code, out, err } = cliProcess(["trace", "ebpf", "--compare", "kubeproxy", "--ipv6"]);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toBe(["ebpf", "kubeproxy"].map((name) => `Stack ${name} has no IPv6 addresses; ${FIX}\n`).join(""));
  });

  it("is meant by a target's IPv6 address, also without the option", () => {
    const { code, err } = cliProcess(["trace", "ebpf", "--to", "[fd00:10::1]:80"]);
    expect([code, err]).toEqual([2, `Stack ebpf has no IPv6 addresses; ${FIX}\n`]);
  });

  it("does not lead to an IPv4 address", () => {
    const { code, err } = cliProcess(["trace", "ebpf", "-6", "--to", "10.0.1.5:80"]);
    expect([code, err]).toEqual([
      2,
      '--to must be an IPv6 address with --ipv6 (got "10.0.1.5:80"); leave out --ipv6\n',
    ]);
  });
});
