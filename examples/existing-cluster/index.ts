import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import {
  Cilium,
  ExistingCluster,
  inspectCluster,
  NettoolWorkload,
  Verification,
  type CiliumArgs,
  type RoutingMode,
} from "cilium-modes/components";

export = async () => {
  const config = new pulumi.Config();
  const kubeconfig = readFileSync(config.require("kubeconfig"), "utf8");
  const cluster = new ExistingCluster("cluster", {
    mode: config.require<RoutingMode>("mode"),
    clusterName: config.require("clusterName"),
    kubeconfig,
    // previews report what prevents Cilium in this cluster
    facts: await inspectCluster(kubeconfig),
  });
  // version, chart, images and values other than the defaults
  const choice = config.getObject<Omit<CiliumArgs, "cluster">>("cilium");
  const cilium = new Cilium("cilium", { ...choice, cluster });
  const workload = new NettoolWorkload("nettool", { cluster, cilium, image: config.require("image") });
  const verification = new Verification("verification", { cluster, cilium, workload });
  return { nodes: cluster.nodes, verification: verification.summary };
};
