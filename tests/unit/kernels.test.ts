import { judgeFeatures, judgeKernel, parseProbes } from "../../host/kernel";
import { MODE_CONTRACTS, ROUTING_MODES, type RoutingMode } from "../../modes/contract";
import type { DatapathChoice } from "../../modes/datapathChoice";
import { isKernelAtLeast, KERNEL_FEATURES, oldestKernelFor } from "../../modes/kernels";
import { RELEASES } from "../../modes/releases";

const needs = (mode: RoutingMode, extraValues = {}) => ({ mode, tunnel: "disabled" as const, extraValues });
const NONE = new Map<string, boolean>();

describe("kernels", () => {
  it.each([
    ["5.10.0-21-amd64", "5.10", true],
    ["5.9.16-generic", "5.10", false],
    ["6.18.44-fc-v669", "6.8", true],
    ["4.19.56", "4.19.57", false],
    ["5.15.153.1-microsoft-standard-WSL2", "5.10", true],
    ["unknown", "4.9.17", false],
  ])("isKernelAtLeast(%s, %s) is %s", (release, version, expected) => {
    expect(isKernelAtLeast(release, version)).toBe(expected);
  });

  it("oldestKernelFor names the oldest kernel of each release", () => {
    const oldest = Object.values(RELEASES).map(({ cilium }) => oldestKernelFor(cilium));
    expect(oldest).toEqual([
      "5.10.0",
      "5.10.0",
      "5.10.0",
      "5.4.0",
      "4.19.57",
      "4.19.57",
      "4.19.57",
      "4.9.17",
      "4.9.17",
    ]);
  });

  it("judgeKernel only warns about a kernel older than Cilium requires, since distributions backport features", () => {
    expect(judgeKernel("5.4.0-1", "1.18.12")).toMatchObject({
      verdict: "warning",
      seen: "5.4.0-1, and Cilium 1.18.12 requires 5.10.0",
      remedy: expect.stringContaining("release"),
    });
    expect(judgeKernel("5.10.1", "1.18.12").verdict).toBe("pass");
  });
});

