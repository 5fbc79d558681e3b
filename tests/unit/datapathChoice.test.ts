import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse as parseYaml } from "yaml";
import { expectedCiliumConfig } from "../../modes/ciliumConfig";
import { ciliumValues } from "../../modes/ciliumValues";
import { datapathConfig } from "../../modes/datapathConfig";
import { expectationOf } from "../../datapath/expectation";
import { ciliumArgs } from "../../settings/ciliumArgs";
import { CILIUM_ARGS } from "../support/ciliumArgs";
import { parse, problemsOf, warningsOf, type Config } from "./support/settings";

const EBPF = { kubeProxyReplacement: "true", "bpf.masquerade": "true" };
const DSR = { ...EBPF, "loadBalancer.mode": "dsr" };
const argsOf = (config: Config) => ciliumArgs(parse(config));

describe("settings of the datapath beside the mode", () => {
  it("become Helm values of the same path and keys of cilium-config", () => {
    const args = argsOf({
      ...DSR,
      "loadBalancer.dsrDispatch": "opt",
      "loadBalancer.algorithm": "maglev",
      "loadBalancer.acceleration": "disabled",
      "socketLB.hostNamespaceOnly": "true",
      "bpf.datapathMode": "veth",
      "bpf.enableTCX": "false",
    });
    expect(ciliumValues(args)).toMatchObject({
      loadBalancer: { mode: "dsr", dsrDispatch: "opt", algorithm: "maglev", acceleration: "disabled" },
      socketLB: { hostNamespaceOnly: true },
      bpf: { masquerade: true, datapathMode: "veth", enableTCX: false },
    });
    expect(expectedCiliumConfig(args)).toMatchObject({
      "bpf-lb-mode": "dsr",
      "bpf-lb-dsr-dispatch": "opt",
      "bpf-lb-algorithm": "maglev",
      "bpf-lb-acceleration": "disabled",
      "bpf-lb-sock-hostns-only": "true",
      "datapath-mode": "veth",
      "enable-tcx": "false",
    });
  });

  it("are those of the example dsr", () => {
    const file = readFileSync(join(__dirname, "../../examples/dsr/Pulumi.dsr.yaml"), "utf8");
    const { config } = parseYaml(file) as { config: Config };
    const settings = parse(
      Object.fromEntries(Object.entries(config).map(([key, value]) => [key.replace("cilium-modes:", ""), value])),
    );
    expect(settings).toMatchObject({ mode: "ebpf", loadBalancer: { mode: "dsr", algorithm: "maglev" } });
  });

  it("leave values and configuration alone where they are not set", () => {
    const args = argsOf(EBPF);
    for (const key of ["loadBalancer", "socketLB"]) expect(ciliumValues(args)).not.toHaveProperty(key);
    expect(Object.keys(ciliumValues(args)["bpf"] as object)).toEqual(["masquerade", "monitorAggregation"]);
    expect(Object.keys(expectedCiliumConfig(args)).filter((key) => /^bpf-lb|datapath-mode|tcx/.test(key))).toEqual([]);
  });

  it("are expected exactly, and the others as the mode leaves them", () => {
    const expectation = expectationOf(argsOf(DSR), { isKind: true, nodePort: 32000 });
    expect(expectation.ciliumConfig["bpf-lb-mode"]).toBe("dsr");
    expect(expectation.datapathConfig).not.toHaveProperty("bpf-lb-mode");
    expect(expectation.datapathConfig).toHaveProperty("bpf-lb-algorithm", ["random"]);
    // without the setting, DSR is a change
    expect(datapathConfig(CILIUM_ARGS.extraValues)).toHaveProperty("bpf-lb-mode", ["snat"]);
  });

  it("set the tunnel protocol that agents demand for DSR by Geneve in native routing", () => {
    const args = argsOf({ ...DSR, "loadBalancer.dsrDispatch": "geneve" });
    expect(ciliumValues(args)).toMatchObject({ routingMode: "native", tunnelProtocol: "geneve" });
    expect(expectedCiliumConfig(args)).toMatchObject({ "routing-mode": "native", "tunnel-protocol": "geneve" });
    expect(argsOf({ ...DSR, tunnel: "geneve", "loadBalancer.dsrDispatch": "geneve" }).tunnel).toBe("geneve");
  });

  it.each<[string, Config, string]>([
    [
      "a load balancer's mode beside kube-proxy",
      { "loadBalancer.mode": "dsr" },
      "loadBalancer.mode: requires kubeProxyReplacement: true, without which kube-proxy serves NodePorts",
    ],
    [
      "sockets of nodes only beside kube-proxy",
      { "socketLB.hostNamespaceOnly": "true" },
      "socketLB.hostNamespaceOnly: requires kubeProxyReplacement: true, without which no socket load balancer runs",
    ],
    [
      "a dispatch without DSR",
      { ...EBPF, "loadBalancer.dsrDispatch": "opt" },
      "loadBalancer.dsrDispatch: requires loadBalancer.mode: dsr or hybrid; remove it, or set the mode",
    ],
    [
      "DSR in VXLAN",
      { ...DSR, tunnel: "vxlan" },
      "loadBalancer.mode: ends the agent: DSR in a tunnel needs tunnel: geneve and loadBalancer.dsrDispatch: geneve",
    ],
    [
      "IP in IP in a tunnel",
      { ...DSR, tunnel: "geneve", "loadBalancer.dsrDispatch": "ipip" },
      "loadBalancer.mode: ends the agent: DSR in a tunnel needs tunnel: geneve and loadBalancer.dsrDispatch: geneve",
    ],
    [
      "Geneve dispatch of an old Cilium",
      { ...DSR, "cilium.version": "1.13.18", "loadBalancer.dsrDispatch": "geneve" },
      'loadBalancer.dsrDispatch: "geneve" needs Cilium 1.14 or newer, got 1.13.18; remove it',
    ],
    [
      "IP in IP of an old Cilium",
      { ...DSR, "cilium.version": "1.18.12", "loadBalancer.dsrDispatch": "ipip" },
      'loadBalancer.dsrDispatch: "ipip" needs Cilium 1.19 or newer, got 1.18.12; remove it',
    ],
    [
      "best-effort XDP of an old Cilium",
      { ...EBPF, "cilium.version": "1.14.19", "loadBalancer.acceleration": "best-effort" },
      'loadBalancer.acceleration: "best-effort" needs Cilium 1.15 or newer, got 1.14.19; remove it',
    ],
    [
      "XDP in a tunnel of an old Cilium",
      { ...EBPF, "cilium.version": "1.12.4", tunnel: "vxlan", "loadBalancer.acceleration": "native" },
      "loadBalancer.acceleration: ends the agent: XDP acceleration in a tunnel needs Cilium 1.13 or newer; set tunnel: disabled",
    ],
    [
      "netkit with Legacy host routing",
      { kubeProxyReplacement: "true", "bpf.datapathMode": "netkit" },
      "bpf.datapathMode: leaves pods without a network: netkit needs BPF host routing, which only mode ebpf has (bpf.masquerade: true, without bpf.hostLegacyRouting)",
    ],
    [
      "a device mode of an old Cilium",
      { ...EBPF, "cilium.version": "1.15.19", "bpf.datapathMode": "veth" },
      "bpf.datapathMode: needs Cilium 1.16 or newer, got 1.15.19; remove it",
    ],
    [
      "automatic devices of an old Cilium",
      { ...EBPF, "cilium.version": "1.19.6", "bpf.datapathMode": "auto" },
      'bpf.datapathMode: "auto" needs Cilium 1.20 or newer, got 1.19.6; remove it',
    ],
    [
      "TCX of an old Cilium",
      { "cilium.version": "1.15.19", "bpf.enableTCX": "true" },
      "bpf.enableTCX: needs Cilium 1.16 or newer, got 1.15.19; remove it",
    ],
    [
      "another value in cilium.values",
      { ...DSR, "cilium.values.loadBalancer.mode": "snat" },
      'cilium.values.loadBalancer.mode: is "dsr" according to the setting loadBalancer.mode, got "snat"; change the setting instead',
    ],
    [
      "another value in extraConfig",
      { ...DSR, "cilium.values": '{"extraConfig":{"bpf-lb-mode":"snat"}}' },
      'cilium.values.extraConfig.bpf-lb-mode: sets bpf-lb-mode to "snat", and the settings need "dsr"; change the settings instead',
    ],
    [
      "an unknown word",
      { ...EBPF, "loadBalancer.mode": "drs" },
      'loadBalancer.mode: must be one of snat, dsr, hybrid, got "drs"',
    ],
  ])("refuse %s", (_case, config, problem) => {
    expect(problemsOf(config)).toEqual([`  - ${problem}`]);
  });

  it("take a dispatch for Services that choose DSR themselves", () => {
    const config = { ...EBPF, "loadBalancer.dsrDispatch": "opt", "cilium.values.bpf.lbModeAnnotation": "true" };
    expect(parse(config).loadBalancer).toEqual({ dsrDispatch: "opt" });
  });

  it("are taken beside the same value in cilium.values", () => {
    expect(parse({ ...DSR, "cilium.values.loadBalancer.mode": "dsr" }).loadBalancer).toEqual({ mode: "dsr" });
  });

  it.each<[string, Config, string[]]>([
    ["DSR", DSR, []],
    ["Maglev", { ...EBPF, "loadBalancer.algorithm": "maglev" }, []],
    [
      "XDP on kind",
      { ...EBPF, "loadBalancer.acceleration": "native" },
      [
        "loadBalancer.acceleration: kind's nodes have veth devices, on which XDP loses requests for pods of other nodes",
      ],
    ],
    [
      "XDP elsewhere",
      {
        ...EBPF,
        "loadBalancer.acceleration": "native",
        "cluster.context": "c",
        "nettool.image": "registry.example/nettool:1",
      },
      [],
    ],
    [
      "IP in IP",
      { ...DSR, "loadBalancer.dsrDispatch": "ipip" },
      ["loadBalancer.dsrDispatch: IP in IP carries no port"],
    ],
    [
      "Geneve without BPF masquerading",
      { kubeProxyReplacement: "true", "loadBalancer.mode": "dsr", "loadBalancer.dsrDispatch": "geneve" },
      ["loadBalancer.dsrDispatch: some versions of Cilium reset connections of DSR by Geneve"],
    ],
    ["Geneve with BPF masquerading", { ...DSR, "loadBalancer.dsrDispatch": "geneve" }, []],
  ])("warn of what is known not to work of %s", (_case, config, warnings) => {
    expect(warningsOf(config)).toEqual(warnings.map((text) => expect.stringContaining(text)));
  });
});
