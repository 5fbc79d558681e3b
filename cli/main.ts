import { Command, CommanderError } from "commander";
import { createColors } from "picocolors";
import { SCENARIOS } from "../modes/tracePaths";
import { endWithParent } from "./parent";

const SET_HELP = "try a setting, as pulumi config set would store it; may be repeated";

const DOCTOR_EXAMPLES = `
Examples:
  cilium-modes doctor
  cilium-modes doctor kubeproxy --quiet
  cilium-modes doctor ebpf --set cluster.workers=5 --json`;

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
  cilium-modes verify --kubeconfig ~/.kube/config --expect replacement`;

const DRILL_EXAMPLES = `
Examples:
  cilium-modes drill --list
  cilium-modes drill ebpf --fault neighbor-wrong
  cilium-modes drill ebpf --class programs --json
  cilium-modes drill ebpf --undo`;

const TRACE_EXAMPLES = `
Examples:
  cilium-modes trace ebpf
  cilium-modes trace kubeproxy --to serversvc --html walk.html
  cilium-modes trace kubeproxy --compare replacement,ebpf --scenario nodeport-other`;

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
  cilium-modes compare --up --no-growth --out today.json
  cilium-modes compare ebpf --baseline before.json --threshold 15`;

const { bold, cyan } = createColors(true);

const collect = (value: string, previous: string[] = []) => [...previous, value];

