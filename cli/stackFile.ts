import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseDocument, stringify } from "yaml";
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
 * @param name of the stack in messages
 * @throws Error naming every problem: of the file, of `overrides` (`key=value`), or of the settings
 */
export function readStackFile(
  stack: string,
  overrides: readonly string[] = [],
  directory = PROJECT_DIRECTORY,
  name = stack,
): CheckedSettings {
  const { file, project, config } = readOverridden(stack, overrides, directory);
  const entries = [...config].map(
    ([key, value]) => [key, /(?:^|:)cluster(?:\.|$)/.test(key) ? withoutCredentials(value) : value] as const,
  );
  const unreadable = entries.filter(([, value]) => isSecret(value)).map(([key]) => key.slice(project.length + 1));
  if (unreadable.length > 0) {
    throw new Error(
      [
        `${file} has secrets, which only Pulumi can read:`,
        ...unreadable.map((key) => `  - ${key}: set a value for this command with --set ${key}=…`),
      ].join("\n"),
    );
  }
  const texts = entries.map(([key, value]) => [key, asText(value)] as const);
  return parseSettings({ project, stack, name, config: Object.fromEntries(texts), directory });
}

/**
 * The text of a stack's file, with overrides as `pulumi config set` would store them. Encrypted values stay as they are.
 * @param more configuration of other projects, by `project:key`
 * @throws Error if the file cannot be read, or has encrypted values that another stack's file cannot have
 */
export function overriddenStackFile(
  stack: string,
  overrides: readonly string[],
  more: Readonly<Record<string, string>>,
  directory = PROJECT_DIRECTORY,
): string {
  const { file, document, config } = readOverridden(stack, overrides, directory);
  const isPortable = ["encryptionsalt", "encryptedkey"].some((key) => key in document);
  if (!isPortable && [...config.values()].some(isSecret))
    throw new Error(`${file} has secrets that Pulumi Cloud can decrypt for the stack ${stack} only`);
  return stringify(
    { ...document, config: { ...Object.fromEntries(config), ...more } },
    { defaultStringType: "QUOTE_DOUBLE", defaultKeyType: "PLAIN" },
  );
}

/** A stack file's content, and its configuration by `project:key` with overrides. @throws Error if it cannot be read */
function readOverridden(stack: string, overrides: readonly string[], directory: string) {
  const file = join(directory, `Pulumi.${stack}.yaml`);
  if (!existsSync(file)) {
    throw new Error(`There is no ${file}; known stacks are ${knownStacks(directory).join(", ")}`);
  }
  const project = (parseYaml(join(directory, "Pulumi.yaml")) as { name: string }).name;
  const document = (parseYaml(file) ?? {}) as { config?: Record<string, unknown> | null };
  const config = new Map(
    Object.entries(document.config ?? {}).map(([key, value]) => [withProject(key, project), value]),
  );
  for (const [key, value] of overrides.map((text) => override(text, project))) {
    // a nested object and the dotted key inside it would be the same setting twice
    removeNested(config, key);
    config.set(key, value);
  }
  return { file, project, document, config };
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
function removeNested(config: Map<string, unknown>, key: string): void {
  for (const [parent, held] of config) {
    if (!key.startsWith(`${parent}.`)) continue;
    const value: unknown = typeof held === "string" && held.startsWith("{") ? JSON.parse(held) : structuredClone(held);
    const steps = key.slice(parent.length + 1).split(".");
    let at: unknown = value;
    for (const step of steps.slice(0, -1)) at = isObject(at) ? at[step] : undefined;
    if (isObject(at)) delete at[steps.at(-1)!];
    if (isObject(value)) config.set(parent, value);
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
