import { ConfigurationError, parseSettings, type CheckedSettings, type Settings } from "../../../settings/parse";

/** A stack's configuration without the project's name before each key. */
export type Config = Readonly<Record<string, string>>;

/** The settings of a stack with this configuration, as the engine would give it. */
export function parse(config: Config, secrets: readonly string[] = [], stack = "dev"): Settings {
  return check(config, secrets, stack).settings;
}

/** The warnings that a configuration brings, a line each. */
export function warningsOf(config: Config, secrets: readonly string[] = []): string[] {
  return check(config, secrets).warnings.map(({ key, rule }) => `${key}: ${rule}`);
}

function check(config: Config, secrets: readonly string[], stack = "dev"): CheckedSettings {
  return parseSettings({
    project: "cilium-modes",
    stack,
    config: Object.fromEntries(Object.entries(config).map(([key, value]) => [`cilium-modes:${key}`, value])),
    isSecret: (key) => secrets.some((secret) => key === `cilium-modes:${secret}`),
  });
}

/** The lines of an error about settings, without its warnings. */
export const problemLines = ({ message }: Error) =>
  message.split(/\nThe configuration of stack \S+ has warnings:/)[0]!.split("\n");

/** The lines below the headline of the error that a configuration brings. @throws Error when it is accepted */
export function problemsOf(config: Config, secrets: readonly string[] = [], stack = "dev"): string[] {
  try {
    parse(config, secrets, stack);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError);
    const [headline, ...lines] = problemLines(error as Error);
    const count = lines.length === 1 ? "1 problem" : `${lines.length} problems`;
    expect(headline).toBe(`The configuration of stack ${stack} has ${count}; nothing was changed:`);
    return lines;
  }
  throw new Error(`${JSON.stringify(config)} was accepted`);
}
