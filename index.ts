import { Cilium } from "./components/cilium";
import { KindCluster } from "./components/kindCluster";
import { NettoolWorkload } from "./components/nettoolWorkload";
import { NodePortProof } from "./components/nodePortProof";
import { NODE_IMAGES } from "./modes/releases";
import { joinNodes, type StackExports } from "./outputs";
import { loadSettings } from "./settings";

const {
  mode,
  tunnel,
  kubeProxyReplacement,
  bpf,
  cluster: clusterSettings,
  dns,
  cilium: ciliumSettings,
  nettool,
} = loadSettings();
const { version, nativeRoutingCIDR } = ciliumSettings;
const { name: clusterName, podCidr, workers } = clusterSettings;

const cluster = new KindCluster("cluster", {
  ...clusterSettings,
  mode,
  clusterName,
  nodeImage: clusterSettings.nodeImage ?? NODE_IMAGES[clusterSettings.kubernetesVersion]!,
  nativeRoutingCIDR,
  dnsForward: dns.forward,
});

const cilium = new Cilium("cilium", {
  ...ciliumSettings,
  cluster,
  mode,
  tunnel,
  clusterName,
  nodeCount: workers + 1,
  podCidr,
  loadImages: ciliumSettings.images.load,
  extraValues: ciliumSettings.values,
});

const workload = new NettoolWorkload("nettool", { ...nettool, cluster, cilium, clusterName });

const proof = new NodePortProof("proof", { cluster, cilium, workload, nodePort: nettool.nodePort });

const outputs: StackExports = {
  mode,
  clusterName,
  kubeconfig: cluster.kubeconfig,
  apiEndpoint: cluster.endpoint,
  nodes: joinNodes(cluster.nodes, cilium.nodes),
  cilium: { version, tunnel, kubeProxyReplacement, bpfMasquerade: bpf.masquerade, nativeRoutingCIDR, podCidr },
  nodePortUrls: proof.urls,
  workload: workload.names,
};
export = outputs;
