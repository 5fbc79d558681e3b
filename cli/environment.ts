import { delimiter } from "node:path";
import { createColors } from "picocolors";
import { PLAIN, type Look } from "../render/terminal";

/** Read an input of a command that a stack's resources run. @throws Error naming the variable that is not set */
export function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "")
    throw new Error(`The environment variable ${name} is not set; a stack's resources set it`);
  return value;
}

/** The variables that say where programs and downloads are found. */
export function machineEnvironment() {
  const either = (name: string) => process.env[name] ?? process.env[name.toLowerCase()] ?? "";
  return {
    path: process.env["PATH"] ?? "",
    proxies: { HTTP_PROXY: either("HTTP_PROXY"), HTTPS_PROXY: either("HTTPS_PROXY"), NO_PROXY: either("NO_PROXY") },
    pulumiHome: process.env["PULUMI_HOME"] || undefined,
  };
}

/** The variables by which Pulumi finds a stack's state. A passphrase of the user's own is left out. */
export function pulumiVariables(): Record<string, string> {
  const { PULUMI_BACKEND_URL, PULUMI_HOME, PULUMI_CONFIG_PASSPHRASE } = process.env;
  return {
    ...(PULUMI_BACKEND_URL ? { PULUMI_BACKEND_URL } : {}),
    ...(PULUMI_HOME ? { PULUMI_HOME } : {}),
    ...(PULUMI_CONFIG_PASSPHRASE === "" ? { PULUMI_CONFIG_PASSPHRASE } : {}),
  };
}

/** The folders of tools that `npm start` obtained, where the user's own PATH lacks them. */
export function ownToolFolders(): string[] {
  return (process.env["CILIUM_MODES_TOOLS"] ?? "").split(delimiter).filter(Boolean);
}

/** The user's shell by its file name; undefined where no variable names it. */
export function userShell(): string | undefined {
  return process.env["SHELL"]?.split("/").pop();
}

/** The width that COLUMNS sets, for a terminal and for everything else; undefined where it is not set. */
function columnsWanted(): number | undefined {
  const columns = Number(process.env["COLUMNS"]);
  return Number.isInteger(columns) && columns > 0 ? columns : undefined;
}

/** How a text may look on a stream: with colors in a terminal that has them, unless NO_COLOR is set; as wide as COLUMNS says. */
export function lookOf(stream: NodeJS.WriteStream): Look {
  const columns = columnsWanted();
  if (!stream.isTTY) return { ...PLAIN, columns };
  return { colors: createColors(stream.hasColors()), columns: columns ?? stream.columns };
}
