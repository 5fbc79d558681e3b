import type { CiliumValuesArgs } from "../../modes/ciliumValues";

/** Inputs of Cilium's values in mode ebpf on three nodes, with every default. */
export const CILIUM_ARGS: CiliumValuesArgs = {
  version: "1.20.2",
  mode: "ebpf",
  tunnel: "disabled",
  clusterName: "c1",
  nodeCount: 3,
  podCidr: "10.0.0.0/16",
  nativeRoutingCIDR: "10.0.0.0/8",
  images: { agent: {}, operator: {}, envoy: {} },
  extraValues: {},
};
