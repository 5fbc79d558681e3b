import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { expectationOf } from "../datapath/expectation";
import type { DatapathSummary, VerificationSummary } from "../datapath/facts";
import { DEFAULTS, VERIFY, VERIFY_WHEN, type Verify, type VerifyWhen } from "../modes/defaults";
import type { Cilium } from "./cilium";
import type { NettoolWorkload } from "./nettoolWorkload";
import { checkChoice } from "./arguments";
import { packageFile } from "../host/packageFile";
import { inCluster, type TargetCluster } from "./targetCluster";

/** Arguments of the verification. `verify` and `when` must be known in previews. */
export interface VerificationArgs {
  /** Cluster to verify. */
  readonly cluster: TargetCluster;
  /** Cilium of the cluster, which decides the expected configuration. */
  readonly cilium: Cilium;
  /** Workload whose pods send the test traffic. */
  readonly workload: NettoolWorkload;
  /**
   * Consequence of a mode that is not in force: `strict` fails the run, `warn` only reports it, `off` skips the
   * verification. Default: `strict`.
   */
  readonly verify?: Verify | undefined;
  /**
   * Runs that verify: `changed` after a change of the cluster, Cilium or the workload, `always` in every run.
   * Default: `changed`.
   */
  readonly when?: VerifyWhen | undefined;
  /** Maximum number of nodes to verify, 1 or more; larger clusters are sampled. Default: 20. */
  readonly maxNodes?: pulumi.Input<number> | undefined;
}

/** Maximum time for a cluster to settle after Cilium and the workload are ready. */
const SETTLE_SECONDS = 60;

/** Start of this run of the program: an older verification belongs to an earlier run. */
const STARTED = new Date();

/**
 * Verifies in `pulumi up`, with evidence, that the routing mode is in force. It runs again when the cluster, the Helm
 * release, the workload's image or the expected configuration change, and in every run with `when: "always"`.
 *
 * @example
 * ```ts
 * const verification = new Verification("verification", { cluster, cilium, workload, verify: "warn" });
 * export const verdict = verification.summary.verdict;
 * ```
 * @throws pulumi.RunError for an unknown value of `verify` or `when`
 */
export class Verification extends pulumi.ComponentResource {
  /** Result of the verification; with `strict`, it resolves only if the mode is in force. */
  readonly summary: pulumi.Output<VerificationSummary>;
  /**
   * Datapath that the verification found; undefined without a verification, and until the next one where an older version
   * verified.
   */
  readonly datapath: pulumi.Output<DatapathSummary | undefined>;

  constructor(name: string, args: VerificationArgs, opts?: pulumi.ComponentResourceOptions) {
    super("cilium-modes:index:Verification", name, {}, opts);
    const { verify = DEFAULTS.verify, when = DEFAULTS.verifyWhen } = args;
    checkChoice(name, "verify", verify, VERIFY);
    checkChoice(name, "when", when, VERIFY_WHEN);
    const verified = verify === "off" ? afterWorkload(args.workload, NOT_VERIFIED) : this.run(name, args, verify);
    this.summary = verified.apply(({ datapath: _, ...summary }) => summary);
    this.datapath = verified.apply(({ datapath }) => datapath);
    this.registerOutputs({ summary: this.summary, datapath: this.datapath });
  }

  private run(name: string, args: VerificationArgs, verify: "strict" | "warn"): pulumi.Output<Verified> {
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
          CILIUM_MODES_MAX_NODES: pulumi.interpolate`${maxNodes}`,
          CILIUM_MODES_SETTLE_SECONDS: String(SETTLE_SECONDS),
          CILIUM_MODES_REVISION: pulumi.interpolate`${cilium.revision}`,
          // a change runs the command again
          CILIUM_MODES_CAUSE: pulumi.interpolate`${cluster.condition} image ${workload.image}`,
          ...(when === "always" ? { CILIUM_MODES_RUN: STARTED.toISOString() } : {}),
        },
        logging: "stderr",
        addPreviousOutputInEnv: false,
      },
      { ...inCluster(cluster, this), dependsOn: [cilium, workload] },
    );
    // the kubeconfig in the environment makes the output secret, although it holds none
    return pulumi.unsecret(verified.stdout).apply((stdout) => JSON.parse(stdout) as Verified);
  }
}

/** What the command prints. */
interface Verified extends VerificationSummary {
  /** Undefined in what older versions printed. */
  readonly datapath?: DatapathSummary | undefined;
}

const NOT_VERIFIED: Verified = {
  verdict: "off",
  proof: "off",
  causes: [],
  counts: {},
  seconds: 0,
  checks: {},
};

/** Log whether this run or an earlier one verified the cluster. Previews log nothing. */
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

/** The time since then, in a unit that fits. */
function age(now: Date, then: Date): string {
  const minutes = Math.max(0, Math.round((now.getTime() - then.getTime()) / 60_000));
  if (minutes < 120) return AGES.format(-minutes, "minute");
  const hours = Math.round(minutes / 60);
  return hours < 48 ? AGES.format(-hours, "hour") : AGES.format(-Math.round(hours / 24), "day");
}

function afterWorkload<T>(workload: NettoolWorkload, value: T): pulumi.Output<T> {
  return workload.names.apply(() => value);
}
