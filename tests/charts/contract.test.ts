import { agentFindings } from "../../modes/agentRules";
import { expectedCiliumConfig } from "../../modes/ciliumConfig";
import { ciliumValues, type CiliumValuesArgs } from "../../modes/ciliumValues";
import { ALL_MODES, MODE_CONTRACTS, replacementProblem, TUNNELS } from "../../modes/contract";
import { choiceProblems, datapathOptions, type DatapathChoice } from "../../modes/datapathChoice";
import { ciliumImages, withoutDigest } from "../../modes/images";
import { CILIUM_ARGS } from "../support/ciliumArgs";
import { CHARTS, chartsMissing, renderedConfig, renderedImages } from "../support/charts";
import { describeIf } from "../support/project";

const ARGS = CILIUM_ARGS;

/** A chart packaged from its source has no digests: then the references must be the same up to there. */
function expectImages(args: CiliumValuesArgs): void {
  const rendered = renderedImages(args.version, ciliumValues(args));
  const listed = Object.values(ciliumImages(args)).map((image) =>
    rendered.includes(withoutDigest(image)) ? withoutDigest(image) : image,
  );
  expect(listed.sort()).toEqual(rendered);
}

describe.each(CHARTS)("of Cilium %s", (version) => {
  describeIf(chartsMissing(version), `the project's values in the real chart ${version}`, () => {
    const modes = ALL_MODES.filter(
      (mode) => replacementProblem(MODE_CONTRACTS[mode].switches.kubeProxyReplacement, version) === undefined,
    );
    const cases = modes.flatMap((mode) => TUNNELS.map((tunnel) => ({ mode, tunnel })));

    it.each(cases)("give exactly the contract's cilium-config in mode $mode, tunnel $tunnel", ({ mode, tunnel }) => {
      const args = { ...ARGS, version, mode, tunnel };
      const expected = expectedCiliumConfig(args);
      const config = renderedConfig(version, ciliumValues(args));
      const found = Object.fromEntries(Object.keys(expected).map((key) => [key, config[key] ?? null]));
      expect(found).toEqual(expected);
    });

    it.each(cases)(
      "give exactly the contract's cilium-config of both families in mode $mode, tunnel $tunnel",
      (own) => {
        const args = { ...ARGS, version, ...own, ipv6: { podCidr: "fd00:10::/56", nativeRoutingCIDR: "fd00:10::/48" } };
        const expected = expectedCiliumConfig(args);
        const config = renderedConfig(version, ciliumValues(args));
        expect(Object.fromEntries(Object.keys(expected).map((key) => [key, config[key] ?? null]))).toEqual(expected);
        expect(expected).toMatchObject({ "enable-ipv6": "true", "cluster-pool-ipv6-cidr": "fd00:10::/56" });
        expect(agentFindings(config, version, (key) => key)).toEqual([]);
      },
    );

    it.each<Partial<CiliumValuesArgs>>([
      { ipam: "kubernetes" },
      { ipam: "kubernetes", ipv6: { podCidr: "fd00:10::/56", nativeRoutingCIDR: "fd00:10::/48" } },
      { podCidr: "10.0.0.0/8 172.20.0.0/16", podCidrMaskSize: 25 },
    ])("give exactly the contract's cilium-config with %j", (networks) => {
      const args = { ...ARGS, version, ...networks };
      const expected = expectedCiliumConfig(args);
      const config = renderedConfig(version, ciliumValues(args));
      expect(Object.fromEntries(Object.keys(expected).map((key) => [key, config[key] ?? null]))).toEqual(expected);
    });

    const CHOICES: readonly DatapathChoice[] = [
      { loadBalancer: { mode: "dsr" } },
      { loadBalancer: { mode: "dsr", dsrDispatch: "opt", algorithm: "maglev", acceleration: "native" } },
      { loadBalancer: { mode: "hybrid", dsrDispatch: "geneve" } },
      { loadBalancer: { mode: "dsr", dsrDispatch: "ipip" } },
      { loadBalancer: { mode: "snat", algorithm: "random", acceleration: "best-effort" } },
      { loadBalancer: { acceleration: "disabled" }, socketLB: { hostNamespaceOnly: false } },
      { socketLB: { hostNamespaceOnly: true } },
      { datapathMode: "veth", enableTCX: true },
      { datapathMode: "netkit", enableTCX: false },
      { datapathMode: "auto" },
    ];
    it.each(CHOICES.filter((choice) => choiceProblems(choice, { mode: "ebpf", version }).length === 0))(
      "give exactly the contract's cilium-config with %j",
      (choice) => {
        const args = { ...ARGS, version, ...choice };
        const expected = expectedCiliumConfig(args);
        for (const { key, value } of datapathOptions(choice)) expect(expected).toHaveProperty(key, String(value));
        const config = renderedConfig(version, ciliumValues(args));
        expect(Object.fromEntries(Object.keys(expected).map((key) => [key, config[key] ?? null]))).toEqual(expected);
      },
    );

    it.each([{}, { l7Proxy: false }, { envoy: { enabled: false } }, { envoy: { enabled: true } }])(
      "start the images of the list, with %j",
      (extraValues) => {
        const args: CiliumValuesArgs = { ...ARGS, version, mode: "ebpf", tunnel: "disabled", extraValues };
        expectImages(args);
      },
    );

    it.each([
      [{ relay: true, ui: false }, false],
      [{ relay: true, ui: true }, false],
      [{ relay: true, ui: true }, true],
    ])("start Hubble's parts of the list, with %j, loaded: %s", (hubble, loadImages) => {
      const digest = loadImages ? { useDigest: false } : {};
      const images = { agent: digest, operator: digest, envoy: digest };
      const args = { ...ARGS, version, mode: "ebpf", tunnel: "disabled", images, hubble, loadImages } as const;
      expectImages(args);
      if (loadImages) expect(renderedImages(version, ciliumValues(args)).join(" ")).not.toContain("@sha256:");
    });

    it("start overridden images under their own names", () => {
      const images = {
        agent: { repository: "r/agent", tag: "a" },
        operator: { repository: "r/operator", tag: "o" },
        envoy: { tag: "e" },
      };
      const args: CiliumValuesArgs = { ...ARGS, version, mode: "ebpf", tunnel: "disabled", images };
      expectImages(args);
    });
  });
});
