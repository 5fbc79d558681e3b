import { same } from "../modes/tree";
import { pathText, shown, type IsSecretPath, type Problem } from "./problems";
import { SECRET_FIELDS } from "./schemaParts";

/** A stack's configuration, as Pulumi's runtime or a stack file provides it. */
export interface SettingsSource {
  readonly project: string;
  readonly stack: string;
  /** Name in messages. Default: the stack's */
  readonly name?: string | undefined;
  /** Value by `project:key`; objects are JSON text. */
  readonly config: Readonly<Record<string, string>>;
  /** Whether a `project:key` is secret; messages never show its value. */
  readonly isSecret?: (key: string) => boolean;
  /** Folder of relative paths. Default: the current folder, which is the project's while a program runs. */
  readonly directory?: string | undefined;
}

type Tree = { [key: string]: unknown };

/** Maximum depth of nested values: far more than any chart needs, and safe for recursive functions. */
const MAX_DEPTH = 50;

/** Settings of credentials. */
const CREDENTIALS = new RegExp(`^cluster\\.registryMirrors\\..*\\.(${SECRET_FIELDS.join("|")})$`);

/** Keys below it are Helm values, which have no schema here. */
const HELM_VALUES = "cilium.values.";

/**
 * The configuration as one tree. A dotted key is a path, so `pulumi config set bpf.masquerade true` and a nested
 * `bpf: {masquerade: true}` are the same.
 */
export function rawSettings({ project, config, isSecret }: SettingsSource): {
  value: Tree;
  problems: Problem[];
  isSecretPath: IsSecretPath;
} {
  const value: Tree = {};
  const problems: Problem[] = [];
  const secrets: string[] = [];
  const own = Object.keys(config).filter((key) => key.startsWith(`${project}:`));
  // sorted, so that an object precedes the dotted keys in it
  for (const fullKey of own.sort()) {
    const key = fullKey.slice(project.length + 1);
    if (isSecret?.(fullKey)) secrets.push(key);
    const steps = key.split(".");
    const unusable = unusableStep(steps);
    if (unusable) {
      problems.push(unusable);
      continue;
    }
    const leaf = decode(key, config[fullKey]!);
    problems.push(...prune(leaf, steps));
    const problem = place(value, steps, leaf);
    if (problem) problems.push(problem);
  }
  // messages never show credentials, even if they are not stored as secrets
  if ((value["cluster"] as Tree | undefined)?.["kubeconfig"] !== undefined) secrets.push("cluster.kubeconfig");
  const isSecretPath = (path: string) =>
    CREDENTIALS.test(path) ||
    secrets.some((secret) => `${path}.`.startsWith(`${secret}.`) || secret.startsWith(`${path}.`));
  return { value, problems, isSecretPath };
}

/**
 * Objects and lists arrive as JSON text; everything else remains text. Only Helm values with a dotted key are typed as
 * `helm --set` does, since charts treat the text "false" as true.
 */
function decode(key: string, text: string): unknown {
  const isJson = /^\s*[[{]/.test(text) || (key.startsWith(HELM_VALUES) && /^(true|false|null|-?\d+)$/.test(text));
  if (!isJson) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Why a path cannot be a setting: a key that every object inherits, such as __proto__, or its depth. */
function unusableStep(path: readonly string[]): Problem | undefined {
  if (path.length > MAX_DEPTH) {
    return { key: pathText(path.slice(0, 3)), rule: `must not be nested more than ${MAX_DEPTH} levels deep` };
  }
  return path.some((step) => step in {}) ? { key: pathText(path), rule: "is not a setting" } : undefined;
}

/** Remove the parts of a value that cannot be settings, so that the rest is still checked. */
function prune(value: unknown, path: readonly string[]): Problem[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const unusable = unusableStep([...path, key]);
    if (unusable === undefined) return prune(inner, [...path, key]);
    if (Array.isArray(value)) value[Number(key)] = null;
    else delete (value as Tree)[key];
    return [unusable];
  });
}

/** Set `leaf` at a path. @returns the problem if the path has another value already */
function place(tree: Tree, steps: readonly string[], leaf: unknown): Problem | undefined {
  const problem = (rule: string) => ({ key: pathText(steps), rule });
  let at = tree;
  for (const step of steps.slice(0, -1)) {
    const next = (at[step] ??= {});
    if (typeof next !== "object" || next === null) {
      return problem(`${shown(step)} is set to a value and used as an object; remove one`);
    }
    at = next as Tree;
  }
  const last = steps[steps.length - 1]!;
  if (last in at && !same(at[last], leaf)) {
    return problem("is set twice with different values, once nested and once with dots; remove one");
  }
  at[last] = leaf;
  return undefined;
}
