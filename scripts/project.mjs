import { spawn, spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { FOLDERS, ownEnvironment, ROOT, STATE } from "../cli/ownEnvironment.mjs";
import { FILE } from "../host/timings.cjs";

/** A path as the user means it, who may have typed the command in another folder than the one where npm runs it. */
export const pathOfUser = (file) => resolve(process.env.INIT_CWD ?? ".", file);

if (process.env[FILE]) process.env[FILE] = pathOfUser(process.env[FILE]);

/** Whether a program is on the PATH, or was obtained before. */
export function isFound(program) {
  return FOLDERS.some((folder) => isProgram(join(folder, program)));
}

function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** The stacks that have a settings file. */
export function knownStacks() {
  return readdirSync(ROOT).flatMap((file) => /^Pulumi\.([\w.-]+)\.yaml$/.exec(file)?.[1] ?? []);
}

/** Whether a stack's settings hold secrets, which only Pulumi can read. */
export function hasSecrets(stack) {
  return /\bsecure:\s/.test(readFileSync(join(ROOT, `Pulumi.${stack}.yaml`), "utf8"));
}

/** Whether node_modules is missing or older than package-lock.json. */
export function dependenciesOutdated() {
  const installed = join(ROOT, "node_modules", ".package-lock.json");
  return !existsSync(installed) || statSync(installed).mtimeMs < statSync(join(ROOT, "package-lock.json")).mtimeMs;
}

// standard output belongs to the command itself: npm run --silent pulumi -- stack output … > file
const PROGRESS = ["ignore", 2, 2];

/** Install the dependencies of package-lock.json unless they are. Returns npm's exit code. */
export function installDependencies() {
  if (!dependenciesOutdated()) return 0;
  console.error("Installing the dependencies (npm ci)");
  // npm's warnings are about packages of packages, which nobody here can change
  const args = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
  return spawnSync("npm", args, { cwd: ROOT, stdio: PROGRESS }).status ?? 1;
}

/** The environment that Pulumi runs in. */
function pulumiEnvironment(more = {}) {
  const own = ownEnvironment();
  if (own.PULUMI_BACKEND_URL !== undefined) mkdirSync(STATE, { recursive: true, mode: 0o700 });
  return { ...process.env, ...own, PULUMI_SKIP_UPDATE_CHECK: "true", ...more };
}

/** The folder of the file backend that holds the stacks' state; undefined with any other backend. */
export function stateFolder() {
  const url = process.env.PULUMI_BACKEND_URL || ownEnvironment().PULUMI_BACKEND_URL;
  return url?.startsWith("file:///") ? fileURLToPath(url) : undefined;
}

/** Obtain the Pulumi CLI where it is missing. Returns whether it is there. */
export function obtainPulumi() {
  if (isFound("pulumi")) return true;
  // run.js only downloads here: Pulumi started by it would outlive Ctrl-C, since run.js does not wait for its end
  const run = join(ROOT, "node_modules", "pulumi", "run.js");
  if (spawnSync(process.execPath, [run, "version"], { stdio: PROGRESS }).status === 0) return true;
  console.error("The Pulumi CLI could not be downloaded; install it from https://www.pulumi.com/docs/install/");
  return false;
}

/**
 * Run the Pulumi CLI with its progress shown, and return its exit code. Ctrl-C reaches Pulumi directly, and its end is
 * awaited here.
 * @param environment variables for Pulumi beside the usual ones
 * @param isNoise which lines are left out where lines are not drawn over each other
 */
export function runPulumi(args, { environment, isNoise } = {}) {
  if (!obtainPulumi()) return 1;
  const isFiltered = isNoise !== undefined && !process.stdout.isTTY;
  const stdio = ["inherit", isFiltered ? "pipe" : "inherit", "inherit"];
  const child = spawn("pulumi", args, { cwd: ROOT, env: pulumiEnvironment(environment), stdio });
  if (isFiltered)
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (!isNoise(line)) console.log(line);
    });
  const ignore = () => {};
  const forward = (signal) => child.kill(signal);
  process.on("SIGINT", ignore).on("SIGTERM", forward);
  return new Promise((resolve) => {
    const end = (code) => {
      process.off("SIGINT", ignore).off("SIGTERM", forward);
      resolve(code);
    };
    child.once("error", (error) => {
      console.error(`The Pulumi CLI could not be started: ${error.message}`);
      end(1);
    });
    child.once("close", (code) => end(code ?? 1));
  });
}

/** Run this project's own command, with the environment that Pulumi gets too, and return what it printed. */
export function askCli(...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, "cli", "cilium-modes.mjs"), ...args], {
    cwd: ROOT,
    env: pulumiEnvironment(),
    encoding: "utf8",
  });
  return { status: status ?? 1, stdout: stdout ?? "", stderr: stderr ?? "" };
}

/** Run this project's own command with its output shown, and return its exit code. */
export function runCli(...args) {
  const command = [join(ROOT, "cli", "cilium-modes.mjs"), ...args];
  const { status } = spawnSync(process.execPath, command, { cwd: ROOT, env: pulumiEnvironment(), stdio: "inherit" });
  return status ?? 1;
}

/** The outputs of a stack, secrets masked; none where Pulumi cannot tell. */
export function readOutputs(stack) {
  return JSON.parse(askPulumi("stack", "output", "--json", "--stack", stack) ?? "{}");
}

/** One setting of the stack's file; undefined when the file does not set it. */
export function readSetting(stack, name) {
  return askPulumi("config", "get", name, "--stack", stack)?.trim();
}

/** What Pulumi prints; undefined when it fails. */
function askPulumi(...args) {
  const { status, stdout } = spawnSync("pulumi", args, { cwd: ROOT, env: pulumiEnvironment(), encoding: "utf8" });
  return status === 0 ? stdout : undefined;
}
