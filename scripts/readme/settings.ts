import type { Words } from "./words";

/** What the documentation says of a setting, or of all below its path. */
export interface SettingWords extends Words {
  /** What stands for a default that the schema does not have, since it comes from elsewhere. */
  readonly otherwise?: Words;
}

const NONE: Words = { en: "none", zh: "无" };
const BY_RELEASE: Words = { en: "the release's", zh: "随 `release`" };
const BY_CHART: Words = { en: "the chart's", zh: "随 chart" };
const IMAGE = "`{repository, tag, useDigest}`";

/** Every setting, in the order of the tables. Defaults are the schema's own. */
export const SETTING_WORDS: Readonly<Record<string, SettingWords>> = {
  release: {
    en: 'Cilium and Kubernetes that go together, `"1.12"` to `"1.20"`; in quotes, or YAML reads 1.2',
    zh: '相互匹配的 Cilium 与 Kubernetes 版本，`"1.12"` 到 `"1.20"`；要加引号，否则 YAML 会读成 1.2',
  },
  kubeProxyReplacement: {
    en: "Cilium instead of kube-proxy. Cilium's older words are understood: `strict` is true, `disabled` is false; `partial` (Cilium 1.12 to 1.15) and `probe` (1.12.0 to 1.12.10) keep kube-proxy beside it. A change between with and without kube-proxy replaces the cluster",
    zh: "由 Cilium 取代 kube-proxy。也接受 Cilium 早期的写法：`strict` 即 true，`disabled` 即 false；`partial`（Cilium 1.12 到 1.15）与 `probe`（1.12.0 到 1.12.10）让 kube-proxy 与 Cilium 并存。在有无 kube-proxy 之间切换会重建集群",
  },
  "bpf.masquerade": {
    en: "masquerade in BPF, which also turns on BPF host routing; needs `kubeProxyReplacement`",
    zh: "用 BPF 做地址伪装 (masquerade)，同时启用 BPF 主机路由 (host routing)；需要 `kubeProxyReplacement`",
  },
  tunnel: {
    en: "`disabled` (native routing), `vxlan`, `geneve`",
    zh: "`disabled`（原生路由）、`vxlan`、`geneve`",
  },
  verify: {
    en: "a mode that is not in force fails the run (`strict`), is told (`warn`), or is not looked for (`off`)",
    zh: "路由模式没有真正生效时：运行失败（`strict`）、只给出警告（`warn`）、不检查（`off`）",
  },
  verifyWhen: {
    en: "which runs of `pulumi up` verify: those that change something (`changed`), or every run (`always`; previews then always show one update)",
    zh: "哪些 `pulumi up` 会验证：仅在有变更时（`changed`），或每次都验证（`always`；预览因此总会显示一项更新）",
  },
  verifyNodes: {
    en: "of a larger cluster the verification looks at so many nodes, 1 to 1000",
    zh: "集群节点更多时，验证只抽查这么多个节点，1 到 1000",
  },
  "cluster.kubeconfig": {
    en: "a cluster that exists instead of a new one: path of its kubeconfig, or what stands in one",
    zh: "使用已有的集群而不新建：kubeconfig 的路径，或其内容",
    otherwise: NONE,
  },
  "cluster.context": {
    en: "the context in that kubeconfig; alone, one of your own kubeconfig's",
    zh: "上述 kubeconfig 里的 context；单独设置时取用户自己 kubeconfig 里的 context",
    otherwise: { en: "the current one", zh: "当前 context" },
  },
  "cluster.name": {
    en: "at most 32 characters; up to Cilium 1.15 at most 49",
    zh: "最多 32 个字符；Cilium 1.15 及以前最多 49 个",
  },
  "cluster.kubernetesVersion": {
    en: "one whose node image is known by digest",
    zh: "节点镜像摘要 (digest) 已收录的版本之一",
    otherwise: BY_RELEASE,
  },
  "cluster.nodeImage": {
    en: "any node image of kind",
    zh: "任意 kind 节点镜像",
    otherwise: { en: "by the version", zh: "随版本" },
  },
  "cluster.workers": { en: "nodes beside the control plane, 0 to 20", zh: "控制平面之外的节点数，0 到 20" },
  "cluster.podCidr": { en: "each node gets a /24 of it", zh: "每个节点从中分得一个 /24" },
  "cluster.serviceCidr": { en: "network of the Services' ClusterIPs", zh: "Service 的 ClusterIP 网段" },
  "cluster.registryMirrors": {
    en: "registry host → `{endpoints: [url], insecure: false}`, written as `hosts.toml`",
    zh: "镜像仓库主机名 → `{endpoints: [url], insecure: false}`，写成节点上的 `hosts.toml`",
  },
  "cluster.portMappings": {
    en: "`{node, containerPort, hostPort, listenAddress, protocol}`; node is `control-plane` or `worker-1`, …",
    zh: "`{node, containerPort, hostPort, listenAddress, protocol}`；node 为 `control-plane` 或 `worker-1`……",
  },
  "cluster.mounts": {
    en: "`{hostPath, containerPath, readOnly}` in every node",
    zh: "挂载到每个节点的 `{hostPath, containerPath, readOnly}`",
  },
  "cluster.exportKubeconfig": {
    en: "write the context `kind-<name>` into your kubeconfig; `destroy` takes it out again",
    zh: "把 context `kind-<name>` 写入您的 kubeconfig；`destroy` 时再移除",
  },
  "dns.forward": {
    en: "resolvers for names outside the cluster: `auto`, `node`, or a list of addresses",
    zh: "解析集群外域名的 DNS 服务器：`auto`、`node` 或地址列表",
  },
  "cilium.version": {
    en: "chart and images, from 1.12 on; above 1.20 with the rules of 1.20, and a warning",
    zh: "chart 与镜像的版本，从 1.12 起；高于 1.20 时按 1.20 的规则处理，并给出警告",
    otherwise: BY_RELEASE,
  },
  "cilium.chart": {
    en: "chart name in the repository, `oci://…`, or the path of a folder or `.tgz`",
    zh: "仓库中的 chart 名、`oci://…`，或目录、`.tgz` 的路径",
  },
  "cilium.repository": {
    en: "Helm repository of the chart; not used for paths and `oci://`",
    zh: "chart 所在的 Helm 仓库；chart 为路径或 `oci://` 时不使用",
  },
  "cilium.images.agent": { en: IMAGE, zh: IMAGE, otherwise: BY_CHART },
  "cilium.images.operator": {
    en: `${IMAGE}; the chart appends \`-generic\` to the name`,
    zh: `${IMAGE}；chart 会在名称后加 \`-generic\``,
    otherwise: BY_CHART,
  },
  "cilium.images.envoy": { en: IMAGE, zh: IMAGE, otherwise: BY_CHART },
  "cilium.images.load": {
    en: "bring Cilium's images from this machine's Docker into the nodes; they are then asked for by tag",
    zh: "把本机 Docker 里的 Cilium 镜像送进各节点；之后按标签 (tag) 引用",
  },
  "cilium.adopt": {
    en: "in a cluster that exists: take over a Cilium that somebody else installed",
    zh: "在已有的集群中：接管他人安装的 Cilium",
  },
  "cilium.nativeRoutingCIDR": {
    en: "networks that pods reach without masquerading",
    zh: "Pod 访问时不做伪装的网段",
  },
  "cilium.autoDirectNodeRoutes": {
    en: "routes to the other nodes' pods",
    zh: "自动添加到其他节点 Pod 的路由",
    otherwise: { en: "with native routing", zh: "原生路由时启用" },
  },
  "cilium.values": {
    en: "Helm values merged last, held against the chart's version; in a dotted key, true, false, null and whole numbers are no text",
    zh: "最后合并的 Helm values，会按 chart 的版本检查；写成带点的键时，true、false、null 和整数不当作文本",
  },
  "hubble.relay": {
    en: "Hubble's relay. The agents' own Hubble is always on",
    zh: "Hubble Relay。各 agent 自身的 Hubble 始终开启",
  },
  "hubble.ui": {
    en: "Hubble's UI, which needs the relay: `npx cilium-modes hubble-ui <stack>` opens the way to it",
    zh: "Hubble UI，需要 relay：用 `npx cilium-modes hubble-ui <stack>` 打开",
  },
  "nettool.nodePort": { en: "30000 to 32767", zh: "30000 到 32767" },
  "nettool.baseImage": {
    en: "base of the workload's image: a Debian or Ubuntu",
    zh: "测试工作负载镜像的基础镜像：Debian 或 Ubuntu",
  },
  "nettool.image": {
    en: "a ready image with the same tools, instead of the build",
    zh: "使用带有相同工具的现成镜像，不再构建",
    otherwise: { en: "built here", zh: "在本机构建" },
  },
  "nettool.loadImage": {
    en: "whether Docker's copy of that image is brought into the nodes",
    zh: "是否把 Docker 里的该镜像送进各节点",
  },
};
