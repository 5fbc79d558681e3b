import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, isAbsolute, join, resolve } from "node:path";
import { parse, stringify } from "yaml";
import { withHome } from "./homePath";
import type { Problem } from "./problems";

/** The external cluster that a stack uses. */
export interface ClusterReference {
  /** Path of a kubeconfig, or its content. Default: the user's own kubeconfig. */
  readonly kubeconfig?: string | undefined;
  /** Default: the kubeconfig's current context. */
  readonly context?: string | undefined;
}

/** The longest path. A longer text is something else, and may be secret. */
const MAX_PATH = 1024;

interface Named {
  readonly name: string;
}

interface Kubeconfig {
  readonly "current-context"?: string | undefined;
  readonly contexts?: readonly (Named & { readonly context: { readonly cluster: string; readonly user: string } })[];
  readonly clusters?: readonly (Named & { readonly cluster: Readonly<Record<string, unknown>> })[];
  readonly users?: readonly (Named & { readonly user: Readonly<Record<string, unknown>> })[];
}

/**
 * The kubeconfig of one cluster: one context of a file, of a text, or of the files that KUBECONFIG lists, with absolute
 * paths.
 * @param directory folder of a relative path
 * @throws Error naming what is missing; never with a part of the text
 */
export function kubeconfigOf({ kubeconfig, context }: ClusterReference, directory = process.cwd()): string {
  const isContent = kubeconfig !== undefined && /[\n{]/.test(kubeconfig);
  if (!isContent && kubeconfig !== undefined && kubeconfig.length > MAX_PATH) {
    throw new Error("cluster.kubeconfig is neither a path nor a kubeconfig; is it encoded?");
  }
  const files = isContent ? [] : filesOf(kubeconfig, directory);
  const source = isContent ? "cluster.kubeconfig" : files.join(delimiter);
  const config = isContent
    ? parsed(kubeconfig, source, directory)
    : merged(files.map((file) => parsed(contentOf(file), file, dirname(file))));
  const name = context ?? config["current-context"];
  const known = [...new Set((config.contexts ?? []).map((each) => each.name))];
  const chosen = config.contexts?.find((each) => each.name === name);
  if (chosen === undefined) {
    const wanted =
      name === undefined || name === "" ? "no current context; set cluster.context" : `no context "${name}"`;
    throw new Error(`${source} has ${wanted}; its contexts are: ${known.join(", ") || "none"}`);
  }
  const cluster = config.clusters?.find((each) => each.name === chosen.context.cluster);
  const user = config.users?.find((each) => each.name === chosen.context.user);
  if (cluster === undefined) throw new Error(`${source} lacks the cluster of its context "${chosen.name}"`);
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": chosen.name,
    contexts: [chosen],
    clusters: [cluster],
    users: user === undefined ? [] : [user],
  });
}

/** Why a reference names no cluster, without asking one; empty for a new cluster, which needs no kubeconfig. */
export function kubeconfigProblems({ kubeconfig, context }: ClusterReference, directory?: string): Problem[] {
  if (kubeconfig === undefined && context === undefined) return [];
  try {
    kubeconfigOf({ kubeconfig, context }, directory);
    return [];
  } catch (error) {
    const { message } = error as Error;
    const joint = message.endsWith("?") ? " Set" : "; set";
    const fix = `${joint} cluster.kubeconfig and cluster.context to a cluster that exists`;
    const key = kubeconfig === undefined ? "cluster.context" : "cluster.kubeconfig";
    return [{ key, rule: `names no cluster: ${message}${fix}` }];
  }
}

/** Keys of a kubeconfig that hold paths, relative to its own folder. */
const PATHS = ["certificate-authority", "client-certificate", "client-key", "tokenFile"];

function withAbsolutePaths(
  entry: Readonly<Record<string, unknown>> | null | undefined,
  folder: string,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(entry ?? {}).map(([key, value]) => [
      key,
      PATHS.includes(key) && typeof value === "string" && !isAbsolute(value) ? join(folder, value) : value,
    ]),
  );
}

/** The files of a kubeconfig: the one that is set, or the existing ones among the user's own. */
function filesOf(path: string | undefined, directory: string): string[] {
  if (path !== undefined) return [resolve(directory, withHome(path))];
  const own = (process.env["KUBECONFIG"] ?? "").split(delimiter).filter(existsSync);
  return own.length > 0 ? own : [join(homedir(), ".kube", "config")];
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Error(`The kubeconfig ${path} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

function parsed(text: string, source: string, folder: string): Kubeconfig {
  let config: unknown;
  try {
    config = parse(text);
  } catch {
    // the parser's messages repeat parts of the text
  }
  if (typeof config !== "object" || config === null)
    throw new Error(`${source} is not a kubeconfig: it is not a YAML object`);
  const { clusters, users, ...rest } = config as Kubeconfig;
  return {
    ...rest,
    clusters: clusters?.map((each) => ({ ...each, cluster: withAbsolutePaths(each.cluster, folder) })) ?? [],
    users: users?.map((each) => ({ ...each, user: withAbsolutePaths(each.user, folder) })) ?? [],
  };
}

/**
 * Several kubeconfigs as one. The first file that sets a name wins, as for kubectl:
 * https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/#merging-kubeconfig-files
 */
function merged(configs: readonly Kubeconfig[]): Kubeconfig {
  return {
    "current-context": configs.map((config) => config["current-context"]).find(Boolean),
    contexts: configs.flatMap(({ contexts }) => contexts ?? []),
    clusters: configs.flatMap(({ clusters }) => clusters ?? []),
    users: configs.flatMap(({ users }) => users ?? []),
  };
}
