import * as pulumi from "@pulumi/pulumi";
import { Cilium } from "./components/cilium";
import { KindCluster } from "./components/kindCluster";
import { NettoolWorkload } from "./components/nettoolWorkload";
import { Verification } from "./components/verification";
import { joinNodes, type StackExports } from "./outputs";
import { loadSettings } from "./settings";
import { ciliumArgs } from "./settings/ciliumArgs";
import { stackExpectation } from "./settings/expectation";

const settings = loadSettings();
const {
  mode,
  tunnel,
  kubeProxyReplacement,
  bpf,
  cluster: clusterSettings,
  dns,
  cilium: ciliumSettings,
  nettool,
} = settings;
const { version, nativeRoutingCIDR } = ciliumSettings;
const { name: clusterName, podCidr } = clusterSettings;

const cluster = new KindCluster("cluster", {
  ...clusterSettings,
  mode,
  clusterName,
  nativeRoutingCIDR,
  dnsForward: dns.forward,
});

const cilium = new Cilium("cilium", {
  ...ciliumArgs(settings),
  cluster,
  chart: ciliumSettings.chart,
  repository: ciliumSettings.repository,
  loadImages: ciliumSettings.images.load,
});

const workload = new NettoolWorkload("nettool", { ...nettool, cluster, cilium, clusterName });

const verification = new Verification("verification", {
  cluster,
  cilium,
  workload,
  clusterName,
  expectation: stackExpectation(settings),
  verify: settings.verify,
});

const outputs: StackExports = {
  mode,
  clusterName,
  kubeconfig: cluster.kubeconfig,
  apiEndpoint: cluster.endpoint,
  nodes: joinNodes(cluster.nodes, cilium.nodes),
  cilium: { version, tunnel, kubeProxyReplacement, bpfMasquerade: bpf.masquerade, nativeRoutingCIDR, podCidr },
  verification: verification.summary,
  nodePortUrls: pulumi
    .all([cluster.nodes, verification.summary])
    .apply(([nodes]) => nodes.map(({ address }) => `http://${address}:${nettool.nodePort}`)),
  workload: workload.names,
};
export = outputs;
