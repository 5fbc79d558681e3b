import type { Tunnel } from "./contract";
import type { IpFamily } from "./ipFamily";

/** Consequences of a mode that is not in force. */
export const VERIFY = ["strict", "warn", "off"] as const;
/** One of {@link VERIFY}: `strict` fails the run, `warn` only reports it, `off` skips the verification. */
export type Verify = (typeof VERIFY)[number];

/** Runs of `pulumi up` that verify. */
export const VERIFY_WHEN = ["changed", "always"] as const;
/**
 * One of {@link VERIFY_WHEN}: `changed` verifies after a change of the cluster, Cilium or the workload; `always` in
 * every run, so that every preview shows a change.
 */
export type VerifyWhen = (typeof VERIFY_WHEN)[number];

/** Defaults of settings, and of components in other programs. */
export const DEFAULTS = {
  /** Native routing. */
  tunnel: "disabled" as Tunnel,
  cluster: {
    /** Nodes in addition to the control plane. */
    workers: 2,
    ipFamily: "ipv4" as IpFamily,
    podCidr: "10.0.0.0/16",
    serviceCidr: "10.96.0.0/16",
    /** Reachable from this machine only, at a port that kind chooses. */
    apiServerAddress: "127.0.0.1",
    apiServerPort: 0,
    /** Reachable from this machine only. */
    portMapping: { node: "control-plane", listenAddress: "127.0.0.1", protocol: "TCP" as const },
  },
  /** `auto`: this machine's resolvers, if the mode cannot use Docker's. */
  dnsForward: "auto" as const,
  cilium: {
    chart: "cilium",
    repository: "https://helm.cilium.io",
    nativeRoutingCIDR: "10.0.0.0/8",
  },
  nettool: {
    nodePort: 32000,
    baseImage: "debian:12-slim",
  },
  verify: "strict" as Verify,
  verifyWhen: "changed" as VerifyWhen,
  verifyNodes: 20,
};
