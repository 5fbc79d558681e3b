/** The test workload's names: those that the commands of the articles use. */
export const WORKLOAD = { namespace: "default", daemonSet: "nettool", service: "serversvc", clientPod: "net" } as const;
