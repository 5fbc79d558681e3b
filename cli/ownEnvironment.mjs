// The environment that every command of a checkout runs in: the tools and the state of npm start. Packages have none.
import { accessSync, constants, existsSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { pathWithoutNpm } from "./npmPath.mjs";

/** The project's folder. */
export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** What this project keeps on the machine: tools that it obtained, and state of users who are not logged in to Pulumi. */
export const OWN = join(ROOT, ".cilium-modes");

/** State of stacks of users who are not logged in to Pulumi. */
export const STATE = join(OWN, "state");

replaceUnwritableFolders();
const PULUMI_HOME = process.env.PULUMI_HOME || join(homedir(), ".pulumi");
const PULUMI_VERSION =
  process.env.PULUMI_VERSION ||
  JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")).packages["node_modules/pulumi"].version;

const USERS = pathWithoutNpm(process.env.PATH);
/** This project's own folder of programs, and the one that the npm package `pulumi` downloads the CLI to. */
const OWNS = [join(OWN, "bin"), join(PULUMI_HOME, "versions", PULUMI_VERSION, "bin")].filter(
  (folder) => !USERS.includes(folder),
);
/** Folders where programs are looked up. */
export const FOLDERS = [...USERS, ...OWNS];

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

/** Whether Pulumi already knows where a stack's state lives. */
export function isLoggedIn() {
  if (process.env.PULUMI_BACKEND_URL || process.env.PULUMI_ACCESS_TOKEN) return true;
  if (/^backend:/m.test(readFileSync(join(ROOT, "Pulumi.yaml"), "utf8"))) return true;
  try {
    const file = join(process.env.PULUMI_CREDENTIALS_PATH || PULUMI_HOME, "credentials.json");
    return Boolean(JSON.parse(readFileSync(file, "utf8")).current);
  } catch {
    return false; // no credentials, or none that Pulumi could read either
  }
}

/** Whether the user chose the passphrase of secrets; an empty one is a choice. */
export function hasPassphrase() {
  return process.env.PULUMI_CONFIG_PASSPHRASE !== undefined || process.env.PULUMI_CONFIG_PASSPHRASE_FILE !== undefined;
}

/**
 * What every command of this project adds to the user's environment: its own tools at the end of the PATH, and its own
 * state for users who are not logged in to Pulumi.
 */
export function ownEnvironment() {
  const environment = {
    PATH: FOLDERS.join(delimiter),
    // cilium-modes env adds them to the user's PATH
    CILIUM_MODES_TOOLS: OWNS.filter((folder) => existsSync(folder)).join(delimiter),
  };
  if (isLoggedIn()) return environment;
  environment.PULUMI_BACKEND_URL = pathToFileURL(STATE).href;
  if (!hasPassphrase()) environment.PULUMI_CONFIG_PASSPHRASE = "";
  return environment;
}
