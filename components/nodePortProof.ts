import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Cilium } from "./cilium";
import type { KindCluster } from "./kindCluster";
import type { NettoolWorkload } from "./nettoolWorkload";

export interface NodePortProofArgs {
  readonly cluster: KindCluster;
  readonly cilium: Cilium;
  readonly workload: NettoolWorkload;
  readonly nodePort: number;
}

/** How long a node may take until its NodePort answers. */
const TIMEOUT_SECONDS = 60;

/**
 * The first proof inside `up`: every node's NodePort answers, and cluster DNS answers a pod on every node. It runs
 * again whenever cluster, Cilium or workload change; a node that does not answer fails the run.
 */
export class NodePortProof extends pulumi.ComponentResource {
  /** What each node's NodePort is reached by; there when all have answered. */
  readonly urls: pulumi.Output<string[]>;

  constructor(name: string, args: NodePortProofArgs, opts?: pulumi.ComponentResourceOptions) {
    super("cilium-modes:index:NodePortProof", name, {}, opts);
    const { cluster, cilium, workload, nodePort } = args;
    const urls = cluster.nodes.apply((nodes) => nodes.map(({ address }) => `http://${address}:${nodePort}`));
    const targets = cluster.nodes.apply((nodes) =>
      JSON.stringify(nodes.map((node) => ({ ...node, url: `http://${node.address}:${nodePort}` }))),
    );
    const proof = new command.local.Command(
      `${name}-answers`,
      {
        create: "node cli/cilium-modes.mjs prove-nodeport",
        update: "node cli/cilium-modes.mjs prove-nodeport",
        environment: {
          CILIUM_MODES_KUBECONFIG: cluster.kubeconfig,
          CILIUM_MODES_TARGETS: targets,
          CILIUM_MODES_TIMEOUT_SECONDS: String(TIMEOUT_SECONDS),
          // what makes it run again
          CILIUM_MODES_CAUSE: pulumi.interpolate`${cluster.cluster.id} revision ${cilium.revision} image ${workload.image}`,
        },
        logging: "stderr",
        addPreviousOutputInEnv: false,
      },
      { parent: this, deletedWith: cluster.cluster, dependsOn: [cilium, workload] },
    );
    this.urls = pulumi.all([urls, pulumi.unsecret(proof.stdout)]).apply(([answered]) => answered);
    this.registerOutputs({ urls: this.urls });
  }
}
