import { access, constants, readdir } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { homedir } from "node:os";
import semver from "semver";
import { run } from "./exec";
import { oldestKindFor } from "../modes/releases";
import type { MachineFinding } from "./finding";

/** How a program is told from what it prints. */
const VERSION = /v?(\d+\.\d+\.\d+(?:[-+][\w.+-]+)?)/;

/** Where kind is to be had. */
const KIND_REMEDY = "install it from https://kind.sigs.k8s.io/docs/user/quick-start/#installation, or run: npm start";

/** What a program's version is; undefined without the program, "" where it does not say. */
async function versionOf(program: string, args: readonly string[]): Promise<string | undefined> {
  const output = await run(program, args).catch(() => undefined);
  return output === undefined ? undefined : (VERSION.exec(output)?.[1] ?? "");
}

/** Whether kind can make nodes of an image. */
export async function judgeKind(nodeImage: string): Promise<MachineFinding> {
  const version = await versionOf("kind", ["version"]);
  const finding = { subject: "kind", matters: "all modes: it makes the nodes" };
  if (version === undefined) return { ...finding, verdict: "fail", seen: "is not on the PATH", remedy: KIND_REMEDY };
  const oldest = oldestKindFor(nodeImage);
  // what was built without a version is its builder's own
  if (version !== "" && semver.lt(semver.coerce(version)!, oldest)) {
    const seen = `${nodeImage} needs ${oldest} or newer, and this is ${version}`;
    return { ...finding, verdict: "fail", seen, remedy: KIND_REMEDY };
  }
  return { ...finding, verdict: "pass", seen: version || "without a version" };
}

/** Node.js that this project runs on, and that Pulumi asks for: https://www.pulumi.com/docs/iac/languages-sdks/javascript/ */
const OLDEST_NODE = "20.19.0";
const SUPPORTED_NODE = "22.0.0";

/** Whether this project's programs run on a Node.js. */
export function judgeNode(version: string): MachineFinding {
  const finding = { subject: "Node.js", matters: "the program itself", seen: version };
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
      seen: `${version} runs, and Pulumi warns of it`,
      remedy: `install ${semver.major(SUPPORTED_NODE)} or newer from https://nodejs.org`,
    };
  return { ...finding, verdict: "pass" };
}

/** The Pulumi CLI, which `npm start` obtains where it is missing. */
export async function judgePulumi(): Promise<MachineFinding> {
  const version = await versionOf("pulumi", ["version"]);
  const finding = { subject: "Pulumi", matters: "pulumi up, preview, destroy" };
  return version === undefined
    ? {
        ...finding,
        verdict: "warning",
        seen: "is not on the PATH",
        remedy:
          "use npm start and npm run pulumi, which obtain it, or install it from https://www.pulumi.com/docs/install/",
      }
    : { ...finding, verdict: "pass", seen: version || "without a version" };
}

/** kubectl, which only a kubeconfig that is written and taken back needs. */
export async function judgeKubectl(isNeeded: boolean): Promise<MachineFinding> {
  const version = await versionOf("kubectl", ["version", "--client"]);
  const finding = { subject: "kubectl", matters: "cluster.exportKubeconfig, and looking around" };
  if (version !== undefined) return { ...finding, verdict: "pass", seen: version || "without a version" };
  return {
    ...finding,
    verdict: isNeeded ? "warning" : "skipped",
    seen: "is not on the PATH",
    ...(isNeeded ? { remedy: "install it from https://kubernetes.io/docs/tasks/tools/" } : {}),
  };
}

/** A provider of the engine, and its version. */
export interface Plugin {
  readonly name: string;
  readonly version: string;
}

/** Of these providers those that neither the PATH nor Pulumi's own folder has: Pulumi downloads them. */
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
