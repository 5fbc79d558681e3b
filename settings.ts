import * as pulumi from "@pulumi/pulumi";
import { ProgramError } from "./components/programError";
import type { ValueFinding } from "./modes/valueFinding";
import {
  ConfigurationError,
  parseSettings,
  renderWarnings,
  type CheckedSettings,
  type Settings,
} from "./settings/parse";
import type { Problem } from "./settings/problems";

/** The running stack's settings, and the error that says what is wrong with them. */
export interface LoadedSettings {
  readonly settings: Settings;
  /** Whether nothing is wrong with them but for what the chart may have against their values. */
  readonly isValid: boolean;
  readonly refusal: (findings: readonly ValueFinding[], ofManifests: readonly Problem[]) => ProgramError;
}

/**
 * Read and check the running stack's configuration, and log the warnings about a valid one.
 * @throws pulumi.RunError with one line for each problem of a configuration about which the chart cannot be asked
 */
export function loadSettings(): LoadedSettings {
  // set by the language host; the SDK's reader of it is internal
  const secretKeys = new Set<string>(JSON.parse(process.env["PULUMI_CONFIG_SECRET_KEYS"] ?? "[]"));
  const stack = pulumi.getStack();
  try {
    const checked = parseSettings({
      project: pulumi.getProject(),
      stack,
      config: pulumi.runtime.allConfig(),
      isSecret: (key) => secretKeys.has(key),
    });
    if (checked.warnings.length > 0) void pulumi.log.warn(renderWarnings(stack, checked.warnings));
    return loaded(checked);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    if (error.checked === undefined) throw new ProgramError(error.message);
    return loaded(error.checked);
  }
}

const loaded = ({ settings, problems, refusal }: CheckedSettings): LoadedSettings => ({
  settings,
  isValid: problems.length === 0,
  refusal: (...found) => new ProgramError(refusal(...found).message),
});
