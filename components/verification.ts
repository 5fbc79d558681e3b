import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Expectation } from "../datapath/checks/check";
import type { VerificationSummary } from "../datapath/verify";
import type { Cilium } from "./cilium";
import type { NettoolWorkload } from "./nettoolWorkload";
import { inCluster, type TargetCluster } from "./targetCluster";

export interface VerificationArgs {
  readonly cluster: TargetCluster;
  readonly cilium: Cilium;
  readonly workload: NettoolWorkload;
  readonly clusterName: string;
  readonly expectation: Expectation;
  /** `strict`: what is not in force fails the run; `warn`: it is only told; `off`: nothing is looked at. */
  readonly verify: "strict" | "warn" | "off";
  /** Of a larger cluster only so many nodes are looked at. */
  readonly maxNodes: number;
}

/** How long a cluster may take to settle after Cilium and the workload are ready. */
const SETTLE_SECONDS = 60;

/**
 * The proof inside `up` that the mode asked for is the mode in force. It runs again whenever the cluster, the Helm
 * release, the workload's image or what is expected of them change.
 */
export class Verification extends pulumi.ComponentResource {
  /** There when the verification has ended, and in `strict` only when it passed. */
  readonly summary: pulumi.Output<VerificationSummary>;

  constructor(name: string, args: VerificationArgs, opts?: pulumi.ComponentResourceOptions) {
    super("cilium-modes:index:Verification", name, {}, opts);
    this.summary =
      args.verify === "off" ? afterWorkload(args.workload, NOT_VERIFIED) : this.run(name, args, args.verify);
    this.registerOutputs({ summary: this.summary });
  }

  private run(name: string, args: VerificationArgs, verify: "strict" | "warn") {
    const { cluster, cilium, workload, clusterName, expectation } = args;
    const verified = new command.local.Command(
      `${name}-checks`,
      {
        create: "node cli/cilium-modes.mjs verify-stack",
        update: "node cli/cilium-modes.mjs verify-stack",
        environment: {
          CILIUM_MODES_KUBECONFIG: cluster.kubeconfig,
          CILIUM_MODES_CLUSTER: clusterName,
          CILIUM_MODES_NODES_ARE: cluster.isKind ? "containers" : "others",
          CILIUM_MODES_EXPECTATION: JSON.stringify(expectation),
          CILIUM_MODES_VERIFY: verify,
          CILIUM_MODES_MAX_NODES: String(args.maxNodes),
          CILIUM_MODES_SETTLE_SECONDS: String(SETTLE_SECONDS),
          // what makes it run again
          CILIUM_MODES_CAUSE: pulumi.interpolate`${cluster.condition} revision ${cilium.revision} image ${workload.image}`,
        },
        logging: "stderr",
        addPreviousOutputInEnv: false,
      },
      { ...inCluster(cluster, this), dependsOn: [cilium, workload] },
    );
    // the kubeconfig in the environment makes the whole output secret; verdicts are none
    return pulumi.unsecret(verified.stdout).apply((stdout) => JSON.parse(stdout) as VerificationSummary);
  }
}

const NOT_VERIFIED: VerificationSummary = { verdict: "off", counts: {}, seconds: 0, checks: {} };

function afterWorkload<T>(workload: NettoolWorkload, value: T): pulumi.Output<T> {
  return workload.names.apply(() => value);
}
