import fc from "fast-check";
import { expectedCiliumConfig } from "../../modes/ciliumConfig";
import { ciliumValues } from "../../modes/ciliumValues";
import { minorOf } from "../../modes/ciliumVersion";
import {
  ALL_MODES,
  COEXISTING_MODES,
  MODE_CONTRACTS,
  replacementProblem,
  replacementWord,
  ROUTING_MODES,
  routingModeOf,
  TUNNELS,
  type RoutingMode,
} from "../../modes/contract";
import { expectedEvidence } from "../../modes/evidence";
import { ciliumArgs } from "../../settings/ciliumArgs";
import { CILIUM_ARGS } from "../support/ciliumArgs";
import { parse, problemsOf } from "./support/settings";
import { VERSIONS } from "./support/versions";

const ARGS = CILIUM_ARGS;

const version = fc.constantFrom(...VERSIONS);
const tunnel = fc.constantFrom(...TUNNELS);

/** The modes that a version of Cilium can be in. */
const modesOf = (of: string): RoutingMode[] =>
  ALL_MODES.filter((mode) => replacementProblem(MODE_CONTRACTS[mode].switches.kubeProxyReplacement, of) === undefined);

describe("MODE_CONTRACTS", () => {
  it("disables kube-proxy exactly if Cilium replaces it, in every version, mode and tunnel", () => {
    fc.assert(
      fc.property(version, fc.constantFrom(...ALL_MODES), tunnel, (of, mode, through) => {
        fc.pre(modesOf(of).includes(mode));
        const args = { ...ARGS, version: of, mode, tunnel: through };
        const off = MODE_CONTRACTS[mode].kubeProxyMode === "none";
        const replaced = ["true", "strict"];
        expect(replaced.includes(String(ciliumValues(args)["kubeProxyReplacement"]))).toBe(off);
        expect(replaced.includes(expectedCiliumConfig(args)["kube-proxy-replacement"]!)).toBe(off);
        const { kubeProxy, statusJson } = expectedEvidence(args);
        expect(kubeProxy).toEqual(off ? { pods: "none", chains: "absent" } : { pods: "every node", chains: "present" });
        expect(replaced.includes(statusJson["kube-proxy-replacement.mode"]!.toLowerCase())).toBe(off);
      }),
      { numRuns: 500 },
    );
  });

  it("has different evidence for every mode, in every version and tunnel", () => {
    for (const of of VERSIONS) {
      for (const through of TUNNELS) {
        const seen = modesOf(of).map((mode) =>
          JSON.stringify(expectedEvidence({ ...ARGS, mode, tunnel: through, version: of })),
        );
        expect([of, through, new Set(seen).size]).toEqual([of, through, seen.length]);
        expect(seen.length).toBeGreaterThanOrEqual(ROUTING_MODES.length);
      }
    }
  });

  it.each([{ "bpf.hostLegacyRouting": "true" }, { "cilium.values.bpf.hostLegacyRouting": "true" }])(
    "knows BPF masquerading with Legacy host routing, by %j",
    (legacy) => {
      const ebpf = { kubeProxyReplacement: "true", "bpf.masquerade": "true" };
      const settings = parse({ ...ebpf, ...legacy });
      expect(settings.mode).toBe("ebpf-legacy");
      const args = ciliumArgs(settings);
      expect(ciliumValues(args)["bpf"]).toMatchObject({ masquerade: true, hostLegacyRouting: true });
      expect(expectedCiliumConfig(args)).toMatchObject({
        "enable-bpf-masquerade": "true",
        "enable-host-legacy-routing": "true",
      });
      expect(expectedEvidence(args)).toMatchObject({
        statusJson: { "routing.intra-host-routing-mode": "Legacy", "masquerading.mode": "BPF" },
        masquerading: "BPF",
        forwarding: "host",
      });
      // all other modes have Legacy host routing anyway
      expect(parse({ kubeProxyReplacement: "true", ...legacy }).mode).toBe("replacement");
      expect(problemsOf({ ...ebpf, "cilium.version": "1.12.4", ...legacy, kubeProxyReplacement: "probe" })).toEqual([
        expect.stringContaining("bpf.hostLegacyRouting: requires kubeProxyReplacement: true"),
      ]);
    },
  );

  it("is the chart's own with empty texts, which charts have for values that are not set", () => {
    const empty = { ...ARGS, version: "1.20.0", extraValues: { tunnelProtocol: "" } };
    expect(expectedCiliumConfig(empty)["tunnel-protocol"]).toBe("vxlan");
    const tunnel = { ...ARGS, tunnel: "vxlan" as const, extraValues: { ipv4NativeRoutingCIDR: "" } };
    expect(expectedCiliumConfig(tunnel)["ipv4-native-routing-cidr"]).toBeNull();
  });

  it("leaves open what charts render of chaining, except where it takes BPF host routing away", () => {
    const config = (mode: RoutingMode) =>
      expectedCiliumConfig({ ...ARGS, mode, extraValues: { cni: { chainingMode: "portmap" } } });
    expect(config("kubeproxy")).not.toHaveProperty("enable-host-legacy-routing");
    expect(config("replacement")).not.toHaveProperty("enable-host-legacy-routing");
    expect(config("ebpf")).toHaveProperty("enable-host-legacy-routing", null);
    expect(config("ebpf-legacy")).toHaveProperty("enable-host-legacy-routing", "true");
  });

  it("produces the same values for equivalent settings", () => {
    const spellings = [
      [{ kubeProxyReplacement: "true" }, { kubeProxyReplacement: "strict" }, { kubeProxyReplacement: "Strict" }],
      [{ kubeProxyReplacement: "false" }, { kubeProxyReplacement: "disabled" }, {}],
    ];
    for (const of of VERSIONS) {
      const long = { "cluster.name": "c" };
      const results = spellings.map((group) =>
        group.map((config) => {
          const { mode, kubeProxyReplacement } = parse({ ...config, ...long, "cilium.version": of });
          const values = ciliumValues({ ...ARGS, version: of, mode, tunnel: "disabled" });
          return JSON.stringify([mode, kubeProxyReplacement, values]);
        }),
      );
      for (const group of results) expect(new Set(group).size).toBe(1);
      expect(new Set(results.flat()).size).toBe(2);
    }
  });

  it.each(ALL_MODES)("identifies mode %s by its switches", (mode) => {
    expect(routingModeOf(MODE_CONTRACTS[mode].switches)).toBe(mode);
  });

  it.each([
    [false, true],
    ["partial", true],
  ] as const)(
    "has no mode for kubeProxyReplacement %s with BPF masquerading",
    (kubeProxyReplacement, bpfMasquerade) => {
      expect(routingModeOf({ kubeProxyReplacement, bpfMasquerade })).toBeUndefined();
    },
  );

  it("has BPF host routing exactly if Cilium translates NodePorts and masquerades, and Legacy is not asked for", () => {
    for (const mode of ALL_MODES) {
      const { services, masquerading, hostRouting, switches } = MODE_CONTRACTS[mode];
      const isBpf = services === "cilium" && masquerading === "BPF" && switches.hostLegacyRouting !== true;
      expect([mode, hostRouting === "BPF"]).toEqual([mode, isBpf]);
    }
  });

  it.each([
    ["1.12.4", "strict", "disabled"],
    ["1.13.18", "strict", "disabled"],
    ["1.14.0", "true", "false"],
    ["1.20.2", "true", "false"],
  ])("has for Cilium %s the values %s and %s of kubeProxyReplacement", (of, on, off) => {
    expect([replacementWord(true, of), replacementWord(false, of)]).toEqual([on, off]);
  });
});

