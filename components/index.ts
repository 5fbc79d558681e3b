/**
 * The components of a `cilium-modes` stack, for other programs.
 * @module components
 */
export { Cilium, type CiliumArgs } from "./cilium";
export { ExistingCluster, inspectCluster, type ExistingClusterArgs } from "./existingCluster";
export { KindCluster, type KindClusterArgs, type PortMappingArgs } from "./kindCluster";
export { NettoolWorkload, type NettoolWorkloadArgs } from "./nettoolWorkload";
export type { TargetCluster, TargetClusterArgs } from "./targetCluster";
export { Verification, type VerificationArgs } from "./verification";
export { NodeImages } from "../providers/kind/resources";
export { DEVIATIONS, PROOFS, VERDICTS } from "../datapath/facts";
export { ALL_MODES, COEXISTING_MODES, MODE_CONTRACTS, ROUTING_MODES, TUNNELS, VARIANT_MODES } from "../modes/contract";
export { VERIFY, VERIFY_WHEN } from "../modes/defaults";
export {
  ACCELERATIONS,
  DATAPATH_MODES,
  DSR_DISPATCHES,
  LOAD_BALANCER_ALGORITHMS,
  LOAD_BALANCER_MODES,
} from "../modes/datapathChoice";
export { IPAM_MODES } from "../modes/ipam";
export { KUBE_PROXY_MODES } from "../modes/kubeProxy";

// types of their arguments and outputs
export type {
  ClusterFacts,
  DatapathDeviation,
  DatapathSummary,
  Deviation,
  InstalledPodNetworks,
  NodeFacts,
  NodesLookedAt,
  Proof,
  Verdict,
  VerificationSummary,
} from "../datapath/facts";
export type { CiliumChoice, CiliumCluster } from "../modes/ciliumArgs";
export type {
  Acceleration,
  DatapathChoice,
  DatapathMode,
  DsrDispatch,
  LoadBalancerAlgorithm,
  LoadBalancerMode,
} from "../modes/datapathChoice";
export type { ApiServer, CiliumValuesArgs, HelmValue, HelmValues, ImageOverride } from "../modes/ciliumValues";
export type { KubeProxyReplacement, ModeContract, ModeSwitches, RoutingMode, Tunnel } from "../modes/contract";
export type { Verify, VerifyWhen } from "../modes/defaults";
export type { IpamMode, PodNetworks } from "../modes/ipam";
export type { ClusterIpFamily, Ipv6Networks } from "../modes/ipFamily";
export type { DnsForward, KindMount, KindPortMapping } from "../modes/kindConfig";
export type { KubeProxyMode } from "../modes/kubeProxy";
export type { KubernetesObject } from "../modes/manifests";
export type { RegistryEndpoint, RegistryMirror, RegistryMirrors } from "../modes/registryMirrors";
export type { WorkloadNames } from "../modes/workload";
