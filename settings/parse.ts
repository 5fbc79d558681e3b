import { routingModeOf, type RoutingMode } from "../modes/contract";
import type { ReleaseName } from "../modes/releases";
import type { ValueFinding } from "../modes/valueFinding";
import { switchesOf } from "./ciliumArgs";
import { defaultRule, zodProblems, type Problem } from "./problems";
import { rawSettings, type SettingsSource } from "./raw";
import { registryProblems } from "./registryRules";
import { ipFamilyProblems, ipFamilyWarnings } from "./ipFamilyRules";
import { withRelease, type ReleasedSettings } from "./release";
import { chartProblems, externalClusterProblems, settingProblems, settingWarnings } from "./rules";
import { schemaFor } from "./schema";
import { mergedValues, readValuesFiles } from "./valuesFiles";

/** A stack's checked configuration. */
export interface Settings extends ReleasedSettings {
  readonly release: ReleaseName;
  /** The routing mode that `kubeProxyReplacement` and `bpf` select. */
  readonly mode: RoutingMode;
}

/** An invalid configuration; its message has one line for each problem, and for each warning as far as it can be told. */
export class ConfigurationError extends Error {
  constructor(
    stack: string,
    problems: readonly Problem[],
    warnings: readonly Problem[] = [],
    /** The settings, where they are complete enough to ask the chart about their values too. */
    readonly checked?: CheckedSettings,
  ) {
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    super(
      [
        `The configuration of stack ${stack} has ${count}; nothing was changed:`,
        ...linesOf(problems),
        ...(warnings.length === 0 ? [] : [renderWarnings(stack, warnings)]),
      ].join("\n"),
    );
    this.name = "ConfigurationError";
  }
}

/** Settings with what is to say about them. */
export interface CheckedSettings {
  readonly settings: Settings;
  /** Empty if the settings are valid. */
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
  /** Folder of relative paths. */
  readonly directory: string;
  /** All problems, with what the chart has against the stack's values, and those of the manifests. */
  readonly refusal: (findings: readonly ValueFinding[], ofManifests?: readonly Problem[]) => ConfigurationError;
}

/** Schemas by stack: a program may check a stack's configuration often. */
const schemas = new Map<string, ReturnType<typeof schemaFor>>();

/** Check a stack's whole configuration. @throws ConfigurationError with all problems */
export function parseSettings(source: SettingsSource): CheckedSettings {
  const { value, problems, isSecretPath } = rawSettings(source);
  const { name = source.stack } = source;
  const stack = `${source.project}/${source.stack}`;
  const schema = schemas.get(stack) ?? schemaFor(source);
  schemas.set(stack, schema);
  const parsed = schema.safeParse(value, { reportInput: true, error: defaultRule });
  if (!parsed.success) {
    throw new ConfigurationError(name, [...problems, ...zodProblems(parsed.error, value, isSecretPath)]);
  }
  const { valuesFiles, values: own } = parsed.data.cilium;
  const directory = source.directory ?? process.cwd();
  const read = readValuesFiles(valuesFiles, directory);
  const sources = { files: read.files, own };
  const released = withRelease({
    ...parsed.data,
    cilium: { ...parsed.data.cilium, values: mergedValues(sources) as typeof own },
  });
  problems.push(
    ...read.problems,
    ...settingProblems(released, sources, isSecretPath),
    ...ipFamilyProblems(parsed.data, isSecretPath),
    ...registryProblems(released.cluster.registryMirrors, directory, isSecretPath),
    ...externalClusterProblems(released, value),
  );
  const mode = routingModeOf(switchesOf(released));
  if (mode === undefined) throw new ConfigurationError(name, problems);
  const settings = { ...released, mode };
  const warnings = [...settingWarnings(settings, sources, isSecretPath), ...ipFamilyWarnings(settings)];
  const reported = new Set(problems.map(({ key }) => key));
  const refusal = (findings: readonly ValueFinding[], ofManifests: readonly Problem[] = []) => {
    const ofChart = chartProblems(findings, sources, isSecretPath).filter(({ key }) => !reported.has(key));
    // the warnings about valid settings have been shown before the chart was asked
    const all = [...problems, ...ofManifests, ...ofChart];
    return new ConfigurationError(name, all, problems.length > 0 ? warnings : []);
  };
  const checked = { settings, problems, warnings, directory, refusal };
  if (problems.length > 0) throw new ConfigurationError(name, problems, warnings, checked);
  return checked;
}

/** A stack's warnings as text. */
export function renderWarnings(stack: string, warnings: readonly Problem[]): string {
  const head = `The configuration of stack ${stack} has warnings:`;
  return [head, ...linesOf(warnings)].join("\n");
}

function linesOf(problems: readonly Problem[]): string[] {
  return problems.map(({ key, rule }) => `  - ${key}: ${rule}`);
}
