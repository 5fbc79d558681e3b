import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseDocument } from "yaml";
import { PACKAGE_DIRECTORY } from "../host/packageFile";
import { ENCRYPTED } from "../modes/registryMirrors";
import { parseSettings, type CheckedSettings } from "../settings/parse";
import { SECRET_FIELDS } from "../settings/schemaParts";
import { UsageError } from "./usage";

/** The project's folder: the checkout, or the current folder where this package is installed in another program. */
export const PROJECT_DIRECTORY = existsSync(join(PACKAGE_DIRECTORY, "Pulumi.yaml")) ? PACKAGE_DIRECTORY : process.cwd();

/**
 * Read a stack's settings from its file, with overrides as `pulumi config set` would store them. Needs neither Pulumi nor
 * a cluster.
 * @throws Error naming every problem: of the file, of `overrides` (`key=value`), or of the settings
 */
export function readStackFile(
  stack: string,
  overrides: readonly string[] = [],
  directory = PROJECT_DIRECTORY,
): CheckedSettings {
  const file = join(directory, `Pulumi.${stack}.yaml`);
  if (!existsSync(file)) {
    throw new Error(`There is no ${file}; known stacks are ${knownStacks(directory).join(", ")}`);
  }
  const project = (parseYaml(join(directory, "Pulumi.yaml")) as { name: string }).name;
  const { config = {} } = (parseYaml(file) ?? {}) as { config?: Record<string, unknown> | null };
  const entries = Object.entries(config ?? {}).map(
    ([key, value]) =>
      [withProject(key, project), /(?:^|:)cluster(?:\.|$)/.test(key) ? withoutCredentials(value) : value] as const,
  );
  const secret = entries.filter(([, value]) => isSecret(value)).map(([key]) => key.slice(project.length + 1));
  const overriding = overrides.map((text) => override(text, project));
  const unreadable = secret.filter((key) => !overriding.some(([overridden]) => overridden === `${project}:${key}`));
  if (unreadable.length > 0) {
    throw new Error(
      [
        `${file} has secrets, which only Pulumi can read:`,
        ...unreadable.map((key) => `  - ${key}: set a value for this command with --set ${key}=…`),
      ].join("\n"),
    );
  }
  const merged = new Map<string, string>();
  for (const [key, value] of entries) if (!isSecret(value)) merged.set(key, asText(value));
  for (const [key, value] of overriding) {
    // a nested object and the dotted key inside it would be the same setting twice
    removeNested(merged, key);
    merged.set(key, value);
  }
  return parseSettings({ project, stack, config: Object.fromEntries(merged), directory });
}

/** The stacks that have a file. */
export function knownStacks(directory = PROJECT_DIRECTORY): string[] {
  return readdirSync(directory).flatMap((file) => /^Pulumi\.([\w.-]+)\.yaml$/.exec(file)?.[1] ?? []);
}

function parseYaml(file: string): unknown {
  const document = parseDocument(readFileSync(file, "utf8"));
  const [problem] = document.errors;
  if (problem !== undefined) throw new Error(`${file} is not YAML: ${problem.message.split("\n")[0]}`);
  return document.toJS();
}

/** A key of a stack's file without a project's name belongs to this project. */
function withProject(key: string, project: string): string {
  return key.includes(":") ? key : `${project}:${key}`;
}

function override(text: string, project: string): [string, string] {
  const match = /^([^=]+)=(.*)$/s.exec(text);
  if (match === null) throw new UsageError(`--set must be key=value, such as --set tunnel=vxlan (got "${text}")`);
  return [withProject(match[1]!, project), match[2]!];
}

/** Remove a path from the object that holds it, at any depth. */
function removeNested(config: Map<string, string>, key: string): void {
  for (const [parent, text] of config) {
    if (!key.startsWith(`${parent}.`) || !text.startsWith("{")) continue;
    const value = JSON.parse(text) as Record<string, unknown>;
    const steps = key.slice(parent.length + 1).split(".");
    let at: unknown = value;
    for (const step of steps.slice(0, -1)) at = isObject(at) ? at[step] : undefined;
    if (isObject(at)) delete at[steps.at(-1)!];
    config.set(parent, JSON.stringify(value));
  }
}

/** A value as the engine passes it to a program: objects and lists are JSON. */
function asText(value: unknown): string {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}

/** A value in which the encrypted credentials of registries, which only nodes need, have a placeholder. */
function withoutCredentials(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutCredentials);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      SECRET_FIELDS.includes(key) && isSecret(inner) ? ENCRYPTED : withoutCredentials(inner),
    ]),
  );
}

function isSecret(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(isSecret);
  return (
    isObject(value) && (("secure" in value && Object.keys(value).length === 1) || Object.values(value).some(isSecret))
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
