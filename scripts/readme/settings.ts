/** What the documentation says of a setting, or of all below its path. */
export interface SettingWords {
  readonly meaning: string;
  /** The default, where the schema has none because the value comes from elsewhere. */
  readonly otherwise?: string;
}

const BY_RELEASE = "from `release`";
const BY_CHART = "from the chart";
const IMAGE = "`{repository, tag, useDigest}`";

/** Every setting, in the order of the table. Defaults are the schema's own. */
export const SETTING_WORDS: Readonly<Record<string, SettingWords>> = {
  release: {
    meaning: 'Matching versions of Cilium and Kubernetes, `"1.12"` to `"1.20"`. Quote it: YAML reads 1.20 as 1.2',
  },
  kubeProxyReplacement: {
    meaning:
      "Cilium replaces kube-proxy. `strict` (true) and `disabled` (false) of older Ciliums are accepted; `partial` (Cilium 1.12 to 1.15) and `probe` (1.12.0 to 1.12.10) run beside kube-proxy. Adding or removing kube-proxy replaces the cluster",
  },
  "bpf.masquerade": {
    meaning: "Masquerade in BPF, which also turns on BPF host routing. Requires `kubeProxyReplacement`",
  },
  tunnel: { meaning: "Encapsulation between nodes: `disabled` (native routing), `vxlan` or `geneve`" },
  verify: {
    meaning: "When the mode is not in force: fail the run (`strict`), warn (`warn`), or do not verify at all (`off`)",
  },
  verifyWhen: {
    meaning:
      "Which runs of `pulumi up` verify: those that change something (`changed`) or all of them (`always`; every preview then shows one update)",
  },
  verifyNodes: { meaning: "Maximum number of nodes to verify, 1 to 1000; larger clusters are sampled" },
  "cluster.kubeconfig": {
    meaning: "Use this external cluster instead of creating one: the path of a kubeconfig, or its contents",
    otherwise: "none",
  },
  "cluster.context": {
    meaning: "Context in that kubeconfig. Set alone, it selects a context of your own kubeconfig",
    otherwise: "the current context",
  },
  "cluster.name": { meaning: "At most 32 characters; with Cilium 1.15 and older at most 49" },
  "cluster.kubernetesVersion": {
    meaning: "A version whose kind node image is pinned by digest here",
    otherwise: BY_RELEASE,
  },
  "cluster.nodeImage": { meaning: "Any kind node image", otherwise: "from the version" },
  "cluster.workers": { meaning: "Nodes besides the control plane, 0 to 20" },
  "cluster.podCidr": { meaning: "Network of the pods; each node gets a /24 of it" },
  "cluster.serviceCidr": { meaning: "Network of the ClusterIPs" },
  "cluster.registryMirrors": {
    meaning: "Registry host → `{endpoints: [url], insecure: false}`, written as containerd's `hosts.toml`",
  },
  "cluster.portMappings": {
    meaning:
      "`{node, containerPort, hostPort, listenAddress, protocol}`; `node` is `control-plane`, `worker-1`, `worker-2`, …",
  },
  "cluster.mounts": { meaning: "`{hostPath, containerPath, readOnly}`, mounted in every node" },
  "cluster.exportKubeconfig": {
    meaning: "Write the context `kind-<name>` into your kubeconfig; `destroy` removes it",
  },
  "dns.forward": {
    meaning: "Resolvers for names outside the cluster: `auto`, `node`, or a list of addresses",
  },
  "cilium.version": {
    meaning: "Version of chart and images, 1.12 or newer. Versions above 1.20 follow the rules of 1.20, with a warning",
    otherwise: BY_RELEASE,
  },
  "cilium.chart": { meaning: "Chart name in the repository, `oci://…`, or the path of a folder or `.tgz` file" },
  "cilium.repository": { meaning: "Helm repository of the chart; not used for paths and `oci://`" },
  "cilium.images.agent": { meaning: IMAGE, otherwise: BY_CHART },
  "cilium.images.operator": {
    meaning: `${IMAGE}; the chart appends \`-generic\` to the repository`,
    otherwise: BY_CHART,
  },
  "cilium.images.envoy": { meaning: IMAGE, otherwise: BY_CHART },
  "cilium.images.load": {
    meaning: "Load Cilium's images from this machine's Docker into the nodes, and refer to them by tag",
  },
  "cilium.adopt": { meaning: "In an external cluster: take over a Cilium that this stack did not install" },
  "cilium.nativeRoutingCIDR": { meaning: "Networks that pods reach without masquerading" },
  "cilium.autoDirectNodeRoutes": {
    meaning: "Install routes to the other nodes' pods; all nodes must share a network",
    otherwise: "true with native routing",
  },
  "cilium.values": {
    meaning:
      "Helm values merged last, and checked against the chart's version. In dotted keys, true, false, null and whole numbers are not strings",
  },
  "hubble.relay": { meaning: "Deploy Hubble Relay. Hubble itself is always on in the agents" },
  "hubble.ui": {
    meaning:
      "Deploy the Hubble UI, which requires `hubble.relay`. `npx cilium-modes hubble-ui <stack>` port-forwards it",
  },
  "nettool.nodePort": { meaning: "NodePort of the test workload, 30000 to 32767" },
  "nettool.baseImage": { meaning: "Base of the workload's image: a Debian or Ubuntu" },
  "nettool.image": {
    meaning: "A prebuilt image with the same tools",
    otherwise: "built on this machine",
  },
  "nettool.loadImage": { meaning: "Load that prebuilt image from this machine's Docker into the nodes" },
};
