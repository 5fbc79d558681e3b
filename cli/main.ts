import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import { createColors } from "picocolors";
import { PACKAGE_DIRECTORY } from "../host/packageFile";
import { SCENARIOS } from "../modes/tracePaths";
import { endWithParent } from "./parent";
import { HABITS, UsageError } from "./usage";

const STACK = "Name of a stack: its file is Pulumi.<stack>.yaml";
const SET = "Override a setting, as pulumi config set would store it; may be repeated";
const KUBECONFIG = "Kubeconfig of the cluster; default: kind's for the stack's cluster";

const DOCTOR_EXAMPLES = `
Examples:
  cilium-modes doctor
  cilium-modes doctor kubeproxy --quiet
  cilium-modes doctor ebpf --set cluster.workers=5 --json`;

const STATUS_EXAMPLES = `
Examples:
  cilium-modes status
  cilium-modes status ebpf --json`;

const ENV_EXAMPLES = `
Examples:
  eval "$(cilium-modes env ebpf)"
  cilium-modes env ebpf --shell fish | source`;

const PLAN_EXAMPLES = `
Examples:
  cilium-modes plan ebpf
  cilium-modes plan ebpf --set tunnel=vxlan --values
  cilium-modes plan --diff kubeproxy ebpf`;

const HUBBLE_UI_EXAMPLES = `
Examples:
  cilium-modes hubble-ui ebpf
  cilium-modes hubble-ui ebpf --port 0`;

const IMAGES_EXAMPLES = `
Examples:
  cilium-modes images save ebpf ebpf.tar
  cilium-modes images load ebpf.tar ebpf`;

const COMPLETE_EXAMPLES = `
Examples:
  source <(cilium-modes complete bash)
  cilium-modes complete fish > ~/.config/fish/completions/cilium-modes.fish`;

const VERIFY_EXAMPLES = `
Examples:
  cilium-modes verify ebpf
  cilium-modes verify ebpf --only status --only routes --json
  cilium-modes verify --kubeconfig ~/.kube/config --expect replacement
  cilium-modes verify prod.json.gz --expect ebpf`;

const INSPECT_EXAMPLES = `
Examples:
  cilium-modes inspect
  cilium-modes inspect ebpf --html datapath.html
  cilium-modes inspect --context prod --save prod.json.gz
  cilium-modes inspect cilium-sysdump-20261130-054029.zip
  cilium-modes inspect --diff kubeproxy ebpf`;

const DRILL_EXAMPLES = `
Examples:
  cilium-modes drill --list
  cilium-modes drill ebpf --fault neighbor-wrong
  cilium-modes drill ebpf --class programs --json
  cilium-modes drill ebpf --undo`;

const DEMO_EXAMPLES = `
Examples:
  cilium-modes demo
  cilium-modes demo --fault ip-forward-off --no-open`;

const TRACE_EXAMPLES = `
Examples:
  cilium-modes trace ebpf
  cilium-modes trace kubeproxy --to serversvc --html trace.html
  cilium-modes trace kubeproxy --compare replacement,ebpf --scenario nodeport-other
  cilium-modes trace dual --ipv6 --scenario all`;

const OBSERVE_EXAMPLES = `
Examples:
  cilium-modes observe ebpf --probe --from net
  cilium-modes observe ebpf --follow --dropped
  cilium-modes observe kubeproxy --from net --to serversvc --json`;

const WATCH_EXAMPLES = `
Examples:
  cilium-modes watch ebpf --seconds 60
  cilium-modes watch ebpf --while "npm run pulumi -- up --yes -s ebpf"
  cilium-modes watch ebpf --while "docker restart cilium-modes-ebpf-worker" --json`;

const COMPARE_EXAMPLES = `
Examples:
  cilium-modes compare
  cilium-modes compare kubeproxy ebpf --rounds 7 --html report.html
  cilium-modes compare ebpf ebpf:tunnel=vxlan ebpf:loadBalancer.mode=dsr,loadBalancer.algorithm=maglev
  cilium-modes compare --up --no-growth --out today.json
  cilium-modes compare ebpf --baseline before.json --threshold 15`;

/** Width of help texts outside a terminal, without COLUMNS. */
const HELP_COLUMNS = 80;

const { bold, cyan } = createColors(true);

