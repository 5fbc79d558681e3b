// npm start [-- <stack> [--timings <file>]]: from a fresh machine to a stack that is up and verified.
import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { hasPassphrase, isLoggedIn } from "../cli/ownEnvironment.mjs";
import { begin, FILE, RUN, steps } from "../host/timings.cjs";
import { obtainKind } from "./kind.mjs";
import { releaseStaleLock } from "./lock.mjs";
import { missingForStart } from "./preflight.mjs";
import {
  askCli,
  dependenciesOutdated,
  hasSecrets,
  installDependencies,
  isFound,
  knownStacks,
  obtainPulumi,
  pathOfUser,
  readOutputs,
  readSetting,
  runCli,
  runPulumi,
} from "./project.mjs";

const at = steps("npm start");
const stack = takeArguments();
if (stack === undefined || !beginTimings()) process.exitCode = 2;
else {
  process.exitCode = await start();
  at(undefined);
  if (process.env[FILE]) console.log(`Timings: ${process.env[FILE]} (open it in https://ui.perfetto.dev)`);
}

/** The stack of the command line; undefined after a message. */
function takeArguments() {
  try {
    // npm takes options before -- for itself
    if (process.env.npm_config_timings !== undefined) throw new Error("npm has taken --timings for itself");
    const { positionals, values } = parseArgs({ options: { timings: { type: "string" } }, allowPositionals: true });
    const [name = "ebpf", ...others] = positionals;
    if (others.length > 0) throw new Error(`npm start takes one stack (got ${positionals.join(", ")})`);
    if (values.timings === "" || knownStacks().includes(values.timings))
      throw new Error(`--timings needs a file (got ${JSON.stringify(values.timings)})`);
    if (values.timings !== undefined) process.env[FILE] = pathOfUser(values.timings);
    return name;
  } catch ({ message }) {
    console.error(`${message.split(/\.\s/)[0]}; run: npm start -- [stack] [--timings <file>]`);
    return undefined;
  }
}

/** Begin the file of timings, if one is wanted. @returns false after a message */
function beginTimings() {
  if (!process.env[FILE]) return true;
  process.env[RUN] = randomUUID();
  try {
    begin(process.env[FILE], `npm start: ${stack}`, process.env[RUN]);
    return true;
  } catch ({ message }) {
    console.error(message);
    return false;
  }
}

async function start() {
  at("programs and network");
  const { problems: missing, canInstall } = await missingForStart(stack);
  if (missing.length > 0) {
    const isInstalled = showPlan(canInstall);
    const problems = ["Nothing was started, because this machine lacks:", ...missing.map((line) => `  - ${line}`)];
    console.error(problems.join("\n"));
    if (isInstalled) showDemo();
    return 1;
  }
  at("npm ci");
  if (installDependencies() !== 0) return 1;
  at("kind and Pulumi");
  if (!isFound("kind")) {
    try {
      await obtainKind();
    } catch (error) {
      console.error(`kind could not be obtained: ${error.message}`);
      return 1;
    }
  }
  if (!obtainPulumi()) return 1;
  const isExamined = !hasSecrets(stack);
  if (!isExamined) console.log(`Pulumi.${stack}.yaml has secrets, so only Pulumi checks what the stack needs`);
  else if (!isPossible()) return 1;
  if (!isLoggedIn())
    console.log(
      `You are not logged in to Pulumi: the stack's state is kept in .cilium-modes/state${hasPassphrase() ? "" : ", with an empty passphrase"}`,
    );
  const started = new Date();
  at("pulumi stack select");
  let code = (await runPulumi(["stack", "select", "--create", stack])) || (await releaseStaleLock(stack));
  if (code !== 0) return code;
  at("pulumi up");
  // nobody is asked, so a preview would only evaluate the program twice
  code = await runPulumi(["up", "--yes", "--skip-preview", "--stack", stack], {
    // doctor has given the warnings about this machine
    environment: isExamined ? { CILIUM_MODES_EXAMINED: "true" } : {},
    isNoise: isBuildStep,
  });
  if (code !== 0) return code;
  at("pulumi stack output");
  const outputs = readOutputs(stack);
  const { clusterName, nodes = [], cilium } = outputs;
  const verified = verifyRunning(outputs.verification ?? {}, started);
  console.log(
    [
      "",
      `The stack ${stack} is up: cluster ${clusterName}, ${nodes.length === 1 ? "1 node" : `${nodes.length} nodes`}, Cilium ${cilium?.version}.`,
      verified.words,
      "Next:",
      `  npx cilium-modes trace ${stack}`,
      `  eval "$(npx cilium-modes env ${stack})" && kubectl get pods -A`,
      `  npm run pulumi -- destroy -s ${stack}`,
    ].join("\n"),
  );
  return verified.code;
}

/** Whether a line of Pulumi only repeats a layer of the workload's image, of which each changes many times. */
function isBuildStep(line) {
  return /docker:index:Image .*sha256:[0-9a-f]{12}/.test(line) || /^ *(digest: )?sha256:[0-9a-f]{64}/.test(line);
}

/**
 * Verify the running cluster, unless this run's `pulumi up` did: a run without changes does not verify, and its output
 * holds an earlier verdict. Returns the exit code, and the verdict with its time.
 */
function verifyRunning(last, started) {
  if (last.verdict === "off")
    return { code: 0, words: `It was not verified (verify: off). To verify it: npx cilium-modes verify ${stack}` };
  const didUp = new Date(last.verifiedAt) >= started;
  if (!didUp && hasSecrets(stack)) {
    const words = "It was not verified in this run: only Pulumi can read its secrets. Set verifyWhen: always";
    return { code: 0, words };
  }
  if (!didUp) {
    console.log("\nNothing has changed, so pulumi up did not verify again. Verifying the running cluster:");
    at("verify");
  }
  const code = didUp ? (last.verdict === "pass" ? 0 : 1) : runCli("verify", stack);
  const time = (didUp ? new Date(last.verifiedAt) : new Date()).toISOString().slice(0, 16).replace("T", " ");
  const result = didUp ? (last.proof ?? last.verdict) : code === 0 ? "proven" : "not proven, see above";
  return {
    code: readSetting(stack, "verify") === "warn" ? 0 : code,
    words: `Verified at ${time} UTC by ${didUp ? "pulumi up" : "cilium-modes verify"}. Mode in force: ${result}`,
  };
}

/** Check whether this machine can run the stack; where it cannot, show the plan and the problems. */
function isPossible() {
  at("plan");
  const plan = askCli("plan", stack);
  if (plan.status !== 0) {
    console.error(plan.stderr.trim());
    return false;
  }
  at("doctor");
  const { status, stdout, stderr } = askCli("doctor", stack, "--quiet");
  if (status === 0) {
    process.stdout.write(stdout);
    return true;
  }
  console.log(`${plan.stdout.trimEnd()}\n`);
  console.error(stdout.trim() || stderr.trim());
  console.error("See what a running cluster looks like: npx cilium-modes demo");
  return false;
}

/** Show what the commands say of a cluster that runs, from a recording. */
function showDemo() {
  console.error("\nUntil then, this is what a running cluster looks like:\n");
  runCli("demo", "--no-open");
}

/** Show what the stack would create, for which the dependencies are enough. @returns whether they are installed */
function showPlan(canInstall) {
  if (!knownStacks().includes(stack)) return false;
  if (dependenciesOutdated() && !(canInstall && installDependencies() === 0)) return false;
  const { status, stdout, stderr } = askCli("plan", stack);
  if (status === 0) console.log(`${stdout.trimEnd()}\n`);
  else console.error(`${stderr.trim()}\n`);
  return true;
}
