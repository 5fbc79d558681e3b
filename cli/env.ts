import { mkdir, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";
import { kubeconfigOf } from "../settings/kubeconfig";
import { isExternal } from "../settings/release";
import { ownToolFolders, pulumiVariables, userShell } from "./environment";
import { kindKubeconfig } from "./kindKubeconfig";
import { PROJECT_DIRECTORY, readStackFile } from "./stackFile";
import { UsageError } from "./usage";

export interface EnvOptions {
  readonly shell?: string;
  readonly set?: readonly string[];
}

/** How a shell sets a variable, and how the user has it run this command's output. */
interface Shell {
  readonly set: (name: string, value: string) => string;
  readonly appendToPath: (folder: string) => string;
  readonly use: (command: string) => string;
}

const sh: Shell = {
  set: (name, value) => `export ${name}=${quoted(value, `'\\''`)}`,
  appendToPath: (folder) => `export PATH="$PATH":${quoted(folder, `'\\''`)}`,
  use: (command) => `eval "$(${command})"`,
};

const SHELLS: Readonly<Record<string, Shell>> = {
  sh,
  bash: sh,
  zsh: sh,
  fish: {
    set: (name, value) => `set -gx ${name} ${quoted(value, "\\'")}`,
    appendToPath: (folder) => `set -gx PATH $PATH ${quoted(folder, "\\'")}`,
    use: (command) => `${command} | source`,
  },
  powershell: {
    set: (name, value) => `$Env:${name} = ${quoted(value, "''")}`,
    appendToPath: (folder) => `$Env:PATH += ${quoted(delimiter + folder, "''")}`,
    use: (command) => `& ${command} | Out-String | Invoke-Expression`,
  },
};

const quoted = (value: string, apostrophe: string) => `'${value.replaceAll("'", apostrophe)}'`;

/**
 * Print the variables by which Pulumi, kubectl and Helm work on a stack. A cluster that is not up is a message on
 * standard error, and leaves KUBECONFIG out.
 */
export async function env(stack: string, options: EnvOptions): Promise<void> {
  const { shell = defaultShell() } = options;
  const { set, appendToPath, use } = SHELLS[shell] ?? unknownShell(shell);
  const variables = pulumiVariables();
  if (variables["PULUMI_BACKEND_URL"] === pathToFileURL(OWN_STATE).href)
    await mkdir(OWN_STATE, { recursive: true, mode: 0o700 });
  try {
    variables["KUBECONFIG"] = await writeKubeconfig(stack, options.set);
  } catch (error) {
    console.error((error as Error).message);
  }
  const command = ["npx cilium-modes env", stack, ...(options.shell === undefined ? [] : ["--shell", shell])].join(" ");
  console.log(
    [
      ...ownToolFolders().map(appendToPath),
      ...Object.entries(variables).map(([name, value]) => set(name, value)),
      "# Run this command to configure your shell:",
      `# ${use(command)}`,
    ].join("\n"),
  );
}

/** The state of users who are not logged in to Pulumi, which Pulumi does not create itself. */
const OWN_STATE = join(PROJECT_DIRECTORY, ".cilium-modes", "state");

const defaultShell = () => (process.platform === "win32" ? "powershell" : userShell() === "fish" ? "fish" : "sh");

function unknownShell(shell: string): never {
  throw new UsageError(`--shell must be one of ${Object.keys(SHELLS).join(", ")} (got "${shell}")`);
}

/** Keep the kubeconfig of a stack's cluster in a file. @returns its path @throws Error when the cluster is not up */
async function writeKubeconfig(stack: string, overrides: readonly string[] | undefined): Promise<string> {
  const { cluster } = readStackFile(stack, overrides).settings;
  const text = isExternal(cluster) ? kubeconfigOf(cluster) : await kindKubeconfig(stack, cluster.name);
  const folder = join(PROJECT_DIRECTORY, ".cilium-modes", "kubeconfigs");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, `${stack}.yaml`);
  await writeFile(file, text, { mode: 0o600 });
  return file;
}
