import type { Since } from "../../modes/ciliumVersion";
import type { Config } from "./dimensions/config";

/** A way in which Cilium does something else than it was asked for, without an error. */
export interface Fallback {
  /** The dimension's id. */
  readonly row: string;
  /** What was requested, and what runs instead. */
  readonly from: RegExp;
  readonly to: RegExp;
  /** Further settings that it depends on. Default: none. */
  readonly when?: (config: Config) => boolean;
  /** First versions without it. Default: all have it. */
  readonly gone?: Since;
  readonly reason: string;
  readonly source: string;
}

const isOff = (config: Config, key: string) => ["false", "disabled", undefined].includes(config[key]);

/** The known fallbacks, the more special ones first. */
export const FALLBACKS: readonly Fallback[] = [
  {
    row: "socket-lb",
    from: /^off$/,
    to: /^(?:everywhere|host namespace|on)/,
    when: (config) => !isOff(config, "kube-proxy-replacement"),
    reason: "kube-proxy replacement always enables the socket load balancer, whatever socketLB.enabled says",
    source: "https://github.com/cilium/cilium/issues/47417",
  },
  {
    row: "bandwidth-manager",
    from: /^on$/,
    to: /^off$/,
    reason:
      "the agent disabled it: it needs net.core.default_qdisc, which nodes in containers such as kind's do not have, and kube-proxy replacement",
    source: "https://github.com/cilium/cilium/issues/33455",
  },
  {
    row: "xdp",
    from: /^best-effort$/,
    to: /^disabled$/,
    reason: "no device takes an XDP program, so best-effort runs without any",
    source: "https://github.com/cilium/cilium/pull/32699",
  },
  {
    row: "device-mode",
    from: /^auto$/,
    to: /^veth$/,
    reason: "auto chooses veth where the kernel has no netkit (6.8 or newer), or where host routing is not BPF",
    source: "https://docs.cilium.io/en/stable/operations/performance/tuning/#netkit-device-mode",
  },
  {
    row: "device-mode",
    from: /^netkit/,
    to: /^veth$/,
    reason: "running pods keep the device that they were created with",
    source: "https://docs.cilium.io/en/stable/operations/performance/tuning/#netkit-device-mode",
  },
  {
    row: "host-routing",
    from: /^BPF$/,
    to: /^Legacy$/,
    when: (config) => config["enable-ipsec"] === "true",
    gone: ["1.19.0-pre.2"],
    reason: "IPsec takes BPF host routing away in this version",
    source: "https://github.com/cilium/cilium/pull/41997",
  },
  {
    row: "host-routing",
    from: /^BPF$/,
    to: /^Legacy$/,
    reason: "the agent fell back to the host's stack; its log says why",
    source: "https://docs.cilium.io/en/stable/operations/performance/tuning/#ebpf-host-routing",
  },
  {
    row: "attachment",
    from: /^tcx$/,
    to: /^tcx and tc$/,
    reason: "filters of an earlier attachment are left beside the programs, and see packets too",
    source: "https://github.com/cilium/cilium/issues/44194",
  },
  {
    row: "big-tcp-v4",
    from: /^on$/,
    to: /^off$/,
    reason: "the kernel (6.3 or newer) or a device does not take larger segments, so the agent reset the sizes",
    source: "https://docs.cilium.io/en/stable/operations/performance/tuning/#ipv4-big-tcp",
  },
  {
    row: "big-tcp-v6",
    from: /^on$/,
    to: /^off$/,
    reason: "the kernel (5.19 or newer) or a device does not take larger segments, so the agent reset the sizes",
    source: "https://docs.cilium.io/en/stable/operations/performance/tuning/#ipv6-big-tcp",
  },
];
