/** What the test workload's parts are called in the cluster. */
export interface WorkloadNames {
  /** Of its own, since the workload is privileged. */
  readonly namespace: string;
  /** The server on every node. */
  readonly daemonSet: string;
  /** Of type NodePort, before the servers. */
  readonly service: string;
  /** The pod that asks. */
  readonly clientPod: string;
}

/** The test workload's names: those that the commands of the articles use, in a namespace of their own. */
export const WORKLOAD = {
  namespace: "nettool",
  daemonSet: "nettool",
  service: "serversvc",
  clientPod: "net",
} as const satisfies WorkloadNames;

/** Pods in the nodes' own namespaces, where nodes are no containers of this machine: the commands' own, and no output. */
export const NODE_PODS = "nettool-node";

/** The container of each of its pods. */
export const WORKLOAD_CONTAINER = "nettool";
