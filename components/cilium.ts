import * as command from "@pulumi/command";
import { Release } from "@pulumi/kubernetes/helm/v3";
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { ciliumValues, type CiliumValuesArgs } from "../modes/ciliumValues";
import { ciliumImages, withoutDigest } from "../modes/images";
import type { NodeFacts } from "../datapath/readiness";
import { NodeImages } from "../providers/kind/resources";
import type { KindCluster } from "./kindCluster";

export interface CiliumArgs extends CiliumValuesArgs {
  readonly cluster: KindCluster;
  /** Chart name in `repository`, an `oci://` reference, or the path of a chart's folder or .tgz. */
  readonly chart: string;
  readonly repository: string;
  /** Bring Cilium's images from this machine's Docker into the nodes. */
  readonly loadImages: boolean;
}

/** How long Helm, and then the check that everything is ready, may take. A first pull of the images is the longest part. */
const TIMEOUT_SECONDS = 600;

/** What `await-cilium` prints. */
const Readiness = z.object({
  nodes: z.array(z.object({ name: z.string(), podCidrs: z.array(z.string()), agentPod: z.string() })),
});

/**
 * Cilium's Helm Release in a routing mode. Its outputs resolve when every agent and the operator run with these
 * values, every node is Ready and CoreDNS is available.
 */
export class Cilium extends pulumi.ComponentResource {
  readonly nodes: pulumi.Output<readonly NodeFacts[]>;
  /** For `dependsOn`: pods can be scheduled from here on. */
  readonly release: Release;
  /** Revision of the Helm release: changes with every change of version or values. */
  readonly revision: pulumi.Output<number>;

  constructor(name: string, args: CiliumArgs, opts?: pulumi.ComponentResourceOptions) {
    super("cilium-modes:index:Cilium", name, {}, opts);
    const { cluster } = args;
    const inCluster = { parent: this, deletedWith: cluster.cluster };
    const images = args.loadImages
      ? [
          new NodeImages(
            `${name}-images`,
            {
              clusterName: args.clusterName,
              clusterInstance: cluster.cluster.id,
              images: Object.values(ciliumImages(args)).map(withoutDigest),
            },
            inCluster,
          ),
        ]
      : [];
    this.release = new Release(
      `${name}-release`,
      {
        // a fixed name: the chart's resources and every guide of Cilium expect it
        name: "cilium",
        namespace: "kube-system",
        ...chartSource(args),
        values: ciliumValues(args),
        timeout: TIMEOUT_SECONDS,
        cleanupOnFail: true,
      },
      { ...inCluster, provider: cluster.provider, dependsOn: [cluster.settings, ...images] },
    );
    this.revision = this.release.status.revision;
    // Helm's own wait can end while agents are still starting (rolling update, maxUnavailable)
    const ready = new command.local.Command(
      `${name}-ready`,
      {
        create: "node cli/cilium-modes.mjs await-cilium",
        update: "node cli/cilium-modes.mjs await-cilium",
        environment: {
          CILIUM_MODES_KUBECONFIG: cluster.kubeconfig,
          CILIUM_MODES_NODES: String(args.nodeCount),
          CILIUM_MODES_TIMEOUT_SECONDS: String(TIMEOUT_SECONDS),
          // what makes it run again
          CILIUM_MODES_CAUSE: pulumi.interpolate`${cluster.cluster.id} revision ${this.revision}`,
        },
        logging: "stderr",
        addPreviousOutputInEnv: false,
      },
      { ...inCluster, dependsOn: this.release },
    );
    // the kubeconfig in the environment makes the whole output secret; these names and networks are none
    this.nodes = pulumi.unsecret(ready.stdout).apply((stdout) => Readiness.parse(JSON.parse(stdout)).nodes);
    this.registerOutputs({ nodes: this.nodes, revision: this.revision });
  }
}

/** Whether a chart is a path of this machine. */
function isChartPath(chart: string): boolean {
  return /^[./~]/.test(chart) || chart.endsWith(".tgz");
}

function chartSource({ chart, repository, version }: CiliumArgs) {
  if (isChartPath(chart)) return { chart };
  if (chart.startsWith("oci://")) return { chart, version };
  return { chart, version, repositoryOpts: { repo: repository } };
}
