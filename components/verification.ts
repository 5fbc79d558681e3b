import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { expectationOf } from "../datapath/expectation";
import type { VerificationSummary } from "../datapath/facts";
import { DEFAULTS, VERIFY, type Verify } from "../modes/defaults";
import type { Cilium } from "./cilium";
import type { NettoolWorkload } from "./nettoolWorkload";
import { checkChoice } from "./choices";
import { packageFile } from "./packageFile";
import { inCluster, type TargetCluster } from "./targetCluster";

/** What the verification is told. */
export interface VerificationArgs {
  /** What is verified. */
  readonly cluster: TargetCluster;
  /** By it the verification knows what must be in force. */
  readonly cilium: Cilium;
  /** From its pods the datapath is tried. */
  readonly workload: NettoolWorkload;
  /** `strict` (default): what is not in force fails the run; `warn`: it is only told; `off`: nothing is looked at. */
  readonly verify?: Verify | undefined;
  /** Of a larger cluster only so many nodes are looked at, from 1 on. Default: 20. */
  readonly maxNodes?: number | undefined;
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
    const { verify = DEFAULTS.verify } = args;
    checkChoice(name, "verify", verify, VERIFY);
    this.summary = verify === "off" ? afterWorkload(args.workload, NOT_VERIFIED) : this.run(name, args, verify);
    this.registerOutputs({ summary: this.summary });
  }

  private run(name: string, args: VerificationArgs, verify: "strict" | "warn") {
    const { cluster, cilium, workload, maxNodes = DEFAULTS.verifyNodes } = args;
    const { nodePort } = workload;
    const verifyStack = `node ${packageFile("cli", "cilium-modes.mjs")} verify-stack`;
    const verified = new command.local.Command(
      `${name}-checks`,
      {
        create: verifyStack,
        update: verifyStack,
        environment: {
          CILIUM_MODES_KUBECONFIG: cluster.kubeconfig,
          CILIUM_MODES_CLUSTER: cluster.clusterName,
          CILIUM_MODES_NODES_ARE: cluster.isKind ? "containers" : "others",
          CILIUM_MODES_EXPECTATION: JSON.stringify(
            expectationOf(cilium.valuesArgs, { isKind: cluster.isKind, nodePort }),
          ),
          CILIUM_MODES_VERIFY: verify,
          CILIUM_MODES_MAX_NODES: String(maxNodes),
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