describe("kubeProxyReplacement values of older Cilium versions", () => {
  const outcome = (word: string, of: string, masquerade = "false") => {
    const config = { kubeProxyReplacement: word, "bpf.masquerade": masquerade, "cilium.version": of };
    try {
      return parse(config).mode;
    } catch {
      return problemsOf(config)[0]!.trim();
    }
  };
  const GONE = {
    partial:
      '- kubeProxyReplacement: "partial" is a value of Cilium 1.12 to 1.15 only; use false, which keeps kube-proxy',
    probe: '- kubeProxyReplacement: "probe" is a value of Cilium 1.12.0 to 1.12.10 only; use true or false',
  };

  it.each([
    ["partial", "1.12.4", "partial"],
    ["partial", "1.15.19", "partial"],
    ["partial", "1.16.0", GONE.partial],
    ["partial", "1.20.2", GONE.partial],
    ["probe", "1.12.4", "probe"],
    ["probe", "1.12.10", "probe"],
    ["probe", "1.12.11", GONE.probe],
    ["probe", "1.13.0-rc5", GONE.probe],
    ["probe", "1.20.2", GONE.probe],
  ])("%s with Cilium %s results in: %s", (word, of, expected) => {
    expect(outcome(word, of)).toBe(expected);
  });

  it("probe supports BPF masquerading, as article 004 shows", () => {
    expect(outcome("probe", "1.12.4", "true")).toBe("probe-ebpf");
  });

  it("partial rejects BPF masquerading, which requires Cilium's NodePort", () => {
    expect(outcome("partial", "1.12.4", "true")).toMatch(/^- bpf\.masquerade: requires kubeProxyReplacement: true/);
  });

  it("keep kube-proxy", () => {
    for (const mode of COEXISTING_MODES) expect(MODE_CONTRACTS[mode].kubeProxyMode).toBe("iptables");
  });
});

