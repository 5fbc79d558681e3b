import { routingModeOf, type RoutingMode } from "../modes/contract";
import type { ReleaseName } from "../modes/releases";
import { zodProblems, defaultRule } from "./problems";
import { rawSettings, type Problem } from "./raw";
import { withRelease, type ReleasedSettings } from "./release";
import { existingClusterProblems, settingProblems, settingWarnings } from "./rules";
import { schemaFor } from "./schema";

/** A stack's checked configuration. */
export interface Settings extends ReleasedSettings {
  readonly release: ReleaseName;
  /** The routing mode that `kubeProxyReplacement` and `bpf.masquerade` make. */
  readonly mode: RoutingMode;
}

/** What {@link parseSettings} reads, without Pulumi's runtime. */
export interface SettingsSource {
  readonly project: string;
  readonly stack: string;
  /** Configuration as the engine gives it: `project:key` to text; objects are JSON. */
  readonly config: Readonly<Record<string, string>>;
  /** Whether a `project:key` is secret; its value then never enters a message. */
  readonly isSecret?: (key: string) => boolean;
}

/** A configuration that cannot be used, with one line for every problem. */
export class ConfigurationError extends Error {
  constructor(stack: string, problems: readonly Problem[]) {
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    super([`The configuration of stack ${stack} has ${count}; nothing was changed:`, ...linesOf(problems)].join("\n"));
    this.name = "ConfigurationError";
  }
}

/** Settings, and what is worth a warning though it stops nothing. */
export interface CheckedSettings {
  readonly settings: Settings;
  readonly warnings: readonly Problem[];
}

/** Check a stack's whole configuration. @throws ConfigurationError */
export function parseSettings(source: SettingsSource): CheckedSettings {
  const { value, problems, isSecretPath } = rawSettings(source);
  const parsed = schemaFor(source).safeParse(value, { reportInput: true, error: defaultRule });
  if (!parsed.success) {
    throw new ConfigurationError(source.stack, [...problems, ...zodProblems(parsed.error, value, isSecretPath)]);
  }
  const released = withRelease(parsed.data);
  problems.push(...settingProblems(released, isSecretPath), ...existingClusterProblems(released, value));
  const mode = routingModeOf({
    kubeProxyReplacement: released.kubeProxyReplacement,
    bpfMasquerade: released.bpf.masquerade,
  });
  if (problems.length > 0 || mode === undefined) throw new ConfigurationError(source.stack, problems);
  const settings = { ...released, mode };
  return { settings, warnings: settingWarnings(settings, isSecretPath) };
}

/** The warnings about a stack's configuration as one text. */
export function renderWarnings(stack: string, warnings: readonly Problem[]): string {
  const head = `The configuration of stack ${stack} may not do what it says:`;
  return [head, ...linesOf(warnings)].join("\n");
}

function linesOf(problems: readonly Problem[]): string[] {
  return problems.map(({ key, rule }) => `  - ${key}: ${rule}`);
}
