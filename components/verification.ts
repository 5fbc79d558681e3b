import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { expectationOf } from "../datapath/expectation";
import type { VerificationSummary } from "../datapath/facts";
import { DEFAULTS, VERIFY, VERIFY_WHEN, type Verify, type VerifyWhen } from "../modes/defaults";
import type { Cilium } from "./cilium";
import type { NettoolWorkload } from "./nettoolWorkload";
import { checkChoice } from "./choices";
import { packageFile } from "../host/packageFile";
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
  /** `changed` (default): verify after a change of the cluster, Cilium or the workload; `always`: in every run. */
  readonly when?: VerifyWhen | undefined;
  /** Of a larger cluster only so many nodes are looked at, from 1 on. Default: 20. */
  readonly maxNodes?: number | undefined;
}

/** How long a cluster may take to settle after Cilium and the workload are ready. */
const SETTLE_SECONDS = 60;

/** When this run of the program started: a verification that is older was made by an earlier run. */
const STARTED = new Date();

/**
 * The proof inside `up` that the mode asked for is the mode in force. It runs again whenever the cluster, the Helm
 * release, the workload's image or what is expected of them change, and with `when: "always"` in every run.
 */
export class Verification extends pulumi.ComponentResource {
  /** There when the verification has ended, and in `strict` only when it passed. */
  readonly summary: pulumi.Output<VerificationSummary>;

  constructor(name: string, args: VerificationArgs, opts?: pulumi.ComponentResourceOptions) {
    super("cilium-modes:index:Verification", name, {}, opts);
    const { verify = DEFAULTS.verify, when = DEFAULTS.verifyWhen } = args;
    checkChoice(name, "verify", verify, VERIFY);
    checkChoice(name, "when", when, VERIFY_WHEN);
    this.summary = verify === "off" ? afterWorkload(args.workload, NOT_VERIFIED) : this.run(name, args, verify);
    this.registerOutputs({ summary: this.summary });
  }

  private run(name: string, args: VerificationArgs, verify: "strict" | "warn") {
    const { cluster, cilium, workload, when = DEFAULTS.verifyWhen, maxNodes = DEFAULTS.verifyNodes } = args;
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
          CILIUM_MODES_REVISION: pulumi.interpolate`${cilium.revision}`,
          // what makes it run again
          CILIUM_MODES_CAUSE: pulumi.interpolate`${cluster.condition} image ${workload.image}`,
          ...(when === "always" ? { CILIUM_MODES_RUN: STARTED.toISOString() } : {}),
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

const NOT_VERIFIED: VerificationSummary = {
  verdict: "off",
  proof: "off",
  causes: [],
  counts: {},
  seconds: 0,
  checks: {},
};

/** Log whether this run verified the cluster or an earlier one did. Previews log nothing. */
export function logVerification(summary: pulumi.Output<VerificationSummary>): void {
  if (pulumi.runtime.isDryRun()) return;
  const stack = pulumi.getStack();
  summary.apply((known) => pulumi.log.info(verificationNotice(known, { stack, started: STARTED, now: new Date() })));
}

/**
 * Which run verified the cluster, when, and what it found.
 * @param run the current one
 */
export function verificationNotice(
  { proof, verdict, verifiedAt, revision }: VerificationSummary,
  run: { readonly stack: string; readonly started: Date; readonly now: Date },
): string {
  const remedy = `To verify the running cluster: npx cilium-modes verify ${run.stack}`;
  if (verifiedAt === undefined) return `This run did not verify the cluster (verify: off). ${remedy}`;
  const time = new Date(verifiedAt);
  const when = `${time.toISOString().slice(0, 16).replace("T", " ")} UTC, revision ${revision}`;
  const result = `Result: ${proof ?? verdict}`;
  if (time >= run.started) return `This run verified the cluster (${when}). ${result}`;
  return `Nothing has changed since the last verification ${age(run.now, time)} (${when}), so this run did not verify again. ${result}. ${remedy}`;
}

const AGES = new Intl.RelativeTimeFormat("en");

/** How long ago a time was, in the unit that people would say it in. */
function age(now: Date, then: Date): string {
  const minutes = Math.max(0, Math.round((now.getTime() - then.getTime()) / 60_000));
  if (minutes < 120) return AGES.format(-minutes, "minute");
  const hours = Math.round(minutes / 60);
  return hours < 48 ? AGES.format(-hours, "hour") : AGES.format(-Math.round(hours / 24), "day");
}

function afterWorkload<T>(workload: NettoolWorkload, value: T): pulumi.Output<T> {
  return workload.names.apply(() => value);
}