describe("expectedEvidence", () => {
  const evidence = (of: string, mode: RoutingMode, through: (typeof TUNNELS)[number] = "disabled") =>
    expectedEvidence({ ...ARGS, mode, tunnel: through, version: of });
  const matches = (rows: readonly string[], status: string) => rows.map((row) => new RegExp(row, "m").test(status));

  // as the agents of these versions said on real clusters
  it.each([
    [
      "1.13.0-rc5",
      "ebpf",
      "KubeProxyReplacement:    Strict   [eth0 172.18.0.2 (Direct Routing)]\nHost Routing:            BPF\nMasquerading:            BPF   [eth0]   10.0.0.0/8 [IPv4: Enabled, IPv6: Disabled]",
    ],
    [
      "1.13.0-rc5",
      "replacement",
      "KubeProxyReplacement:    Strict   [eth0 172.18.0.5 (Direct Routing)]\nHost Routing:            Legacy\nMasquerading:            IPTables [IPv4: Enabled, IPv6: Disabled]",
    ],
  ] as const)("matches the status of %s in mode %s, and no other mode does", (of, mode, status) => {
    expect(matches(evidence(of, mode).statusRows, status)).toEqual([true, true, true]);
    for (const other of ROUTING_MODES.filter((each) => each !== mode))
      expect(matches(evidence(of, other).statusRows, status)).toContain(false);
  });

  it("expects both routing modes in the status from 1.16 on, and only host routing before", () => {
    expect(evidence("1.15.19", "ebpf").statusJson).toEqual({
      "kube-proxy-replacement.mode": "True",
      "host-routing.mode": "BPF",
      "masquerading.mode": "BPF",
    });
    expect(evidence("1.16.0", "ebpf", "vxlan").statusJson).toEqual({
      "kube-proxy-replacement.mode": "True",
      "routing.inter-host-routing-mode": "Tunnel",
      "routing.intra-host-routing-mode": "BPF",
      "masquerading.mode": "BPF",
    });
  });

  it("expects routes through the other node, through Cilium's interface with a tunnel, or none of Cilium", () => {
    const routes = (through: (typeof TUNNELS)[number], autoDirectNodeRoutes?: boolean) => {
      const args = { ...ARGS, version: "1.20.2", mode: "ebpf", tunnel: through, autoDirectNodeRoutes } as const;
      const { nodeRoutes, tunnelDevice } = expectedEvidence(args);
      return [nodeRoutes, tunnelDevice];
    };
    expect(routes("disabled")).toEqual(["via the other node dev eth0", "none"]);
    expect(routes("disabled", false)).toEqual(["not Cilium's", "none"]);
    // as seen with Cilium 1.20.2 in a tunnel
    expect(routes("vxlan")).toEqual(["via cilium_host dev cilium_host", "cilium_vxlan"]);
  });

  it("covers every minor from 1.12 to 1.20", () => {
    expect([...new Set(VERSIONS.map(minorOf))]).toEqual([
      "1.12",
      "1.13",
      "1.14",
      "1.15",
      "1.16",
      "1.17",
      "1.18",
      "1.19",
      "1.20",
    ]);
  });
});
