import type { CiliumConfig } from "../../modes/ciliumConfig";
import type { RoutingMode, Tunnel } from "../../modes/contract";
import { DEFAULT_KUBE_PROXY_MODE, type KubeProxyMode } from "../../modes/kubeProxy";
import type { IpFamily } from "../../modes/ipFamily";
import { CONFIGURATION_FAULTS } from "./configuration";
import { DEVICE_FAULTS } from "./devices";
import { DNS_FAULTS } from "./dns";
import type { Fault } from "./fault";
import { IPV6_FAULTS } from "./ipv6";
import { KERNEL_FAULTS } from "./kernel";
import { KUBERNETES_FAULTS } from "./kubernetes";
import { MAP_FAULTS } from "./maps";
import { NETFILTER_FAULTS } from "./netfilter";
import { POLICY_FAULTS } from "./policies";
import { PROGRAM_FAULTS } from "./programs";
import { ROUTING_FAULTS } from "./routing";
import { SERVICE_FAULTS } from "./services";
import { TRAFFIC_FAULTS } from "./traffic";

/** Every fault that can be injected, by class, and then those of IPv6. */
export const FAULTS: readonly Fault[] = [
  ...KUBERNETES_FAULTS,
  ...CONFIGURATION_FAULTS,
  ...KERNEL_FAULTS,
  ...DEVICE_FAULTS,
  ...PROGRAM_FAULTS,
  ...ROUTING_FAULTS,
  ...NETFILTER_FAULTS,
  ...SERVICE_FAULTS,
  ...POLICY_FAULTS,
  ...MAP_FAULTS,
  ...DNS_FAULTS,
  ...TRAFFIC_FAULTS,
  ...IPV6_FAULTS,
];

/** What decides which faults break something in a stack's cluster. */
interface DrilledCluster {
  readonly mode: RoutingMode;
  readonly tunnel: Tunnel;
  readonly kubeProxy?: KubeProxyMode | undefined;
  /** Families of its addresses. Default: `ipv4`. */
  readonly ipFamily?: IpFamily | undefined;
  /** What its `cilium-config` must hold. Default: nothing. */
  readonly asked?: CiliumConfig;
}

/** Whether a fault breaks something in a cluster. */
export function applies(fault: Fault, cluster: DrilledCluster): boolean {
  const { mode, tunnel, kubeProxy = DEFAULT_KUBE_PROXY_MODE, ipFamily = "ipv4", asked = {} } = cluster;
  const isAsked = fault.config?.every(([key, value]) => asked[key] === value) ?? false;
  return (
    !isAsked &&
    (fault.modes?.includes(mode) ?? true) &&
    (fault.tunnel === undefined || fault.tunnel === (tunnel !== "disabled")) &&
    (fault.ipFamily === undefined || fault.ipFamily === ipFamily) &&
    (fault.kubeProxy === undefined || fault.kubeProxy === kubeProxy)
  );
}