describe("judgeFeatures", () => {
  const of = (title: string, findings = judgeFeatures("6.12.0", NONE, needs("ebpf"))) =>
    findings.find(({ subject }) => subject === title);

  it("decides by probes, and by the kernel version where there is no probe", () => {
    const probes = parseProbes("netkit yes\nbig-tcp-4 no\nnonsense\nbpf_redirect_peer yes\n");
    const findings = judgeFeatures("5.4.0", probes, needs("ebpf"));
    expect(of("netkit", findings)).toMatchObject({ verdict: "pass", seen: "available (probed)" });
    expect(of("BPF host routing", findings)).toMatchObject({ verdict: "pass", seen: "available (probed)" });
    expect(of("BIG TCP for IPv4", findings)).toMatchObject({
      verdict: "skipped",
      seen: "not available (probed: Linux 6.3 or newer has it)",
    });
    expect(of("WireGuard", findings)).toMatchObject({
      verdict: "skipped",
      seen: "not available (by kernel version: Linux 5.6 or newer has it)",
    });
  });

  it("does not take a missing symbol as proof, since the function may be inlined", () => {
    const probes = parseProbes("bpf_redirect_peer no\n");
    expect(of("BPF host routing", judgeFeatures("6.1.0", probes, needs("ebpf")))!.verdict).toBe("pass");
    expect(of("BPF host routing", judgeFeatures("5.4.0", probes, needs("ebpf")))!.verdict).toBe("fail");
  });

  it.each([...ROUTING_MODES])("fails mode %s exactly when its host routing needs a newer kernel", (mode) => {
    const failed = judgeFeatures("5.4.0", NONE, needs(mode)).filter(({ verdict }) => verdict === "fail");
    const isBpf = MODE_CONTRACTS[mode].hostRouting === "BPF";
    expect(failed.map(({ subject }) => subject)).toEqual(isBpf ? ["BPF host routing"] : []);
    for (const { remedy } of failed) expect(remedy).toMatch(/^boot Linux 5\.10 or newer/);
  });

  it.each([
    ["netkit", { bpf: { datapathMode: "netkit" } }],
    ["BIG TCP for IPv6", { enableIPv6BIGTCP: true }],
    ["WireGuard", { encryption: { enabled: true, type: "wireguard" } }],
  ])("fails a feature that extra values enable: %s", (title, values) => {
    expect(of(title, judgeFeatures("5.4.0", NONE, needs("replacement", values)))!.verdict).toBe("fail");
    expect(of(title, judgeFeatures("5.4.0", NONE, needs("replacement")))!.verdict).toBe("skipped");
  });

  it.each([
    ["nftables", "nftables no", "nftables with NAT and verdict maps"],
    ["ipvs", "ipvs no", "IPVS"],
    ["ipvs", "dummy no", "dummy devices"],
  ] as const)(
    "fails kube-proxy's mode %s where the kernel says %s, and no other mode",
    (kubeProxyMode, said, title) => {
      const found = (wanted: object) =>
        judgeFeatures("6.12.0", parseProbes(`${said}\n`), { ...needs("kubeproxy"), ...wanted });
      expect(of(title, found({ kubeProxyMode }))).toMatchObject({ verdict: "fail", seen: "not available (probed)" });
      expect(of(title, found({}))!.verdict).toBe("skipped");
      expect(of(title, found({ mode: "ebpf", kubeProxyMode }))!.verdict).toBe("skipped");
    },
  );

  it("fails kube-proxy's nftables on a kernel that kube-proxy refuses, whatever nft can do there", () => {
    const findings = judgeFeatures("4.18.0-553", parseProbes("nftables yes\n"), {
      ...needs("kubeproxy"),
      kubeProxyMode: "nftables",
    });
    expect(of("Linux for kube-proxy's nftables", findings)).toMatchObject({
      verdict: "fail",
      remedy: expect.stringContaining("boot Linux 5.13 or newer"),
    });
  });

  it.each<[string, DatapathChoice]>([
    ["netkit", { datapathMode: "netkit" }],
    ["BPF links at interfaces (TCX)", { enableTCX: true }],
    ["IP in IP", { loadBalancer: { mode: "dsr", dsrDispatch: "ipip" } }],
    ["Geneve", { loadBalancer: { mode: "hybrid", dsrDispatch: "geneve" } }],
  ])("fails a feature that a setting enables: %s", (title, choice) => {
    const probes = parseProbes("geneve no\nipip no\n");
    const verdictOf = (own?: DatapathChoice) =>
      of(title, judgeFeatures("5.4.0", probes, { ...needs("ebpf"), choice: own }))?.verdict;
    expect(verdictOf(choice)).toBe("fail");
    // only stacks that choose IP in IP get a finding about it
    expect(verdictOf()).toBe(title === "IP in IP" ? undefined : "skipped");
  });

  it("asks for IPv6 only where a stack needs it, and for ip6tables where iptables masquerades", () => {
    const probes = parseProbes("ipv6 no\nip6tables-nat no\n");
    const failed = (mode: Parameters<typeof needs>[0], ipv6?: object) =>
      judgeFeatures("6.12.0", probes, { ...needs(mode), ipv6 }).flatMap(({ subject, verdict }) =>
        verdict === "fail" && /IPv6|ip6/.test(subject) ? [subject] : [],
      );
    expect(failed("replacement", {})).toEqual(["IPv6", "ip6tables with NAT"]);
    expect(failed("ebpf", {})).toEqual(["IPv6"]);
    expect(failed("replacement")).toEqual([]);
    expect(of("IPv6")).toBeUndefined();
  });

  it("skips, without a node image, the features that only a probe can find and the stack needs", () => {
    expect(of("BPF file system")).toMatchObject({
      verdict: "skipped",
      seen: "not probed: Docker does not have the node image yet",
    });
    expect(of("Geneve")).toBeUndefined();
  });

  it("names the modes or values that each feature affects", () => {
    for (const { matters } of KERNEL_FEATURES) expect(matters).not.toBe("");
  });
});
