import * as pulumi from "@pulumi/pulumi";
import { type RoutingMode, routingModeOf } from "./modes/contract";
import { settingProblems } from "./settings/rules";
import { rawSettings, type Problem } from "./settings/raw";
import { schemaFor, type ParsedSettings } from "./settings/schema";
import { defaultRule, zodProblems } from "./settings/problems";

/** A stack's checked configuration. */
export interface Settings extends ParsedSettings {
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

/**
 * Check a stack's whole configuration.
 * @throws pulumi.RunError with one line for every problem.
 */
export function parseSettings(source: SettingsSource): Settings {
  const { value, problems, isSecretPath } = rawSettings(source);
  const parsed = schemaFor(source).safeParse(value, { reportInput: true, error: defaultRule });
  problems.push(
    ...(parsed.success ? settingProblems(parsed.data, isSecretPath) : zodProblems(parsed.error, value, isSecretPath)),
  );
  if (problems.length > 0 || !parsed.success) {
    throw new pulumi.RunError(renderProblems(source.stack, problems));
  }
  const mode = routingModeOf({
    kubeProxyReplacement: parsed.data.kubeProxyReplacement,
    bpfMasquerade: parsed.data.bpf.masquerade,
  });
  // settingProblems has refused the one combination without a mode
  return { ...parsed.data, mode: mode! };
}

/** Read and check the running stack's configuration. @throws pulumi.RunError with one line for every problem. */
export function loadSettings(): Settings {
  // the language host's list; Pulumi's SDK keeps its own reader of it internal
  const secretKeys = new Set<string>(JSON.parse(process.env["PULUMI_CONFIG_SECRET_KEYS"] ?? "[]"));
  return parseSettings({
    project: pulumi.getProject(),
    stack: pulumi.getStack(),
    config: pulumi.runtime.allConfig(),
    isSecret: (key) => secretKeys.has(key),
  });
}

function renderProblems(stack: string, problems: readonly Problem[]): string {
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  const lines = problems.map(({ key, rule }) => `  - ${key}: ${rule}`);
  return [`The configuration of stack ${stack} has ${count}; nothing was changed:`, ...lines].join("\n");
}
