import type { RoutingMode, Tunnel } from "../../modes/contract";
import { DEFAULT_KUBE_PROXY_MODE, type KubeProxyMode } from "../../modes/kubeProxy";
import { CONFIGURATION_FAULTS } from "./configuration";
import { DEVICE_FAULTS } from "./devices";
import { DNS_FAULTS } from "./dns";
import type { Fault } from "./fault";
import { KERNEL_FAULTS } from "./kernel";
import { KUBERNETES_FAULTS } from "./kubernetes";
import { MAP_FAULTS } from "./maps";
import { NETFILTER_FAULTS } from "./netfilter";
import { POLICY_FAULTS } from "./policies";
import { PROGRAM_FAULTS } from "./programs";
import { ROUTING_FAULTS } from "./routing";
import { SERVICE_FAULTS } from "./services";
import { TRAFFIC_FAULTS } from "./traffic";

/** Every fault that can be injected, by class. */
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
];

/** Whether a fault breaks something in a cluster of this mode, tunnel and mode of kube-proxy. */
export function applies(
  { modes, tunnel, kubeProxy }: Fault,
  mode: RoutingMode,
  ownTunnel: Tunnel,
  ownKubeProxy: KubeProxyMode = DEFAULT_KUBE_PROXY_MODE,
): boolean {
  return (
    (modes?.includes(mode) ?? true) &&
    (tunnel === undefined || tunnel === (ownTunnel !== "disabled")) &&
    (kubeProxy === undefined || kubeProxy === ownKubeProxy)
  );
}
