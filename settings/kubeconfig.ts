import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import { parse, stringify } from "yaml";

/** Which cluster that exists is meant. */
export interface ClusterReference {
  /** Path of a kubeconfig, or what stands in one. Default: the user's own. */
  readonly kubeconfig?: string | undefined;
  /** Default: the kubeconfig's current one. */
  readonly context?: string | undefined;
}

/** No path is longer: what is, is something else, and may be secret. */
const MAX_PATH = 1024;

interface Named {
  readonly name: string;
}

interface Kubeconfig {
  readonly "current-context"?: string;
  readonly contexts?: readonly (Named & { readonly context: { readonly cluster: string; readonly user: string } })[];
  readonly clusters?: readonly (Named & { readonly cluster: Readonly<Record<string, unknown>> })[];
  readonly users?: readonly (Named & { readonly user: Readonly<Record<string, unknown>> })[];
}

/**
 * The kubeconfig of one cluster: of a file or a text, with the one context that is meant, and the paths in it whole.
 * @throws Error naming what is missing; never with a part of the text
 */
export function kubeconfigOf({ kubeconfig, context }: ClusterReference): string {
  const isContent = kubeconfig !== undefined && /[\n{]/.test(kubeconfig);
  if (!isContent && kubeconfig !== undefined && kubeconfig.length > MAX_PATH) {
    throw new Error("cluster.kubeconfig is neither a path nor a kubeconfig; is it encoded?");
  }
  const path = isContent ? undefined : fileOf(kubeconfig);
  const source = path === undefined ? "cluster.kubeconfig" : path;
  const config = parsed(path === undefined ? kubeconfig! : contentOf(path), source);
  const name = context ?? config["current-context"];
  const known = (config.contexts ?? []).map((each) => each.name);
  const chosen = config.contexts?.find((each) => each.name === name);
  if (chosen === undefined) {
    const wanted =
      name === undefined || name === "" ? "no current context; set cluster.context" : `no context "${name}"`;
    throw new Error(`${source} has ${wanted}; known there are ${known.join(", ") || "none"}`);
  }
  const cluster = config.clusters?.find((each) => each.name === chosen.context.cluster);
  const user = config.users?.find((each) => each.name === chosen.context.user);
  if (cluster === undefined) throw new Error(`${source} lacks the cluster of its context "${chosen.name}"`);
  const folder = path === undefined ? process.cwd() : dirname(path);
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": chosen.name,
    contexts: [chosen],
    clusters: [{ ...cluster, cluster: wholePaths(cluster.cluster, folder) }],
    users: user === undefined ? [] : [{ ...user, user: wholePaths(user.user, folder) }],
  });
}

/** Keys of a kubeconfig that hold paths, from its own folder. */
const PATHS = ["certificate-authority", "client-certificate", "client-key", "tokenFile"];

function wholePaths(entry: Readonly<Record<string, unknown>>, folder: string): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(entry).map(([key, value]) => [
      key,
      PATHS.includes(key) && typeof value === "string" && !isAbsolute(value) ? join(folder, value) : value,
    ]),
  );
}

function fileOf(path: string | undefined): string {
  if (path !== undefined) return path.replace(/^~(?=\/)/, homedir());
  // the first that exists, as the place where a context is looked for
  const own = (process.env["KUBECONFIG"] ?? "").split(delimiter).filter(Boolean);
  return own.find(existsSync) ?? join(homedir(), ".kube", "config");
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Error(`The kubeconfig ${path} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

function parsed(text: string, source: string): Kubeconfig {
  try {
    const config: unknown = parse(text);
    if (typeof config === "object" && config !== null) return config;
  } catch {
    // the parser's words repeat parts of the text
  }
  throw new Error(`${source} is no kubeconfig: it is no YAML object`);
}
