import type { z } from "zod";
import { suggest } from "../modes/suggest";
import { at } from "../modes/tree";
import { SECRET_FIELDS, type IssueParams } from "./schemaParts";
import { hintOf, knownKeys, settingPaths } from "./schemaPaths";

/** A configuration key that breaks a rule. */
export interface Problem {
  /** Path of the key, such as `cluster.workers`. */
  readonly key: string;
  /** The rule, the value and the fix. */
  readonly rule: string;
}

/** Whether the value at a path is secret, contains a secret, or is part of one. */
export type IsSecretPath = (path: string) => boolean;

/** A setting's value as messages may show it. */
export type Show = (key: string, value: string | number) => string;

/** Longest part of a key or a value that a message shows. */
const MAX_SHOWN = 200;

/** An issue of the schema, before it becomes a {@link Problem}. */
interface Finding {
  readonly key: string;
  readonly rule: string;
  /** The value as a message may show it; undefined where the rule says it all. */
  readonly got?: string | undefined;
  /** What else helps to fix it. */
  readonly hints?: readonly string[];
  /** The value or key that was probably meant. */
  readonly suggestion?: string | undefined;
  /** Whether a required key is not set. */
  readonly missing?: boolean;
  /** Path of the setting that an unknown key probably means. */
  readonly meant?: string | undefined;
}

/** The problems behind a schema's error, each with the value and the probable fix. */
export function zodProblems(error: z.ZodError, input: unknown, isSecretPath: IsSecretPath): Problem[] {
  const findings = error.issues.flatMap((issue) => findingsOf(issue, input, isSecretPath));
  const meant = new Set(findings.map((finding) => finding.meant));
  // a misspelt required key is one mistake: the unknown key, not the missing one
  return findings.filter(({ key, missing }) => !missing || !meant.has(key)).map(problemOf);
}

function problemOf({ key, rule, got, missing, hints = [], suggestion }: Finding): Problem {
  const value = missing ? ", but is missing" : got === undefined ? "" : `, got ${got}`;
  const fix = suggestion === undefined ? [] : [`did you mean "${suggestion}"?`];
  return { key, rule: [rule + value, ...hints, ...fix].join("; ") };
}

/** The rule of an issue for which the schema has no message. */
export function defaultRule(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === "too_small") return "must not be empty";
  if (issue.code === "invalid_union") return "must be a JSON value";
  if (issue.code !== "invalid_type") return undefined;
  return issue.expected === "array" ? "must be a list" : "must be an object";
}

function findingsOf(issue: z.core.$ZodIssue, input: unknown, isSecretPath: IsSecretPath): Finding[] {
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownKey(issue.path, key));
  if (issue.code === "invalid_key") {
    const key = pathText(issue.path);
    const got = isSecretPath(key) ? "a secret value" : shown(String(issue.path.at(-1)));
    return issue.issues.map(({ message }) => ({ key, rule: message, got }));
  }
  let allowed = issue.code === "invalid_value" ? issue.values : [];
  if (issue.code === "invalid_union") {
    // an alternative that fails only further inside is the one that was meant
    const inner = issue.errors.find((errors) =>
      errors.every(({ code, path }) => path.length > 0 || code === "unrecognized_keys"),
    );
    const nested = inner?.map((each) => ({ ...each, path: [...issue.path, ...each.path] }));
    if (nested) return nested.flatMap((each) => findingsOf(each, input, isSecretPath));
    allowed = issue.errors.flat().flatMap((each) => (each.code === "invalid_value" ? each.values : []));
  }
  const key = pathText(issue.path);
  const rule = issue.message;
  const ownHint = hintOf(issue.path);
  const hints = ownHint === undefined ? [] : [ownHint];
  // only the issue has the value of a default
  const found = at(input, issue.path) ?? issue.input;
  if (found === undefined) return [{ key, rule, hints, missing: true }];
  // a suggestion would reveal most of a secret value
  if (isSecretPath(key)) return [{ key, rule, got: "a secret value", hints }];
  if (typeof found === "string" && /^\s*[[{]/.test(found)) hints.push(NO_JSON);
  const params = issue.code === "custom" ? (issue.params as IssueParams | undefined) : undefined;
  const suggestion = params?.suggestion ?? suggest(String(found), allowed.map(String));
  // a text that is to be JSON may hold a mirror's credentials
  const got = key.startsWith("cluster.registryMirrors") && hints.includes(NO_JSON) ? undefined : shown(found);
  return [{ key, rule, got, hints, suggestion }];
}

const NO_JSON = "it is not valid JSON";

/** What kind can do and this project cannot, by the names that users try. */
const NO_SETTINGS: Readonly<Record<string, string>> = {
  "cluster.controlPlanes":
    "clusters have one control plane: kind puts a load balancer in front of several, without the mount that tells destroy whose container it is; bring such a cluster with cluster.kubeconfig",
};

/** Fields of registries' endpoints by the names that containerd and others have for them. */
const FIELDS: Readonly<Record<string, string>> = {
  skip_verify: "insecure",
  skipVerify: "insecure",
  header: "authorization",
  headers: "authorization",
  username: "authorization",
  password: "authorization",
  auth: "authorization",
  client: "clientCertificate",
};

function unknownKey(path: readonly PropertyKey[], key: string): Finding {
  const known = knownKeys(path);
  const field = Object.hasOwn(FIELDS, key) ? FIELDS[key]! : "";
  const sibling = known.includes(field) ? field : suggest(key, known);
  const whole = pathText([...path, key]);
  const why = NO_SETTINGS[whole];
  if (why !== undefined) return { key: whole, rule: `is not a setting: ${why}` };
  const elsewhere = settingPaths().find((setting) => setting.toLowerCase().endsWith(`.${key.toLowerCase()}`));
  const suggestion = sibling ?? elsewhere;
  return {
    key: whole,
    rule: "is not a setting",
    hints: suggestion === undefined ? [`valid keys here: ${known.join(", ")}`] : [],
    suggestion,
    meant: sibling === undefined ? undefined : pathText([...path, sibling]),
  };
}

/** A path as messages show it. */
export function pathText(path: readonly PropertyKey[]): string {
  const steps = path.map(String).map((step) => (/^[\w.:/-]{1,200}$/.test(step) ? step : shown(step)));
  return steps.length === 0 ? "(the whole configuration)" : steps.join(".");
}

/** A value as messages show it: on one line, shortened, without control characters and credentials of URLs. */
export function shown(value: unknown): string {
  // JSON cannot hold Infinity and NaN
  const whole =
    typeof value === "number"
      ? String(value)
      : typeof value === "string"
        ? value
        : JSON.stringify(value, withoutSecrets);
  // up to the last @, since a password may have one, and a slash
  const harmless = whole.replace(/:\/\/[^\s"]*@/g, "://…@");
  const cut = typeof value === "string" && harmless.length > MAX_SHOWN ? `${harmless.slice(0, MAX_SHOWN)}…` : harmless;
  const text = typeof value === "string" ? JSON.stringify(cut) : cut;
  const printable = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (sign) => `\\u{${sign.codePointAt(0)!.toString(16)}}`);
  return typeof value === "string" || printable.length <= MAX_SHOWN ? printable : `${printable.slice(0, MAX_SHOWN)}…`;
}

/** A replacer of JSON.stringify for settings that are shown. */
export function withoutSecrets(key: string, value: unknown): unknown {
  return SECRET_FIELDS.includes(key) ? "…" : value;
}
