import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** The project's folder. */
export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** What this project keeps on the machine: tools that it obtained, and state when nobody is logged in. */
export const OWN = join(ROOT, ".cilium-modes");

/** Folders where programs are looked for: npm's own are left out, since `pulumi` there only downloads the CLI. */
const FOLDERS = (process.env.PATH ?? "")
  .split(delimiter)
  .filter((folder) => !folder.endsWith(join("node_modules", ".bin")));

/** Whether a program is on the PATH. */
export function onPath(program) {
  return [...FOLDERS, join(OWN, "bin")].some((folder) => existsSync(join(folder, program)));
}

/** The stacks that have a settings file. */
export function knownStacks() {
  return readdirSync(ROOT).flatMap((file) => /^Pulumi\.([\w.-]+)\.yaml$/.exec(file)?.[1] ?? []);
}

/** Whether node_modules is missing or older than package-lock.json. */
export function dependenciesOutdated() {
  const installed = join(ROOT, "node_modules", ".package-lock.json");
  return !existsSync(installed) || statSync(installed).mtimeMs < statSync(join(ROOT, "package-lock.json")).mtimeMs;
}

/** Install the dependencies of package-lock.json when they are not. Returns npm's exit code. */
export function installDependencies() {
  if (!dependenciesOutdated()) return 0;
  console.log("Installing the dependencies (npm ci)");
  return (
    spawnSync("npm", ["ci", "--no-audit", "--no-fund"], { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] })
      .status ?? 1
  );
}

/** Whether Pulumi already knows where a stack's state lives. */
export function isLoggedIn(environment = process.env) {
  if (environment.PULUMI_BACKEND_URL || environment.PULUMI_ACCESS_TOKEN) return true;
  if (/^backend:/m.test(readFileSync(join(ROOT, "Pulumi.yaml"), "utf8"))) return true;
  try {
    const file = join(environment.PULUMI_HOME || join(homedir(), ".pulumi"), "credentials.json");
    return Boolean(JSON.parse(readFileSync(file, "utf8")).current);
  } catch {
    return false; // no credentials file, or none that Pulumi could read either
  }
}

/** The environment for Pulumi: own tools last on the PATH, and an own state when nobody is logged in. */
export function pulumiEnvironment() {
  const environment = {
    ...process.env,
    PATH: [...FOLDERS, join(OWN, "bin")].join(delimiter),
    PULUMI_SKIP_UPDATE_CHECK: "true",
  };
  if (!isLoggedIn()) {
    const state = join(OWN, "state");
    mkdirSync(state, { recursive: true });
    environment.PULUMI_BACKEND_URL = pathToFileURL(state).href;
    if (environment.PULUMI_CONFIG_PASSPHRASE === undefined && environment.PULUMI_CONFIG_PASSPHRASE_FILE === undefined) {
      environment.PULUMI_CONFIG_PASSPHRASE = "";
    }
  }
  return environment;
}

/** Run the Pulumi CLI with its progress shown, and return its exit code. Ctrl-C reaches it directly, and is waited out here. */
export function runPulumi(args) {
  const [command, ...before] = onPath("pulumi")
    ? ["pulumi"]
    : [process.execPath, join(ROOT, "node_modules", "pulumi", "run.js")];
  const child = spawn(command, [...before, ...args], { cwd: ROOT, env: pulumiEnvironment(), stdio: "inherit" });
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
