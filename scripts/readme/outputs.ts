import type { StackOutputs } from "../../outputs";
import type { Words } from "./words";

/** What each output is. What one holds is named in backquotes. */
export const OUTPUT_WORDS: Readonly<Record<keyof StackOutputs, Words>> = {
  schemaVersion: {
    en: "version of this table: another number when something in it is taken away, or means something else",
    zh: "本表的版本：其中某项被移除或含义改变时，数字才会变",
  },
  mode: { en: "the routing mode that the settings ask for", zh: "设置所要求的路由模式" },
  clusterName: { en: "the cluster's name", zh: "集群名称" },
  clusterIdentifier: {
    en: "the cluster's own id, another whenever it is made again",
    zh: "集群自身的标识，每次重建都会变",
  },
  kubeconfig: {
    en: "for the API server as this machine reaches it; secret",
    zh: "从本机访问 API server 用的 kubeconfig；机密 (secret)",
  },
  apiEndpoint: { en: "API server as this machine reaches it", zh: "从本机访问 API server 的地址" },
  nodes: {
    en: "of each node `name`, `role`, `address`, `podCidrs` (its pods' networks) and `agentPod` (Cilium's agent there)",
    zh: "每个节点的 `name`、`role`、`address`、`podCidrs`（Pod 网段）和 `agentPod`（该节点上的 Cilium agent）",
  },
  cilium: {
    en: "`version`, `tunnel`, `kubeProxyReplacement`, `bpfMasquerade`, `nativeRoutingCIDR` and `podCidr`",
    zh: "`version`、`tunnel`、`kubeProxyReplacement`、`bpfMasquerade`、`nativeRoutingCIDR` 和 `podCidr`",
  },
  verification: {
    en: "`verdict`, `proof` (how strong the evidence is), `causes` of a failure, `verifiedAt` and the Helm `revision` verified then, `counts`, `seconds`, a line of evidence for each of `checks`, and the number of `nodes` verified",
    zh: "`verdict`、`proof`（证据强度）、失败的 `causes`、验证时间 `verifiedAt` 与当时的 Helm `revision`、`counts`、`seconds`、`checks` 中每项检查的一行证据，以及查看了多少 `nodes`",
  },
  nodePortUrls: { en: "the workload's NodePort on each node", zh: "工作负载在每个节点上的 NodePort 地址" },
  workload: {
    en: "its names in the cluster: `namespace`, `daemonSet`, `service` and `clientPod`",
    zh: "工作负载在集群中的名称：`namespace`、`daemonSet`、`service` 和 `clientPod`",
  },
};