/** The `cilium-modes` command; each verb's code is loaded when it runs. */
export function program(argv: readonly string[] = []): Command {
  const command = new Command("cilium-modes")
    .description("Cilium's routing modes on kind: look at a stack before, and work on it after, pulumi up")
    .showHelpAfterError("(--help shows what there is)")
    // commander leaves colours out where they cannot be shown
    .configureHelp({ styleTitle: bold, styleCommandText: cyan, styleOptionTerm: cyan, styleSubcommandTerm: cyan })
    .exitOverride();

  command
    .command("doctor")
    .description("what this machine can run, and what stands in a stack's way; exit code 1 when something does")
    .argument("[stack]", "name of a stack file Pulumi.<stack>.yaml", "ebpf")
    .option("--set <key=value>", SET_HELP, collect)
    .option("--quiet", "only what is wrong or worth knowing")
    .option("--json", "everything as JSON")
    .addHelpText("after", DOCTOR_EXAMPLES)
    .action(async (stack: string, options: import("./doctor").DoctorOptions) => {
      if (!(await (await import("./doctor")).doctor(stack, options))) process.exitCode = 1;
    });

  command
    .command("plan")
    .description("what a stack would build and what must come of it; without a cluster, Pulumi or the network")
    .argument("<stacks...>", "name of a stack file Pulumi.<stack>.yaml; two with --diff")
    .option("--set <key=value>", SET_HELP, collect)
    .option("--values", "Helm values as YAML, for helm -f")
    .option("--kind-config", "kind's configuration as YAML, for kind create cluster --config")
    .option("--contract", "what cilium-config, the agents and the nodes must show, as YAML")
    .option("--images", "every image that the cluster runs, a line each")
    .option("--json", "everything as JSON")
    .option("--diff", "what separates two stacks")
    .addHelpText("after", PLAN_EXAMPLES)
    .action(async (stacks: string[], options: import("./plan").PlanOptions) => {
      (await import("./plan")).plan(stacks, options);
    });

  command
    .command("verify")
    .description(
      "Verify, with evidence, that a running cluster matches its stack; exit code 0 only when its mode is proven",
    )
    .argument("[stack]", "name of a stack file Pulumi.<stack>.yaml; none with --expect")
    .option("--kubeconfig <file>", "kubeconfig of the cluster; default: kind's for the stack's cluster")
    .option("--expect <mode>", "Expected mode of an external cluster, instead of a stack")
    .option(
      "--tunnel <tunnel>",
      "with --expect: disabled, vxlan or geneve; default: what the cluster is configured for",
    )
    .option("--set <key=value>", SET_HELP, collect)
    .option("--only <id>", "Run only this check; may be repeated", collect)
    .option("--skip <id>", "Skip this check; may be repeated", collect)
    .option("--quick", "Run the essential checks only, with small packets and fewer tries")
    .option("--with-workload", "Bring probe pods to an external cluster, and remove them afterwards")
    .option("--workload-image <image>", "Image of these probe pods, with perl; default: the Cilium agent's")
    .option("--accept <proof>", "Weakest proof for exit code 0: proven or reported; default: proven")
    .option("--settle-seconds <seconds>", "Time for a cluster to settle; 0 looks once", Number, 15)
    .option("--max-nodes <nodes>", "Sample a larger cluster; default: the stack's verifyNodes, or 20", Number)
    .option("--all", "Show every finding instead of a line for each check")
    .option("--quiet", "Show only what is wrong")
    .option("--json", "Print everything as JSON")
    .option("--junit <file>", "Write a JUnit report too")
    .option(
      "--diagnostics <folder>",
      "Folder for a failure's diagnostics; default: a new one in .cilium-modes/diagnostics",
    )
    .option("--no-diagnostics", "Write no diagnostics")
    .addHelpText("after", VERIFY_EXAMPLES)
    .action(async (stack: string | undefined, options: import("./verify").VerifyOptions) => {
      process.exitCode = await (await import("./verify")).verify(stack, options);
    });

  command
    .command("drill")
    .description("Inject faults into a stack's own kind cluster and report which of them verify catches")
    .argument("[stack]", "name of a stack file Pulumi.<stack>.yaml; none with --list")
    .option("--fault <name>", "inject this fault; may be repeated", collect)
    .option("--class <class>", "inject the faults of this class; may be repeated", collect)
    .option("--all", "inject every fault that applies to the stack's mode")
    .option("--list", "list the faults; needs no cluster")
    .option("--undo", "only undo the fault that an interrupted drill left")
    .option("--set <key=value>", SET_HELP, collect)
    .option("--json", "print the results, or the list, as JSON")
    .addHelpText("after", DRILL_EXAMPLES)
    .action(async (stack: string | undefined, options: import("./drill").DrillOptions) => {
      if (!(await (await import("./drill")).drill(stack, options))) process.exitCode ??= 1;
    });

  command
    .command("trace")
    .description("follow one packet and its answer through the cluster, and hold their way against the mode's")
    .argument("<stack>", "name of a stack file Pulumi.<stack>.yaml")
    .option("--scenario <name>", `all, or one of ${Object.keys(SCENARIOS).join(", ")}; default: cross-node`)
    .option("--from <name>", "who sends: a pod of the workload, or a node; default: net")
    .option("--to <name>", "what is asked: serversvc, a pod, or an address with or without :port")
    .option("--compare <stacks>", "further stacks, by commas, whose walks are shown beside this one's")
    .option("--set <key=value>", SET_HELP, collect)
    .option("--json", "everything as JSON")
    .option("--html <file>", "a page to step through the way, hop by hop")
    .option("--svg <file>", "the drawing alone")
    .option("--mermaid", "the drawing as text for Markdown")
    .option("--pcap <folder>", "what was captured, a file for each node and pod, for Wireshark")
    .addHelpText("after", TRACE_EXAMPLES)
    .action(async (stack: string, options: import("./trace").TraceOptions) => {
      if (!(await (await import("./trace")).trace(stack, options))) process.exitCode = 1;
    });

  command
    .command("observe")
    .description(
      "the flows that the agents see, without Hubble's relay: by hubble in their image, else by cilium monitor",
    )
    .argument("<stack>", "name of a stack file Pulumi.<stack>.yaml")
    .option("--from <name>", "between this end and the other: a pod, a node, a service or an address")
    .option("--to <name>", "the other end")
    .option("--dropped", "only what was dropped")
    .option("--follow", "go on until Ctrl-C")
    .option("--last <number>", "how many flows are shown without --follow", Number, 50)
    .option("--seconds <seconds>", "how long agents without hubble are listened to", Number, 5)
    .option("--probe", "let the client pod net ask the workload's service meanwhile, once a second")
    .option("--set <key=value>", SET_HELP, collect)
    .option("--kubeconfig <file>", "kubeconfig of the cluster; default: kind's for the stack's cluster")
    .option("--json", "a JSON object a line")
    .addHelpText("after", OBSERVE_EXAMPLES)
    .action(async (stack: string, options: import("./observe").ObserveOptions) => {
      if (!(await (await import("./observe")).observe(stack, options))) process.exitCode = 1;
    });

  command
    .command("watch")
    .description("Send every kind of flow continuously and report losses; exit code 1 when a flow is interrupted")
    .argument("<stack>", "name of a stack file Pulumi.<stack>.yaml")
    .option("--seconds <seconds>", "how long to watch; default: until Ctrl-C", Number)
    .option("--while <command>", "shell command to run meanwhile; the watch ends 5 s after it")
    .option("--interval-ms <ms>", "time between two probes of a flow, 20 to 1000", Number, 100)
    .option("--baseline-seconds <seconds>", "measure first what is usual on this machine", Number, 5)
    .option("--set <key=value>", SET_HELP, collect)
    .option("--json", "print the report as JSON")
    .addHelpText("after", WATCH_EXAMPLES)
    .action(async (stack: string, options: import("./watch").WatchOptions) => {
      if (!(await (await import("./watch")).watch(stack, options))) process.exitCode = 1;
    });

  command
    .command("hubble-ui")
    .description(
      "open the way to the Hubble UI of a stack's cluster (settings hubble.relay and hubble.ui), until Ctrl-C",
    )
    .argument("<stack>", "name of a stack file Pulumi.<stack>.yaml")
    .option("--port <port>", "port of this machine; 0 lets it choose", Number, 12000)
    .option("--set <key=value>", SET_HELP, collect)
    .option("--kubeconfig <file>", "kubeconfig of the cluster; default: kind's for the stack's cluster")
    .addHelpText("after", HUBBLE_UI_EXAMPLES)
    .action(async (stack: string, options: import("./hubbleUi").HubbleUiOptions) => {
      await (await import("./hubbleUi")).hubbleUi(stack, options);
    });

  command
    .command("compare")
    .description("what tells stacks' clusters apart, and what each is worth on this machine: evidence and measurements")
    .argument("[stacks...]", "names of stack files Pulumi.<stack>.yaml; default: all whose cluster is up")
    .option("--up", "bring up, measure and destroy one stack after the other; default: the three modes")
    .option("--rounds <number>", "how often everything is measured", Number, 5)
    .option("--seconds <seconds>", "how long each benchmark runs in each round", Number, 2)
    .option("--no-benchmarks", "only what tells the clusters apart, and the growth series")
    .option(
      "--services <numbers>",
      "numbers of Services of the growth series; default: 1,10,100,1000,5000, and none in clusters that exist",
    )
    .option("--no-growth", "without the growth series")
    .option("--set <key=value>", SET_HELP, collect)
    .option("--baseline <file>", "results to hold these against; exit code 1 for what is worse")
    .option("--threshold <percent>", "with --baseline: by how much worse", Number, 10)
    .option("--out <file>", "where the results go; default: a new file in .cilium-modes/comparisons")
    .option("--from <file>", "show results again instead of measuring")
    .option("--html <file>", "a report to read and to share")
    .option("--markdown <file>", "the same as Markdown")
    .option("--json", "the results as JSON")
    .addHelpText("after", COMPARE_EXAMPLES)
    .action(async (stacks: string[], options: import("./compare").CompareOptions) => {
      if (!(await (await import("./compare")).compare(stacks, options))) process.exitCode = 1;
    });

  const images = command
    .command("images")
    .description("a stack's images through one archive, for machines without a registry")
    .addHelpText("after", IMAGES_EXAMPLES);
  images
    .command("save")
    .description("save every image of a stack's cluster, after pulling or building those that Docker lacks")
    .argument("<stack>", "name of a stack file Pulumi.<stack>.yaml")
    .argument("<archive>", "file to write")
    .option("--set <key=value>", SET_HELP, collect)
    .option("--json", "what was saved, and the settings, as JSON")
    .action(async (stack: string, archive: string, options: import("./images").ImagesOptions) =>
      (await import("./images")).save(stack, archive, options),
    );
  images
    .command("load")
    .description("load an archive into Docker, and into the nodes of a stack's cluster that lack its images")
    .argument("<archive>", "file that images save wrote")
    .argument("[stack]", "stack whose nodes get the images, and whose settings for them are told")
    .option("--set <key=value>", SET_HELP, collect)
    .option("--json", "what was loaded, and the settings, as JSON")
    .action(async (archive: string, stack: string | undefined, options: import("./images").ImagesOptions) =>
      (await import("./images")).load(archive, stack, options),
    );

  command
    .command("complete")
    .description("a script by which a shell completes this command's verbs, options and stacks")
    .argument("[shell]", "bash, zsh, fish or powershell")
    .allowUnknownOption()
    .allowExcessArguments()
    .addHelpText("after", COMPLETE_EXAMPLES)
    .action(async () => {
      await (await import("./complete")).complete(program(), argv.slice(1));
    });

  // run by the stacks' resources, with their inputs in the environment
  const ofResources = {
    "await-cilium": async () => (await import("./awaitCilium")).awaitCilium(),
    "inspect-cluster": async () => (await import("./inspectCluster")).inspectCluster(),
    "verify-stack": async () => (await import("./verifyStack")).verifyStack(),
  };
  for (const [verb, run] of Object.entries(ofResources)) {
    command.command(verb, { hidden: true }).action(async () => {
      endWithParent();
      await run();
    });
  }
  return command;
}

/** Run the command line; what goes wrong is one message and an exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    await program(argv).parseAsync(argv, { from: "user" });
  } catch (error) {
    // commander has told its own errors
    if (!(error instanceof CommanderError)) console.error((error as Error).message);
    process.exitCode = error instanceof CommanderError ? error.exitCode && 2 : 1;
  }
}
