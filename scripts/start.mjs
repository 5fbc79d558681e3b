// npm start [-- <stack>]: from a fresh machine to a stack that has been brought up and has answered.
import { downloadKind } from "./kind.mjs";
import { missingForStart } from "./preflight.mjs";
import {
  askCli,
  dependenciesOutdated,
  hasPassphrase,
  hasSecrets,
  installDependencies,
  isFound,
  isLoggedIn,
  knownStacks,
  obtainPulumi,
  readOutput,
  readSetting,
  runCli,
  runPulumi,
} from "./project.mjs";

const stack = process.argv[2] ?? "ebpf";

process.exitCode = await start();

async function start() {
  const { problems: missing, canInstall } = await missingForStart(stack);
  if (missing.length > 0) {
    showPlan(canInstall);
    console.error(
      [
        "This machine lacks what cannot be obtained from here; nothing was started:",
        ...missing.map((line) => `  - ${line}`),
      ].join("\n"),
    );
    return 1;
  }
  if (installDependencies() !== 0) return 1;
  if (!isFound("kind")) {
    try {
      await downloadKind();
    } catch (error) {
      console.error(`kind could not be obtained: ${error.message}`);
      return 1;
    }
  }
  if (!obtainPulumi()) return 1;
  if (hasSecrets(stack)) console.log(`Pulumi.${stack}.yaml has secrets: Pulumi alone looks at what the stack needs`);
  else if (!isPossible()) return 1;
  if (!isLoggedIn())
    console.log(
      `Nobody is logged in to Pulumi: the stack's state is kept in .cilium-modes/state${hasPassphrase() ? "" : ", with an empty passphrase"}`,
    );
  const started = new Date();
  const code =
    (await runPulumi(["stack", "select", "--create", stack])) || (await runPulumi(["up", "--yes", "--stack", stack]));
  if (code !== 0) return code;
  const verified = verifyRunning(started);
  const [url] = readOutput(stack, "nodePortUrls") ?? [];
  console.log(
    [
      "",
      `The stack ${stack} is up. ${verified.words}`,
      "What next:",
      ...(url === undefined ? [] : [`  curl ${url}`]),
      `  npm run pulumi -- stack output -s ${stack}`,
      `  npm run --silent pulumi -- stack output kubeconfig --show-secrets -s ${stack} > kubeconfig.yaml`,
      `  npm run pulumi -- preview -s ${stack}`,
      `  npm run pulumi -- destroy -s ${stack}`,
    ].join("\n"),
  );
  return verified.code;
}

/**
 * Verify the running cluster, unless this run's `pulumi up` did: without changes it does not, and its output has an
 * earlier run's verdict. Returns the exit code, and what was found and when.
 */
function verifyRunning(started) {
  const last = readOutput(stack, "verification") ?? {};
  if (last.verdict === "off")
    return { code: 0, words: `It was not verified (verify: off). To verify it: npx cilium-modes verify ${stack}` };
  const didUp = new Date(last.verifiedAt) >= started;
  if (!didUp && hasSecrets(stack)) {
    const words = "It was not verified in this run: only Pulumi can read its secrets. Set verifyWhen: always";
    return { code: 0, words };
  }
  if (!didUp) console.log("\nNothing has changed, so pulumi up did not verify again. Verifying the running cluster:");
  const code = didUp ? (last.verdict === "pass" ? 0 : 1) : runCli("verify", stack);
  const time = (didUp ? new Date(last.verifiedAt) : new Date()).toISOString().slice(0, 16).replace("T", " ");
  const result = didUp ? (last.proof ?? last.verdict) : code === 0 ? "proven" : "not proven, see above";
  return {
    code: readSetting(stack, "verify") === "warn" ? 0 : code,
    words: `Verified at ${time} UTC by ${didUp ? "pulumi up" : "cilium-modes verify"}. Mode in force: ${result}`,
  };
}

/** Whether this machine can run the stack; where it cannot, the plan is shown with what stands in the way. */
function isPossible() {
  const plan = askCli("plan", stack);
  if (plan.status !== 0) {
    console.error(plan.stderr.trim());
    return false;
  }
  const { status, stdout, stderr } = askCli("doctor", stack, "--quiet");
  if (status === 0) {
    process.stdout.write(stdout);
    return true;
  }
  console.log(`${plan.stdout.trimEnd()}\n`);
  console.error(stdout.trim() || stderr.trim());
  return false;
}

/** What the stack would build, which needs nothing but the dependencies. */
function showPlan(canInstall) {
  if (!knownStacks().includes(stack)) return;
  if (dependenciesOutdated() && !(canInstall && installDependencies() === 0)) return;
  const { status, stdout, stderr } = askCli("plan", stack);
  if (status === 0) console.log(`${stdout.trimEnd()}\n`);
  else console.error(`${stderr.trim()}\n`);
}