function helpWidth(stream: NodeJS.WriteStream): number {
  const { lookOf }: typeof import("./environment") = require("./environment");
  return lookOf(stream).columns ?? HELP_COLUMNS;
}

const collect = (value: string, previous: string[] = []) => [...previous, value];

/** The `cilium-modes` command. The code of each verb is loaded when it runs. */
export function program(argv: readonly string[] = []): Command {
  const command = new Command("cilium-modes")
    .description("Preview, verify, trace and compare Cilium's routing modes on kind")
    .version(version(), "-V, --version", "Print the version")
    .helpOption("-h, --help", "Show this help")
    .helpCommand("help [command]", "Show the help of a command")
    .showHelpAfterError("(--help lists commands and options)")
    .configureOutput({
      getOutHelpWidth: () => helpWidth(process.stdout),
      getErrHelpWidth: () => helpWidth(process.stderr),
    })
    // commander leaves colors out where they cannot be shown, and by default wraps no description narrower than 40
    .configureHelp({
      styleTitle: bold,
      styleCommandText: cyan,
      styleOptionTerm: cyan,
      styleSubcommandTerm: cyan,
      minWidthToWrap: 20,
    })
    .exitOverride();

  command
    .command("doctor")
    .description("Check whether this machine can run a stack; exit code 1 when it cannot")
    .argument("[stack]", STACK, "ebpf")
    .option("--set <key=value>", SET, collect)
    .option("--quiet", "Show only problems and warnings")
    .option("--json", "Print everything as JSON")
    .addHelpText("after", DOCTOR_EXAMPLES)
    .action(async (stack: string, options: import("./doctor").DoctorOptions) => {
      const { doctor }: typeof import("./doctor") = require("./doctor");
      if (!(await doctor(stack, options))) process.exitCode = 1;
    });

  command
    .command("status")
    .description("Show which stacks are up, in which mode, and when they were verified")
    .argument("[stacks...]", "Names of stacks; default: all that have a file")
    .option("--json", "Print everything as JSON")
    .addHelpText("after", STATUS_EXAMPLES)
    .action(async (stacks: string[], options: import("./status").StatusOptions) => {
      const { status }: typeof import("./status") = require("./status");
      return status(stacks, options);
    });

  command
    .command("env")
    .description("Print the shell variables for a stack: Pulumi's state and the cluster's kubeconfig")
    .argument("[stack]", STACK, "ebpf")
    .option("--shell <shell>", "sh, bash, zsh, fish or powershell; default: the shell in the variable SHELL")
    .option("--set <key=value>", SET, collect)
    .addHelpText("after", ENV_EXAMPLES)
    .action(async (stack: string, options: import("./env").EnvOptions) => {
      const { env }: typeof import("./env") = require("./env");
      return env(stack, options);
    });

  command
    .command("plan")
    .description("Preview what a stack creates and which datapath to expect; needs no cluster, Pulumi or network")
    .argument("<stacks...>", `${STACK}; two stacks with --diff`)
    .option("--set <key=value>", SET, collect)
    .option("--values", "Print the Helm values as YAML, for helm -f")
    .option("--kind-config", "Print kind's configuration as YAML, for kind create cluster --config")
    .option("--contract", "Print the expected cilium-config, agent status and node state as YAML")
    .option("--images", "Print every image that the cluster runs, one per line")
    .option("--json", "Print everything as JSON")
    .option("--diff", "Show the differences between two stacks")
    .addHelpText("after", PLAN_EXAMPLES)
    .action(async (stacks: string[], options: import("./plan").PlanOptions) => {
      const { plan }: typeof import("./plan") = require("./plan");
      await plan(stacks, options);
    });

  command
    .command("verify")
    .description(
      "Verify, with evidence, that a running cluster matches its stack; exit code 0 only when its mode is proven",
    )
    .argument("[stack]", `${STACK}; with --expect: none, or a file of inspect --save`)
    .option("--kubeconfig <file>", KUBECONFIG)
    .option("--expect <mode>", "Expected mode of an external cluster, instead of a stack")
    .option(
      "--tunnel <tunnel>",
      "With --expect: disabled, vxlan or geneve; default: the tunnel that the cluster is configured for",
    )
    .option("--set <key=value>", SET, collect)
    .option("--only <id>", "Run only this check; may be repeated", collect)
    .option("--skip <id>", "Skip this check; may be repeated", collect)
    .option("--quick", "Run the essential checks only, with small packets and fewer tries")
    .option("--with-workload", "Deploy probe pods to an external cluster, and remove them afterwards")
    .option("--workload-image <image>", "Image of these probe pods, with perl; default: the Cilium agent's")
    .option("--accept <proof>", "Weakest proof for exit code 0: proven or reported; default: proven")
    .option("--settle-seconds <seconds>", "Time for a cluster to settle; 0 looks once", Number, 15)
    .option("--max-nodes <nodes>", "Sample a larger cluster; default: the stack's verifyNodes, or 20", Number)
    .option("--all", "Show every finding instead of a line for each check")
    .option("--quiet", "Show only failures")
    .option("--json", "Print everything as JSON")
    .option("--junit <file>", "Write a JUnit report too")
    .option(
      "--diagnostics <folder>",
      "Folder for a failure's diagnostics; default: a new one in .cilium-modes/diagnostics",
    )
    .option("--no-diagnostics", "Write no diagnostics")
    .addHelpText("after", VERIFY_EXAMPLES)
    .action(async (stack: string | undefined, options: import("./verify").VerifyOptions) => {
      const { verify }: typeof import("./verify") = require("./verify");
      process.exitCode = await verify(stack, options);
    });

  command
    .command("inspect")
    .description(
      "Show which datapath a cluster has: requested, configured, reported and observed; exit code 1 for a fallback, drift or contradiction",
    )
    .argument("[subjects...]", "Name of a stack, a file of --save, or a sysdump; default: the kubeconfig's cluster")
    .option("--kubeconfig <file>", "Kubeconfig of the cluster; default: KUBECONFIG, or ~/.kube/config")
    .option("--context <name>", "Context of the kubeconfig; default: its current one")
    .option("--max-nodes <nodes>", "Sample a larger cluster; default: 20", Number)
    .option("--probe", "Send traffic too, from the pods of this project's workload")
    .option("--all", "Also show features that are off")
    .option("--save <file>", "Save the evidence, to inspect it later or on another machine")
    .option("--html <file>", "Write a self-contained page, with the sources of each value")
    .option("--markdown", "Print Markdown, for a bug report")
    .option("--json", "Print everything as JSON")
    .option("--diff", "Show the differences between two subjects")
    .addHelpText("after", INSPECT_EXAMPLES)
    .action(async (subjects: string[], options: import("./inspect").InspectOptions) => {
      const { inspect }: typeof import("./inspect") = require("./inspect");
      process.exitCode = await inspect(subjects, options);
    });

  command
    .command("demo")
    .description("Show status, inspect, verify and trace on a recorded cluster; needs no Docker, Pulumi or network")
    .option("--fault <name>", "Show a cluster that was broken by this fault")
    .option("--html <file>", "Write the page of the trace to this file; default: a temporary one")
    .option("--no-open", "Do not open the page in a browser")
    .addHelpText("after", DEMO_EXAMPLES)
    .action(async (options: import("./demo").DemoOptions) => {
      const { demo }: typeof import("./demo") = require("./demo");
      return demo(options);
    });

  command
    .command("drill")
    .description("Inject faults into a stack's own kind cluster, undo them, and report which ones verify catches")
    .argument("[stack]", `${STACK}; none with --list`)
    .option("--fault <name>", "Inject this fault; may be repeated", collect)
    .option("--class <class>", "Inject the faults of this class; may be repeated", collect)
    .option("--all", "Inject every fault that applies to the stack's mode")
    .option("--list", "List the faults; needs no cluster")
    .option("--undo", "Only undo the fault that an interrupted drill left")
    .option("--set <key=value>", SET, collect)
    .option("--json", "Print the results, or the list, as JSON")
    .addHelpText("after", DRILL_EXAMPLES)
    .action(async (stack: string | undefined, options: import("./drill").DrillOptions) => {
      const { drill }: typeof import("./drill") = require("./drill");
      if (!(await drill(stack, options))) process.exitCode ??= 1;
    });

  command
    .command("trace")
    .description("Trace one packet hop by hop and compare its path with the mode's expected path")
    .argument("<stack>", STACK)
    .option("--scenario <name>", `Scenario: all, or one of ${Object.keys(SCENARIOS).join(", ")}; default: cross-node`)
    .option("--from <name>", "Sender: a pod of the workload, or a node; default: net")
    .option("--to <name>", "Target: serversvc, a pod, or an address with or without :port")
    .option("-6, --ipv6", "Trace by IPv6 addresses, in a dual-stack cluster")
    .option("--compare <stacks>", "Show the traces of further stacks, separated by commas, beside this one's")
    .option("--set <key=value>", SET, collect)
    .option("--json", "Print everything as JSON")
    .option("--html <file>", "Write a page that steps through the path, hop by hop")
    .option("--svg <file>", "Write the drawing alone")
    .option("--mermaid", "Print the drawing as text for Markdown")
    .option("--pcap <folder>", "Write the captured packets for Wireshark, a file for each node and pod")
    .addHelpText("after", TRACE_EXAMPLES)
    .action(async (stack: string, options: import("./trace").TraceOptions) => {
      const { trace }: typeof import("./trace") = require("./trace");
      if (!(await trace(stack, options))) process.exitCode = 1;
    });

  command
    .command("observe")
    .description("Show the flows that Cilium's agents see, without Hubble Relay")
    .argument("<stack>", STACK)
    .option("--from <name>", "Show only flows to or from this pod, node, Service or address")
    .option("--to <name>", "Show only flows whose other end is this one")
    .option("--dropped", "Show only dropped packets")
    .option("--follow", "Continue until Ctrl-C")
    .option("--last <number>", "Maximum number of flows to show without --follow", Number, 50)
    .option("--seconds <seconds>", "Time to listen to agents whose image has no hubble", Number, 5)
    .option("--probe", "Let the client pod net request the workload's Service meanwhile, once per second")
    .option("--set <key=value>", SET, collect)
    .option("--kubeconfig <file>", KUBECONFIG)
    .option("--json", "Print one JSON object per line")
    .addHelpText("after", OBSERVE_EXAMPLES)
    .action(async (stack: string, options: import("./observe").ObserveOptions) => {
      const { observe }: typeof import("./observe") = require("./observe");
      if (!(await observe(stack, options))) process.exitCode = 1;
    });

  command
    .command("watch")
    .description("Send every kind of flow continuously and report losses; exit code 1 when a flow is interrupted")
    .argument("<stack>", STACK)
    .option("--seconds <seconds>", "Duration of the watch; default: until Ctrl-C", Number)
    .option("--while <command>", "Run this shell command meanwhile; the watch ends 5 s after it")
    .option("--interval-ms <ms>", "Time between two probes of a flow, 20 to 1000 ms", Number, 100)
    .option("--baseline-seconds <seconds>", "Time to measure a baseline before the run", Number, 5)
    .option("--set <key=value>", SET, collect)
    .option("--json", "Print the report as JSON")
    .addHelpText("after", WATCH_EXAMPLES)
    .action(async (stack: string, options: import("./watch").WatchOptions) => {
      const { watch }: typeof import("./watch") = require("./watch");
      if (!(await watch(stack, options))) process.exitCode = 1;
    });

  command
    .command("hubble-ui")
    .description("Port-forward the Hubble UI of a stack's cluster; needs hubble.relay and hubble.ui")
    .argument("<stack>", STACK)
    .option("--port <port>", "Port on this machine; 0 for any free port", Number, 12000)
    .option("--set <key=value>", SET, collect)
    .option("--kubeconfig <file>", KUBECONFIG)
    .addHelpText("after", HUBBLE_UI_EXAMPLES)
    .action(async (stack: string, options: import("./hubbleUi").HubbleUiOptions) => {
      const { hubbleUi }: typeof import("./hubbleUi") = require("./hubbleUi");
      await hubbleUi(stack, options);
    });

  command
    .command("compare")
    .description("Compare configuration and performance of several stacks")
    .argument(
      "[stacks...]",
      "Names of stacks, or variants STACK:KEY=VALUE[,KEY=VALUE...], whose clusters exist during the comparison only; default: all stacks that are up",
    )
    .option("--up", "Bring up, measure and destroy one stack or variant after the other; default: the three modes")
    .option("--rounds <number>", "Maximum number of times to measure everything", Number, 5)
    .option("--full", "Measure everything in every round, also what more rounds cannot change")
    .option("--seconds <seconds>", "Duration of each benchmark in each round", Number, 1)
    .option("--no-benchmarks", "Skip the benchmarks")
    .option(
      "--include <kinds>",
      "More benchmarks: udp, outside (through another node), host (node to node), ipv6, separated by commas, or all",
    )
    .option(
      "--services <numbers>",
      "Numbers of Services of the growth series; default: 1,10,100,1000,5000, and none in external clusters",
    )
    .option("--no-growth", "Skip the growth series")
    .option("--set <key=value>", SET, collect)
    .option("--baseline <file>", "Compare with earlier results; exit code 1 when a result is worse")
    .option("--threshold <percent>", "With --baseline: how much worse a result must be to fail", Number, 10)
    .option("--out <file>", "File for the results; default: a new one in .cilium-modes/comparisons")
    .option("--from <file>", "Show earlier results again instead of measuring")
    .option("--html <file>", "Write a report as a page")
    .option("--markdown <file>", "Write a report as Markdown")
    .option("--json", "Print the results as JSON")
    .addHelpText("after", COMPARE_EXAMPLES)
    .action(async (stacks: string[], options: import("./compare").CompareOptions) => {
      const { compare }: typeof import("./compare") = require("./compare");
      if (!(await compare(stacks, options))) process.exitCode = 1;
    });

  const images = command
    .command("images")
    .description("Move a stack's images in one archive, to machines without a registry")
    .addHelpText("after", IMAGES_EXAMPLES);
  images
    .command("save")
    .description("Save every image of a stack's cluster, after pulling or building those that Docker lacks")
    .argument("<stack>", STACK)
    .argument("<archive>", "File to write")
    .option("--set <key=value>", SET, collect)
    .option("--json", "Print the saved images, and the settings to use them, as JSON")
    .action(async (stack: string, archive: string, options: import("./images").ImagesOptions) => {
      const { save }: typeof import("./images") = require("./images");
      return save(stack, archive, options);
    });
  images
    .command("load")
    .description("Load an archive into Docker, and into the nodes of a stack's cluster that lack its images")
    .argument("<archive>", "File that images save wrote")
    .argument("[stack]", "Stack whose nodes get the images")
    .option("--set <key=value>", SET, collect)
    .option("--json", "Print the loaded images, and the settings to use them, as JSON")
    .action(async (archive: string, stack: string | undefined, options: import("./images").ImagesOptions) => {
      const { load }: typeof import("./images") = require("./images");
      return load(archive, stack, options);
    });

  command
    .command("complete")
    .description("Print a shell's completion script")
    .argument("[shell]", "bash, zsh, fish or powershell")
    .allowUnknownOption()
    .allowExcessArguments()
    .addHelpText("after", COMPLETE_EXAMPLES)
    .action(async () => {
      const { complete }: typeof import("./complete") = require("./complete");
      await complete(program(), argv.slice(1));
    });

  for (const [verb, instead] of Object.entries(HABITS)) {
    command
      .command(verb, { hidden: true })
      .allowUnknownOption()
      .allowExcessArguments()
      .action((_options: object, { args }: Command) => {
        // also after Pulumi's -s
        const stack = args.find((word) => !word.startsWith("-")) ?? "ebpf";
        throw new UsageError(`cilium-modes has no command ${verb}; run: ${instead(stack)}`);
      });
  }

  // run by the stacks' resources, with their inputs in the environment
  const ofResources = {
    "inspect-cluster": async () => {
      const { inspectCluster }: typeof import("./inspectCluster") = require("./inspectCluster");
      return inspectCluster();
    },
    "verify-stack": async () => {
      const { verifyStack }: typeof import("./verifyStack") = require("./verifyStack");
      return verifyStack();
    },
  };
  for (const [verb, run] of Object.entries(ofResources)) {
    command.command(verb, { hidden: true }).action(async () => {
      endWithParent();
      await run();
    });
  }
  return command;
}

/** This package's version. */
function version(): string {
  const { version } = JSON.parse(readFileSync(join(PACKAGE_DIRECTORY, "package.json"), "utf8")) as { version: string };
  return version;
}

/** Run the command line. A failure is one message and an exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    await program(argv).parseAsync(argv, { from: "user" });
  } catch (error) {
    // commander has printed its own errors
    if (!(error instanceof CommanderError)) console.error((error as Error).message);
    process.exitCode = error instanceof CommanderError ? error.exitCode && 2 : error instanceof UsageError ? 2 : 1;
  }
}
