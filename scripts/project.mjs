import { spawn, spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** The project's folder. */
export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** What this project keeps on the machine: tools that it obtained, and state when nobody is logged in. */
export const OWN = join(ROOT, ".cilium-modes");

replaceUnwritableFolders();
const PULUMI_HOME = process.env.PULUMI_HOME || join(homedir(), ".pulumi");
const PULUMI_VERSION =
  process.env.PULUMI_VERSION ||
  JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")).packages["node_modules/pulumi"].version;

/**
 * Folders where programs are looked for: the PATH, then this project's own, then that of the CLI which the npm package
 * `pulumi` downloads. npm's own are left out, since `pulumi` there is only what downloads it.
 */
const FOLDERS = [
  ...(process.env.PATH ?? "").split(delimiter).filter((folder) => !folder.endsWith(join("node_modules", ".bin"))),
  join(OWN, "bin"),
  join(PULUMI_HOME, "versions", PULUMI_VERSION, "bin"),
];

/** Let Pulumi, Helm and npm write into this project's own folder where the user's cannot be written. */
function replaceUnwritableFolders() {
  for (const [name, usual, own] of [
    ["PULUMI_HOME", ".pulumi", "pulumi"],
    ["XDG_CACHE_HOME", ".cache", "cache"],
    // npm passes its own to the scripts that it runs
    ["npm_config_cache", ".npm", "npm"],
  ]) {
    if (!isWritable(process.env[name] || join(homedir(), usual))) process.env[name] = join(OWN, own);
  }
}

/** Whether a folder, or the first one above it that exists, can be written. */
function isWritable(folder) {
  try {
    if (!existsSync(folder)) return folder !== dirname(folder) && isWritable(dirname(folder));
    accessSync(folder, constants.W_OK);
    return statSync(folder).isDirectory();
  } catch {
    return false;
  }
}

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

// standard output belongs to what was asked for: npm run --silent pulumi -- stack output … > file
const PROGRESS = ["ignore", 2, 2];

/** Install the dependencies of package-lock.json when they are not. Returns npm's exit code. */
export function installDependencies() {
  if (!dependenciesOutdated()) return 0;
  console.error("Installing the dependencies (npm ci)");
  return spawnSync("npm", ["ci", "--no-audit", "--no-fund"], { cwd: ROOT, stdio: PROGRESS }).status ?? 1;
}

/** Whether Pulumi already knows where a stack's state lives. */
export function isLoggedIn() {
  if (process.env.PULUMI_BACKEND_URL || process.env.PULUMI_ACCESS_TOKEN) return true;
  if (/^backend:/m.test(readFileSync(join(ROOT, "Pulumi.yaml"), "utf8"))) return true;
  try {
    const file = join(process.env.PULUMI_CREDENTIALS_PATH || PULUMI_HOME, "credentials.json");
    return Boolean(JSON.parse(readFileSync(file, "utf8")).current);
  } catch {
    return false; // no credentials file, or none that Pulumi could read either
  }
}

/** Whether the user chose the passphrase of secrets; an empty one is a choice. */
export function hasPassphrase() {
  return process.env.PULUMI_CONFIG_PASSPHRASE !== undefined || process.env.PULUMI_CONFIG_PASSPHRASE_FILE !== undefined;
}

/** The environment for Pulumi: own tools last on the PATH, and an own state when nobody is logged in. */
function pulumiEnvironment() {
  const environment = { ...process.env, PATH: FOLDERS.join(delimiter), PULUMI_SKIP_UPDATE_CHECK: "true" };
  if (!isLoggedIn()) {
    const state = join(OWN, "state");
    mkdirSync(state, { recursive: true, mode: 0o700 });
    environment.PULUMI_BACKEND_URL = pathToFileURL(state).href;
    if (!hasPassphrase()) environment.PULUMI_CONFIG_PASSPHRASE = "";
  }
  return environment;
}

/** Have the Pulumi CLI, downloaded where it is not. Returns whether it is there. */
export function obtainPulumi() {
  if (isFound("pulumi")) return true;
  // run.js only downloads here: started with it, Pulumi would be left behind by Ctrl-C, which run.js does not wait out
  const run = join(ROOT, "node_modules", "pulumi", "run.js");
  if (spawnSync(process.execPath, [run, "version"], { stdio: PROGRESS }).status === 0) return true;
  console.error("The Pulumi CLI could not be obtained; install it from https://www.pulumi.com/docs/install/");
  return false;
}

/** Run the Pulumi CLI with its progress shown, and return its exit code. Ctrl-C reaches it directly, and is waited out here. */
export function runPulumi(args) {
  if (!obtainPulumi()) return 1;
  const child = spawn("pulumi", args, { cwd: ROOT, env: pulumiEnvironment(), stdio: "inherit" });
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

/** Ask this project's own command, with the tools that Pulumi gets too. */
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

/** One output of a stack; undefined when there is none. */
export function readOutput(stack, name) {
  const answer = askPulumi("stack", "output", name, "--json", "--stack", stack);
  return answer === undefined ? undefined : JSON.parse(answer);
}

/** One setting as the stack's file has it; undefined when it is not set there. */
export function readSetting(stack, name) {
  return askPulumi("config", "get", name, "--stack", stack)?.trim();
}

/** What Pulumi prints; undefined when it fails. */
function askPulumi(...args) {
  const { status, stdout } = spawnSync("pulumi", args, { cwd: ROOT, env: pulumiEnvironment(), encoding: "utf8" });
  return status === 0 ? stdout : undefined;
}
