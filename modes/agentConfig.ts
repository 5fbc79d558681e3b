import type { Since } from "./ciliumVersion";

/** A `cilium-config`, as far as it is known. */
export type Config = Readonly<Record<string, string | null | undefined>>;

/** Settings with which an agent ends, or does something else than they say. */
export interface AgentRule {
  /** Keys of `cilium-config` to blame: the first that is set. */
  readonly keys: readonly string[];
  /** Whether the rule is broken. */
  readonly isBroken: (config: Config) => boolean;
  /** What the agent does, and the fix. */
  readonly rule: string;
  /** First versions with the rule. Default: all have it. */
  readonly since?: Since;
  /** First versions without the rule. Default: none. */
  readonly gone?: Since;
}

export const on = (config: Config, key: string) => config[key] === "true";
export const isSet = (config: Config, key: string) => !["", "false", null, undefined].includes(config[key]);
/** The words of a list in `cilium-config`: spaces part them. */
export const wordsOf = (text: string | null | undefined) => (text ?? "").split(/\s+/).filter(Boolean);
