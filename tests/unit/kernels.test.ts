import { judgeFeatures, judgeKernel, parseProbes } from "../../host/kernel";
import { MODE_CONTRACTS, ROUTING_MODES, type RoutingMode } from "../../modes/contract";
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
  ])("%s is at least %s: %s", (release, version, expected) => {
    expect(isKernelAtLeast(release, version)).toBe(expected);
  });

  it("are asked for by every Cilium, and by no newer one less", () => {
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

  it("that are older than Cilium's oldest are a warning, since distributions carry newer parts", () => {
    expect(judgeKernel("5.4.0-1", "1.18.12")).toMatchObject({
      verdict: "warning",
      seen: "5.4.0-1, and Cilium 1.18.12 asks for 5.10.0",
      remedy: expect.stringContaining("release"),
    });
    expect(judgeKernel("5.10.1", "1.18.12").verdict).toBe("pass");
  });
});

describe("what a kernel has", () => {
  const of = (title: string, findings = judgeFeatures("6.12.0", NONE, needs("ebpf"))) =>
    findings.find(({ subject }) => subject === title);

  it("is told by probes first, and by its version where there are none", () => {
    const probes = parseProbes("netkit yes\nbig-tcp-4 no\nnonsense\nbpf_redirect_peer yes\n");
    const findings = judgeFeatures("5.4.0", probes, needs("ebpf"));
    expect(of("netkit", findings)).toMatchObject({ verdict: "pass", seen: "there (probed)" });
    expect(of("BPF host routing", findings)).toMatchObject({ verdict: "pass", seen: "there (probed)" });
    expect(of("BIG TCP for IPv4", findings)).toMatchObject({
      verdict: "skipped",
      seen: "not there (probed: Linux has it from 6.3 on)",
    });
    expect(of("WireGuard", findings)).toMatchObject({
      verdict: "skipped",
      seen: "not there (by its version: Linux has it from 5.6 on)",
    });
  });

  it("is not denied by a symbol that is missing, which a kernel may be built without", () => {
    const probes = parseProbes("bpf_redirect_peer no\n");
    expect(of("BPF host routing", judgeFeatures("6.1.0", probes, needs("ebpf")))!.verdict).toBe("pass");
    expect(of("BPF host routing", judgeFeatures("5.4.0", probes, needs("ebpf")))!.verdict).toBe("fail");
  });

  it.each([...ROUTING_MODES])("stops the mode %s exactly where its host routing cannot be in force", (mode) => {
    const failed = judgeFeatures("5.4.0", NONE, needs(mode)).filter(({ verdict }) => verdict === "fail");
    const isBpf = MODE_CONTRACTS[mode].hostRouting === "BPF";
    expect(failed.map(({ subject }) => subject)).toEqual(isBpf ? ["BPF host routing"] : []);
    for (const { remedy } of failed) expect(remedy).toMatch(/^boot Linux 5\.10 or newer/);
  });

  it.each([
    ["netkit", { bpf: { datapathMode: "netkit" } }],
    ["BIG TCP for IPv6", { enableIPv6BIGTCP: true }],
    ["WireGuard", { encryption: { enabled: true, type: "wireguard" } }],
  ])("is asked for by values of one's own: %s", (title, values) => {
    expect(of(title, judgeFeatures("5.4.0", NONE, needs("replacement", values)))!.verdict).toBe("fail");
    expect(of(title, judgeFeatures("5.4.0", NONE, needs("replacement")))!.verdict).toBe("skipped");
  });

  it("without an image to probe in is said of what only a probe can tell, where it is needed", () => {
    expect(of("BPF file system")).toMatchObject({
      verdict: "skipped",
      seen: "not probed: Docker has no node image yet",
    });
    expect(of("Geneve")).toBeUndefined();
  });

  it("names every mode or value that it matters for", () => {
    for (const { matters } of KERNEL_FEATURES) expect(matters).not.toBe("");
  });
});
