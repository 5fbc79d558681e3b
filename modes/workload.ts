/** The test workload's names: those that the commands of the articles use, in a namespace of their own, since it is privileged. */
export const WORKLOAD = {
  namespace: "nettool",
  daemonSet: "nettool",
  service: "serversvc",
  clientPod: "net",
  /** Pods in the nodes' own namespaces, where nodes are no containers of this machine. */
  nodePods: "nettool-node",
} as const;

/** The container of each of its pods. */
export const WORKLOAD_CONTAINER = "nettool";
