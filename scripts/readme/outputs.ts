import type { StackOutputs } from "../../outputs";

/** What each output is. The fields of an output are named in backquotes. */
export const OUTPUT_WORDS: Readonly<Record<keyof StackOutputs, string>> = {
  schemaVersion: "Version of this table. It changes when an output is removed or changes its meaning",
  mode: "Routing mode that the settings select",
  clusterName: "Name of the cluster",
  clusterIdentifier: "Id of the cluster; a recreated cluster has another one",
  kubeconfig: "Kubeconfig that works on this machine. Secret",
  apiEndpoint: "URL of the API server, as this machine reaches it",
  nodes:
    "For each node: `name`, `role`, `address`, `podCidrs` (networks of its pods) and `agentPod` (its Cilium agent's pod)",
  cilium: "`version`, `tunnel`, `kubeProxyReplacement`, `bpfMasquerade`, `nativeRoutingCIDR` and `podCidr`",
  verification:
    "The last verification: `verdict`, `proof` (strength of the evidence), `causes` of a failure, `verifiedAt`, `revision` of the Helm release, `counts`, `seconds`, `checks` (one line of evidence each) and `nodes` (how many were verified)",
  nodePortUrls: "URL of the workload's NodePort on each node",
  workload: "Names of the test workload: `namespace`, `daemonSet`, `service` and `clientPod`",
};
