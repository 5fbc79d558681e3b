import { same } from "../modes/tree";
import type { SettingsSource } from "./parse";
import { pathText, shown } from "./problems";

/** One broken rule of one configuration key. */
export interface Problem {
  /** Configuration key as a path, such as `cluster.workers`. */
  readonly key: string;
  /** The rule, what was found, and the fix. */
  readonly rule: string;
}

/** Whether the value at a path is secret, holds a secret, or is part of one. */
export type IsSecretPath = (path: string) => boolean;

type Tree = { [key: string]: unknown };

/** How deep values may lie in one another: far deeper than any chart's, and no danger to what walks through them. */
const MAX_DEPTH = 50;

/** Keys below it are Helm's and have no schema here. */
const HELM_VALUES = "cilium.values.";

/**
 * The configuration as one tree. A key with dots is a path, so `pulumi config set bpf.masquerade true` and a
 * nested `bpf: {masquerade: true}` mean the same.
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
  // whole objects first, so that a dotted key lands in its object whatever the file's order
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
  // credentials are none of a message's, also where nobody has said that they are secret
  if ((value["cluster"] as Tree | undefined)?.["kubeconfig"] !== undefined) secrets.push("cluster.kubeconfig");
  const isSecretPath = (path: string) =>
    secrets.some((secret) => `${path}.`.startsWith(`${secret}.`) || secret.startsWith(`${path}.`));
  return { value, problems, isSecretPath };
}

/**
 * Objects and lists arrive as JSON text, and everything else stays the text it is. Only Helm values of their own key
 * are read as `helm --set` does: a chart takes the text "false" for true.
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

/** What keeps a path from being a setting's: a key that every object inherits, such as __proto__, or its depth. */
function unusableStep(path: readonly string[]): Problem | undefined {
  if (path.length > MAX_DEPTH) {
    return { key: pathText(path.slice(0, 3)), rule: `must not hold more than ${MAX_DEPTH} values in one another` };
  }
  return path.some((step) => step in {}) ? { key: pathText(path), rule: "is not a setting" } : undefined;
}

/** Take out of a value what no setting can be, so that the rest of it is looked at all the same. */
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

/** Put `leaf` at a path; says what is wrong when the path is set twice. */
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
