import * as command from "@pulumi/command";
import { Release } from "@pulumi/kubernetes/helm/v3";
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { expectedCiliumConfig } from "../modes/ciliumConfig";
import { ciliumValuesArgs, type CiliumChoice } from "../modes/ciliumArgs";
import { ciliumValues, type CiliumValuesArgs } from "../modes/ciliumValues";
import { TUNNELS } from "../modes/contract";
import { DEFAULTS } from "../modes/defaults";
import { loadedImages } from "../modes/images";
import type { NodeFacts } from "../datapath/facts";
import { OWNERSHIP_RECORDS } from "../providers/kind/ownershipRecord";
import { CiliumInstallation, NodeImages, OwnershipRecord } from "../providers/kind/resources";
import { chartProblem, isChartPath } from "./chartSource";
import { checkChoice } from "./choices";
import { packageFile } from "../host/packageFile";
import { identityOf, inCluster, type TargetCluster } from "./targetCluster";

/** What Cilium is told. */
export interface CiliumArgs extends CiliumChoice {
  /** What the mode is, and where the pods' networks lie, comes from it. */
  readonly cluster: TargetCluster;
  /** Chart name in `repository`, an `oci://` reference, or the path of a chart's folder or .tgz. Default: `cilium`. */
  readonly chart?: string | undefined;
  /** Helm repository of `chart`; not used for paths and `oci://`. Default: Cilium's own. */
  readonly repository?: string | undefined;
  /**
   * Whether a Cilium that somebody else installed is taken over; it then stays when the stack is destroyed.
   * Default: false.
   */
  readonly adopt?: boolean | undefined;
}

/** How long it may take until Cilium carries the cluster. A first pull of the images is the longest part. */
const TIMEOUT_SECONDS = 600;

/** What `await-cilium` prints. */
const Readiness = z.object({
  nodes: z.array(z.object({ name: z.string(), podCidrs: z.array(z.string()), agentPod: z.string() })),
});

/**
 * Cilium's Helm Release in a routing mode. Its outputs resolve when every agent and the operator run with these
 * values, every node is Ready and CoreDNS is available; after 10 minutes without that the run fails.
 * @throws pulumi.RunError when there is no such tunnel
 */
export class Cilium extends pulumi.ComponentResource {
  /** The nodes as Cilium sees them, there when it is ready. */
  readonly nodes: pulumi.Output<readonly NodeFacts[]>;
  /** For `dependsOn`: the cluster is the stack's to change. */
  readonly installation: pulumi.Resource;
  /** For `dependsOn`: from here on pods have a network. */
  readonly ready: command.local.Command;
  /** Revision of the Helm release: changes with every change of version or values. */
  readonly revision: pulumi.Output<number>;
  /** What its values, and what has to come out, depend on. */
  readonly valuesArgs: CiliumValuesArgs;

  constructor(name: string, args: CiliumArgs, opts?: pulumi.ComponentResourceOptions) {
    super("cilium-modes:index:Cilium", name, {}, opts);
    const { cluster, adopt = false } = args;
    const options = inCluster(cluster, this);
    const valuesArgs = ciliumValuesArgs(cluster, args);
    checkChoice(name, "tunnel", valuesArgs.tunnel, TUNNELS);
    const chart = chartSource(name, args, valuesArgs.version);
    this.valuesArgs = valuesArgs;
    const images = args.images?.load
      ? [
          new NodeImages(
            `${name}-images`,
            {
              clusterName: cluster.clusterName,
              clusterInstance: cluster.instance,
              images: loadedImages(valuesArgs),
            },
            options,
          ),
        ]
      : [];
    const installation = new CiliumInstallation(
      `${name}-installation`,
      {
        ...identityOf(cluster),
        version: valuesArgs.version,
        adopt,
        ownCluster: cluster.isKind,
        podCidr: cluster.podCidr,
      },
      options,
    );
    this.installation = installation;
    const release = new Release(
      `${name}-release`,
      {
        // a fixed name: the chart's resources and every guide of Cilium expect it
        name: "cilium",
        namespace: "kube-system",
        ...chart,
        values: ciliumValues(valuesArgs),
        // the check that follows waits better: it can be interrupted, says what is missing, and leaves no release half made
        skipAwait: true,
        // a revision that failed does not keep the name
        replace: true,
        // by which the installation knows the stack's own revisions
        description: pulumi.interpolate`${cluster.owner}, repairs ${installation.repairs}`,
      },
      {
        ...options,
        provider: cluster.provider,
        dependsOn: [...cluster.settled, installation, ...images],
        retainOnDelete: adopt,
      },
    );
    this.revision = release.status.revision;
    const record = new OwnershipRecord(
      `${name}-mark`,
      {
        ...identityOf(cluster),
        name: OWNERSHIP_RECORDS.cilium,
        generation: pulumi.interpolate`${installation.repairs}`,
        config: JSON.stringify(expectedCiliumConfig(valuesArgs)),
        version: valuesArgs.version,
      },
      { ...options, dependsOn: release },
    );
    const awaitCilium = `node ${packageFile("cli", "cilium-modes.mjs")} await-cilium`;
    const ready = new command.local.Command(
      `${name}-ready`,
      {
        create: awaitCilium,
        update: awaitCilium,
        environment: {
          CILIUM_MODES_KUBECONFIG: cluster.kubeconfig,
          CILIUM_MODES_NODES: String(cluster.nodeCount),
          CILIUM_MODES_TIMEOUT_SECONDS: String(TIMEOUT_SECONDS),
          // what makes it run again
          CILIUM_MODES_CAUSE: pulumi.interpolate`${cluster.condition} revision ${this.revision}`,
        },
        logging: "stderr",
        addPreviousOutputInEnv: false,
      },
      { ...options, dependsOn: record },
    );
    this.ready = ready;
    // the kubeconfig in the environment makes the whole output secret; these names and networks are none
    this.nodes = pulumi.unsecret(ready.stdout).apply((stdout) => Readiness.parse(JSON.parse(stdout)).nodes);
    this.registerOutputs({ nodes: this.nodes, revision: this.revision });
  }
}

/** Where Helm finds the chart. @throws pulumi.RunError for a path that leads nowhere */
function chartSource(
  name: string,
  { chart = DEFAULTS.cilium.chart, repository = DEFAULTS.cilium.repository }: CiliumArgs,
  version: string,
) {
  const problem = chartProblem(chart);
  if (problem !== undefined) throw new pulumi.RunError(`${name}: chart: ${problem}; nothing was changed`);
  if (isChartPath(chart)) return { chart };
  if (chart.startsWith("oci://")) return { chart, version };
  return { chart, version, repositoryOpts: { repo: repository } };
}
