/** ConfigMaps that a stack writes once the engine's state holds the objects that they stand for. */
export const OWNERSHIP_RECORDS = {
  namespace: "kube-system",
  cilium: "cilium-modes",
  workload: "cilium-modes-workload",
} as const;
