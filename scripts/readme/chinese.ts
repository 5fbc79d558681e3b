// Chinese texts of README.zh-CN.md's tables. What is missing here is shown in English.

const IMAGE = "`{repository, tag, useDigest}`";

/** Settings by path; one on a section covers everything below it. */
export const SETTINGS_IN_CHINESE: Readonly<Record<string, string>> = {
  release: '相互匹配的 Cilium 与 Kubernetes 版本，`"1.12"` 到 `"1.20"`；要加引号，否则 YAML 会读成 1.2',
  kubeProxyReplacement:
    "由 Cilium 取代 kube-proxy。也接受 Cilium 早期的写法：`strict` 即 true，`disabled` 即 false；`partial`（Cilium 1.12 到 1.15）与 `probe`（1.12.0 到 1.12.10）让 kube-proxy 与 Cilium 并存。在有无 kube-proxy 之间切换会重建集群",
  "bpf.masquerade": "用 BPF 做地址伪装 (masquerade)，同时启用 BPF 主机路由 (host routing)；需要 `kubeProxyReplacement`",
  tunnel: "`disabled`（原生路由）、`vxlan`、`geneve`",
  verify: "路由模式没有真正生效时：运行失败（`strict`）、只给出警告（`warn`）、不检查（`off`）",
  verifyWhen: "哪些 `pulumi up` 会验证：仅在有变更时（`changed`），或每次都验证（`always`；预览因此总会显示一项更新）",
  verifyNodes: "集群节点更多时，验证只抽查这么多个节点，1 到 1000",
  "cluster.kubeconfig": "使用已有的集群而不新建：kubeconfig 的路径，或其内容",
  "cluster.context": "上述 kubeconfig 里的 context；单独设置时取用户自己 kubeconfig 里的 context",
  "cluster.name": "最多 32 个字符；Cilium 1.15 及以前最多 49 个",
  "cluster.kubernetesVersion": "节点镜像摘要 (digest) 已收录的版本之一",
  "cluster.nodeImage": "任意 kind 节点镜像",
  "cluster.workers": "控制平面之外的节点数，0 到 20",
  "cluster.podCidr": "每个节点从中分得一个 /24",
  "cluster.serviceCidr": "Service 的 ClusterIP 网段",
  "cluster.registryMirrors": "镜像仓库主机名 → `{endpoints: [url], insecure: false}`，写成节点上的 `hosts.toml`",
  "cluster.portMappings":
    "`{node, containerPort, hostPort, listenAddress, protocol}`；node 为 `control-plane` 或 `worker-1`……",
  "cluster.mounts": "挂载到每个节点的 `{hostPath, containerPath, readOnly}`",
  "cluster.exportKubeconfig": "把 context `kind-<name>` 写入您的 kubeconfig；`destroy` 时再移除",
  "dns.forward": "解析集群外域名的 DNS 服务器：`auto`、`node` 或地址列表",
  "cilium.version": "chart 与镜像的版本，从 1.12 起；高于 1.20 时按 1.20 的规则处理，并给出警告",
  "cilium.chart": "仓库中的 chart 名、`oci://…`，或目录、`.tgz` 的路径",
  "cilium.repository": "chart 所在的 Helm 仓库；chart 为路径或 `oci://` 时不使用",
  "cilium.images.agent": IMAGE,
  "cilium.images.operator": `${IMAGE}；chart 会在名称后加 \`-generic\``,
  "cilium.images.envoy": IMAGE,
  "cilium.images.load": "把本机 Docker 里的 Cilium 镜像送进各节点；之后按标签 (tag) 引用",
  "cilium.adopt": "在已有的集群中：接管他人安装的 Cilium",
  "cilium.nativeRoutingCIDR": "Pod 访问时不做伪装的网段",
  "cilium.autoDirectNodeRoutes": "自动添加到其他节点 Pod 的路由",
  "cilium.values": "最后合并的 Helm values，会按 chart 的版本检查；写成带点的键时，true、false、null 和整数不当作文本",
  "hubble.relay": "Hubble Relay。各 agent 自身的 Hubble 始终开启",
  "hubble.ui": "Hubble UI，需要 relay：用 `npx cilium-modes hubble-ui <stack>` 打开",
  "nettool.nodePort": "30000 到 32767",
  "nettool.baseImage": "测试工作负载镜像的基础镜像：Debian 或 Ubuntu",
  "nettool.image": "使用带有相同工具的现成镜像，不再构建",
  "nettool.loadImage": "是否把 Docker 里的该镜像送进各节点",
};

/** Defaults that are not fixed values, by their English text. */
export const DEFAULTS_IN_CHINESE: Readonly<Record<string, string>> = {
  none: "无",
  "the current context": "当前 context",
  "the release's": "随 `release`",
  "the chart's": "随 chart",
  "kind's image of that version, by digest": "随版本",
  "`true` in native routing": "原生路由时启用",
  "built from `images/nettool`": "在本机构建",
};

/** Outputs by name. */
export const OUTPUTS_IN_CHINESE: Readonly<Record<string, string>> = {
  schemaVersion: "本表的版本：其中某项被移除或含义改变时，数字才会变",
  mode: "设置所要求的路由模式",
  clusterName: "集群名称",
  clusterIdentifier: "集群自身的标识，每次重建都会变",
  kubeconfig: "从本机访问 API server 用的 kubeconfig；机密 (secret)",
  apiEndpoint: "从本机访问 API server 的地址",
  nodes: "每个节点的 `name`、`role`、`address`、`podCidrs`（Pod 网段）和 `agentPod`（该节点上的 Cilium agent）",
  cilium: "`version`、`tunnel`、`kubeProxyReplacement`、`bpfMasquerade`、`nativeRoutingCIDR` 和 `podCidr`",
  verification:
    "`verdict`、`proof`（证据强度）、失败的 `causes`、验证时间 `verifiedAt` 与当时的 Helm `revision`、`counts`、`seconds`、`checks` 中每项检查的一行证据，以及查看了多少 `nodes`",
  nodePortUrls: "工作负载在每个节点上的 NodePort 地址",
  workload: "工作负载在集群中的名称：`namespace`、`daemonSet`、`service` 和 `clientPod`",
};
