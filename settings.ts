import * as pulumi from "@pulumi/pulumi";
import { ProgramError } from "./components/programError";
import type { ValueFinding } from "./modes/valueFinding";
import { ConfigurationError, parseSettings, renderWarnings, type Settings } from "./settings/parse";

/** The running stack's settings, and the error that says what the chart has against them. */
export interface LoadedSettings {
  readonly settings: Settings;
  readonly refusal: (findings: readonly ValueFinding[]) => ProgramError;
}

/** Read and check the running stack's configuration, and log its warnings. @throws pulumi.RunError with one line for each problem */
export function loadSettings(): LoadedSettings {
  // set by the language host; the SDK's reader of it is internal
  const secretKeys = new Set<string>(JSON.parse(process.env["PULUMI_CONFIG_SECRET_KEYS"] ?? "[]"));
  const stack = pulumi.getStack();
  try {
    const { settings, warnings, refusal } = parseSettings({
      project: pulumi.getProject(),
      stack,
      config: pulumi.runtime.allConfig(),
      isSecret: (key) => secretKeys.has(key),
    });
    if (warnings.length > 0) void pulumi.log.warn(renderWarnings(stack, warnings));
    return { settings, refusal: (findings) => new ProgramError(refusal(findings).message) };
  } catch (error) {
    throw error instanceof ConfigurationError ? new ProgramError(error.message) : error;
  }
}
