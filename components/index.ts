/** The parts of a `cilium-modes` stack, for other programs. */
export { Cilium, type CiliumArgs } from "./cilium";
export { ExistingCluster, inspectCluster, type ExistingClusterArgs } from "./existingCluster";
export { KindCluster, type KindClusterArgs } from "./kindCluster";
export { NettoolWorkload, type NettoolWorkloadArgs } from "./nettoolWorkload";
export type { TargetCluster } from "./targetCluster";
export { Verification, type VerificationArgs } from "./verification";
export { NodeImages } from "../providers/kind/resources";
export { ALL_MODES, MODE_CONTRACTS, type RoutingMode, type Tunnel } from "../modes/contract";
