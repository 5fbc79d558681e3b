/** Names of the test workload's objects. */
export interface WorkloadNames {
  /** Namespace of its own, since the workload is privileged. */
  readonly namespace: string;
  /** DaemonSet of the servers. */
  readonly daemonSet: string;
  /** NodePort Service of the servers. */
  readonly service: string;
  /** Pod that sends requests. */
  readonly clientPod: string;
}

/** Names of the test workload's objects, which the commands of the articles use, in a namespace of its own. */
export const WORKLOAD = {
  namespace: "nettool",
  daemonSet: "nettool",
  service: "serversvc",
  clientPod: "net",
} as const satisfies WorkloadNames;

/** DaemonSet of pods in the nodes' own namespaces, in clusters whose nodes are not containers of this machine. */
export const NODE_PODS = "nettool-node";

/** Container of each pod of the workload. */
export const WORKLOAD_CONTAINER = "nettool";
