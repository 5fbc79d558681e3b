import * as pulumi from "@pulumi/pulumi";
import { Cilium } from "./components/cilium";
import { ExistingCluster, inspectCluster } from "./components/existingCluster";
import { KindCluster } from "./components/kindCluster";
import { NettoolWorkload } from "./components/nettoolWorkload";
import { Verification } from "./components/verification";
import { loadedImages } from "./modes/images";
import { joinNodes, type StackExports } from "./outputs";
import { loadSettings } from "./settings";
import { ciliumArgs } from "./settings/ciliumArgs";
import { existingClusterArgs } from "./settings/existingCluster";
import { stackExpectation } from "./settings/expectation";
import { kubeconfigOf } from "./settings/kubeconfig";
import type { Settings } from "./settings/parse";
import { isExisting } from "./settings/release";

export = async (): Promise<StackExports> => {
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

  const existing = isExisting(clusterSettings) ? await existingCluster(settings) : undefined;
  const cluster =
    existing === undefined
      ? new KindCluster("cluster", {
          ...clusterSettings,
          mode,
          clusterName,
          nativeRoutingCIDR,
          dnsForward: dns.forward,
          images: ciliumSettings.images.load ? loadedImages(ciliumArgs(settings)) : [],
        })
      : new ExistingCluster("cluster", existing);

  const cilium = new Cilium("cilium", {
    ...ciliumArgs(settings, existing?.args),
    cluster,
    chart: ciliumSettings.chart,
    repository: ciliumSettings.repository,
    loadImages: ciliumSettings.images.load,
    adopt: ciliumSettings.adopt,
  });

  const workload = new NettoolWorkload("nettool", { ...nettool, cluster, cilium, clusterName });

  const verification = new Verification("verification", {
    cluster,
    cilium,
    workload,
    clusterName,
    expectation: stackExpectation(settings, existing?.args),
    verify: settings.verify,
    maxNodes: settings.verifyNodes,
  });

  return {
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
};

/** The cluster that exists, and what of it goes into Cilium's values. @throws pulumi.RunError when it does not fit */
async function existingCluster(settings: Settings) {
  try {
    const kubeconfig = kubeconfigOf(settings.cluster);
    const facts = await inspectCluster(kubeconfig);
    return { kubeconfig, facts, args: existingClusterArgs(settings, facts) };
  } catch (error) {
    throw new pulumi.RunError((error as Error).message);
  }
}
