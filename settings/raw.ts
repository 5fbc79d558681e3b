import type { SettingsSource } from "../settings";

/** One broken rule of one configuration key. */
export interface Problem {
  /** Configuration key as a path, such as `cluster.workers`. */
  readonly key: string;
  /** The rule, what was found, and the fix. */
  readonly rule: string;
}

type Tree = { [key: string]: unknown };

/**
 * The configuration as one tree. A key with dots is a path, so `pulumi config set bpf.masquerade true` and a
 * nested `bpf: {masquerade: true}` mean the same.
 */
export function rawSettings({ project, config, isSecret }: SettingsSource): {
  value: Tree;
  problems: Problem[];
  secretKeys: Set<string>;
} {
  const value: Tree = {};
  const problems: Problem[] = [];
  const secretKeys = new Set<string>();
  const own = Object.keys(config).filter((key) => key.startsWith(`${project}:`));
  // whole objects first, so that a dotted key lands in its object whatever the file's order
  for (const fullKey of own.sort()) {
    const key = fullKey.slice(project.length + 1);
    if (isSecret?.(fullKey)) secretKeys.add(key.split(".")[0]!);
    const problem = place(value, key, decode(config[fullKey]!));
    if (problem) problems.push({ key, rule: problem });
  }
  return { value, problems, secretKeys };
}

/** Objects and lists arrive as JSON text; everything else stays the text it is. */
function decode(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Put `leaf` at a dotted path; says what is wrong when the path is set twice. */
function place(tree: Tree, path: string, leaf: unknown): string | undefined {
  const steps = path.split(".");
  let at = tree;
  for (const step of steps.slice(0, -1)) {
    const next = (at[step] ??= {});
    if (typeof next !== "object" || next === null) return `"${step}" is set to a value and used as an object`;
    at = next as Tree;
  }
  const last = steps[steps.length - 1]!;
  if (last in at && String(at[last]) !== String(leaf)) {
    return "is set twice with different values, once nested and once with dots; remove one";
  }
  at[last] = leaf;
  return undefined;
}
