import fc from "fast-check";
import { ciliumValues, mergeValues, type CiliumValuesArgs, type HelmValues } from "../../modes/ciliumValues";
import { MODE_CONTRACTS, ROUTING_MODES, TUNNELS } from "../../modes/contract";
import { CILIUM_ARGS } from "../support/ciliumArgs";

const ARGS = CILIUM_ARGS;

const CASES = ROUTING_MODES.flatMap((mode) => TUNNELS.map((tunnel) => ({ mode, tunnel })));

describe("ciliumValues", () => {
  it("returns exactly these values for mode ebpf", () => {
    expect(ciliumValues(ARGS)).toEqual({
      cluster: { name: "c1" },
      k8sServiceHost: "c1-control-plane",
      k8sServicePort: 6443,
      kubeProxyReplacement: "true",
      routingMode: "native",
      ipv4NativeRoutingCIDR: "10.0.0.0/8",
      autoDirectNodeRoutes: true,
      ipam: {
        mode: "cluster-pool",
        operator: { clusterPoolIPv4PodCIDRList: ["10.0.0.0/16"], clusterPoolIPv4MaskSize: 24 },
      },
      bpf: { masquerade: true, monitorAggregation: "none" },
      debug: { enabled: true, verbose: "datapath" },
      operator: { replicas: 2, rollOutPods: true },
      envoy: { rollOutPods: true },
      rollOutCiliumPods: true,
    });
  });

  it.each(CASES)(
    "agrees with kind's configuration and the contract in mode $mode, tunnel $tunnel",
    ({ mode, tunnel }) => {
      const values = ciliumValues({ ...ARGS, mode, tunnel });
      const { kubeProxyMode, hostRouting, masquerading } = MODE_CONTRACTS[mode];
      expect(kubeProxyMode === "none").toBe(values["kubeProxyReplacement"] === "true");
      expect(masquerading === "BPF").toBe((values["bpf"] as HelmValues)["masquerade"]);
      expect(hostRouting === "BPF" && values["kubeProxyReplacement"] === "false").toBe(false);
      expect([
        values["routingMode"],
        values["tunnelProtocol"],
        values["autoDirectNodeRoutes"],
        values["ipv4NativeRoutingCIDR"],
      ]).toEqual(
        tunnel === "disabled" ? ["native", undefined, true, "10.0.0.0/8"] : ["tunnel", tunnel, false, undefined],
      );
    },
  );

  it("never has more operators than nodes", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 21 }), (nodeCount) => {
        const { replicas } = ciliumValues({ ...ARGS, nodeCount })["operator"] as { replicas: number };
        return replicas >= 1 && replicas <= nodeCount && replicas <= 2;
      }),
    );
  });

  it("merges extra values last, key by key", () => {
    const values = ciliumValues({
      ...ARGS,
      extraValues: { bpf: { masquerade: false }, l7Proxy: false, ipam: "replaced" },
    });
    expect(values).toMatchObject({
      bpf: { masquerade: false, monitorAggregation: "none" },
      l7Proxy: false,
      ipam: "replaced",
    });
  });

  it("omits the chart's digest exactly if an image is overridden without useDigest", () => {
    const image = (agent: CiliumValuesArgs["images"]["agent"]) =>
      ciliumValues({ ...ARGS, images: { ...ARGS.images, agent } })["image"];
    expect(image({})).toBeUndefined();
    expect(image({ tag: "t" })).toEqual({ tag: "t", useDigest: false });
    expect(image({ repository: "r", useDigest: true })).toEqual({ repository: "r", useDigest: true });
    expect(image({ useDigest: false })).toEqual({ useDigest: false });
  });

  it("overrides each image in its block, and keeps its other keys", () => {
    const images = { agent: {}, operator: { repository: "a/operator" }, envoy: { tag: "t" } };
    const { operator, envoy } = ciliumValues({ ...ARGS, images });
    expect(operator).toEqual({ replicas: 2, rollOutPods: true, image: { repository: "a/operator", useDigest: false } });
    expect(envoy).toEqual({ rollOutPods: true, image: { tag: "t", useDigest: false } });
  });

  it("runs Hubble Relay and UI only on request, and refers to loaded images by tag", () => {
    expect(ciliumValues(ARGS)).not.toHaveProperty("hubble");
    const on = { enabled: true, rollOutPods: true };
    expect(ciliumValues({ ...ARGS, hubble: { relay: true, ui: false } })["hubble"]).toEqual({ relay: on });
    const loaded = { image: { useDigest: false } };
    const tagged = { image: { tag: expect.stringMatching(/^v[\d.]+$/), useDigest: false } };
    const values = ciliumValues({ ...ARGS, hubble: { relay: true, ui: true }, loadImages: true });
    expect(values["hubble"]).toEqual({ relay: { ...on, ...loaded }, ui: { ...on, backend: tagged, frontend: tagged } });
    // and those of parts that only the user's values enable
    expect(values).toMatchObject({ certgen: loaded, preflight: loaded, clustermesh: { apiserver: loaded } });
    const own = ciliumValues({ ...ARGS, loadImages: true, extraValues: { certgen: { image: { useDigest: true } } } });
    expect(own).toMatchObject({ certgen: { image: { useDigest: true } } });
  });

  it("disables routes between nodes on request", () => {
    expect(ciliumValues({ ...ARGS, autoDirectNodeRoutes: false })).toMatchObject({
      routingMode: "native",
      autoDirectNodeRoutes: false,
    });
  });

  it("merges as Helm does: an empty object changes nothing, later values win, lists are replaced", () => {
    // few keys, so that they meet
    const values = fc.object({
      key: fc.constantFrom("a", "b", "c"),
      maxDepth: 3,
      maxKeys: 3,
      values: [fc.boolean(), fc.string(), fc.integer(), fc.constant(null)],
    }) as fc.Arbitrary<HelmValues>;
    const leaves = (over: HelmValues, path: string[] = []): [string[], unknown][] =>
      Object.entries(over).flatMap(([key, value]) =>
        isTable(value) ? leaves(value, [...path, key]) : [[[...path, key], value] as [string[], unknown]],
      );
    const isTable = (value: unknown): value is HelmValues =>
      typeof value === "object" && value !== null && !Array.isArray(value);
    const at = (from: HelmValues, path: string[]) =>
      path.reduce<unknown>((inner, key) => (isTable(inner) ? inner[key] : undefined), from);
    fc.assert(
      fc.property(values, values, (a, b) => {
        const before = JSON.stringify([a, b]);
        const merged = mergeValues(a, b);
        expect(mergeValues(a, {})).toEqual(a);
        expect(mergeValues({}, b)).toEqual(b);
        expect(mergeValues(merged, b)).toEqual(merged);
        for (const [path, value] of leaves(b)) expect(at(merged, path)).toEqual(value);
        // what b says nothing of stays as a has it
        for (const [path, value] of leaves(a)) {
          const touched = path.some((_, index) => {
            const own = at(b, path.slice(0, index + 1));
            return own !== undefined && (!isTable(own) || index === path.length - 1);
          });
          if (!touched) expect(at(merged, path)).toEqual(value);
        }
        expect(JSON.stringify([a, b])).toBe(before);
      }),
      { numRuns: 300 },
    );
    expect(mergeValues({ a: [1, 2], b: { c: 1 } }, { a: [3], b: null })).toEqual({ a: [3], b: null });
  });
});
