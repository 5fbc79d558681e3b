import { access, constants, readdir } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { homedir } from "node:os";
import semver from "semver";
import { run } from "./exec";
import { oldestKindFor } from "../modes/releases";
import type { MachineFinding } from "./finding";

/** A version in a program's output. */
const VERSION = /v?(\d+\.\d+\.\d+(?:[-+][\w.+-]+)?)/;

const KIND_REMEDY = "install it from https://kind.sigs.k8s.io/docs/user/quick-start/#installation, or run: npm start";

/** A program's version; undefined without the program, empty if it prints none. */
async function versionOf(program: string, args: readonly string[]): Promise<string | undefined> {
  const output = await run(program, args).catch(() => undefined);
  return output === undefined ? undefined : (VERSION.exec(output)?.[1] ?? "");
}

/** Check whether kind can create nodes from an image, in Docker. */
export async function judgeKind(nodeImage: string): Promise<MachineFinding> {
  const version = await versionOf("kind", ["version"]);
  const finding = { subject: "kind", matters: "all modes: it creates the nodes" };
  const runtime = process.env["KIND_EXPERIMENTAL_PROVIDER"];
  if (runtime && runtime !== "docker") {
    const seen = `KIND_EXPERIMENTAL_PROVIDER is ${runtime}, and this project supports nodes in Docker only`;
    return { ...finding, verdict: "fail", seen, remedy: "run: unset KIND_EXPERIMENTAL_PROVIDER" };
  }
  if (version === undefined) return { ...finding, verdict: "fail", seen: "is not on the PATH", remedy: KIND_REMEDY };
  const oldest = oldestKindFor(nodeImage);
  // a development build has no version
  if (version !== "" && semver.lt(semver.coerce(version)!, oldest)) {
    const seen = `${nodeImage} needs ${oldest} or newer (got ${version})`;
    return { ...finding, verdict: "fail", seen, remedy: KIND_REMEDY };
  }
  return { ...finding, verdict: "pass", seen: version || "unknown version" };
}

/** Oldest Node.js for this project, and oldest that Pulumi supports: https://www.pulumi.com/docs/iac/languages-sdks/javascript/ */
const OLDEST_NODE = "20.19.0";
const SUPPORTED_NODE = "22.0.0";

/** Check the version of Node.js. */
export function judgeNode(version: string): MachineFinding {
  const finding = { subject: "Node.js", matters: "all commands and the Pulumi program", seen: version };
  if (semver.lt(version, OLDEST_NODE))
    return {
      ...finding,
      verdict: "fail",
      remedy: `install ${semver.major(SUPPORTED_NODE)} or newer from https://nodejs.org`,
    };
  if (semver.lt(version, SUPPORTED_NODE))
    return {
      ...finding,
      verdict: "warning",
      seen: `${version} works, but Pulumi warns about it`,
      remedy: `install ${semver.major(SUPPORTED_NODE)} or newer from https://nodejs.org`,
    };
  return { ...finding, verdict: "pass" };
}

/** Check the Pulumi CLI, which `npm start` installs if it is missing. */
export async function judgePulumi(): Promise<MachineFinding> {
  const version = await versionOf("pulumi", ["version"]);
  const finding = { subject: "Pulumi", matters: "pulumi up, preview, destroy" };
  return version === undefined
    ? {
        ...finding,
        verdict: "warning",
        seen: "is not on the PATH",
        remedy:
          "use npm start and npm run pulumi, which install it, or install it from https://www.pulumi.com/docs/install/",
      }
    : { ...finding, verdict: "pass", seen: version || "unknown version" };
}

/** Check kubectl, which only `cluster.exportKubeconfig` needs. */
export async function judgeKubectl(isNeeded: boolean): Promise<MachineFinding> {
  const version = await versionOf("kubectl", ["version", "--client"]);
  const finding = { subject: "kubectl", matters: "cluster.exportKubeconfig, and your own use" };
  if (version !== undefined) return { ...finding, verdict: "pass", seen: version || "unknown version" };
  return {
    ...finding,
    verdict: isNeeded ? "warning" : "skipped",
    seen: "is not on the PATH",
    ...(isNeeded ? { remedy: "install it from https://kubernetes.io/docs/tasks/tools/" } : {}),
  };
}

/** A Pulumi provider and its version. */
export interface Plugin {
  readonly name: string;
  readonly version: string;
}

/** The providers that are neither on the PATH nor in Pulumi's folder, so that Pulumi downloads them. */
export async function missingPlugins(
  plugins: readonly Plugin[],
  path: string,
  pulumiHome = join(homedir(), ".pulumi"),
): Promise<Plugin[]> {
  const installed = await readdir(join(pulumiHome, "plugins")).catch((): string[] => []);
  const found = await Promise.all(
    plugins.map(
      async ({ name, version }) =>
        installed.includes(`resource-${name}-v${version}`) || (await isOnPath(`pulumi-resource-${name}`, path)),
    ),
  );
  return plugins.filter((_, index) => !found[index]);
}

async function isOnPath(program: string, path: string): Promise<boolean> {
  for (const folder of path.split(delimiter)) {
    const isThere = await access(join(folder, program), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return true;
  }
  return false;
}
