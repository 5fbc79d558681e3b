import type { z } from "zod";
import { likely } from "../modes/likely";
import { at } from "../modes/tree";
import type { IsSecretPath, Problem } from "./raw";
import { knownKeys, settingPaths } from "./schema";

/** The longest part of a key or a value that a message repeats. */
const MAX_SHOWN = 200;

interface Finding extends Problem {
  /** Whether the key has to be set and is not. */
  readonly missing?: boolean;
  /** The setting that an unknown key is likely to mean. */
  readonly meant?: string | undefined;
}

/** zod's findings as this project words them: one problem a line, with what was found and the likely fix. */
export function zodProblems(error: z.ZodError, input: unknown, isSecretPath: IsSecretPath): Problem[] {
  const findings = error.issues.flatMap((issue) => findingsOf(issue, input, isSecretPath));
  const meant = new Set(findings.map((finding) => finding.meant));
  // a misspelt key is one mistake, not an unknown key and a missing one
  return findings.filter(({ key, missing }) => !missing || !meant.has(key)).map(({ key, rule }) => ({ key, rule }));
}

/** The rule behind an issue for which the schema has no words of its own. */
export function defaultRule(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === "too_small") return "must not be empty";
  if (issue.code === "invalid_union") return "must be a value that JSON can hold";
  if (issue.code !== "invalid_type") return undefined;
  return issue.expected === "array" ? "must be a list" : "must be an object";
}

function findingsOf(issue: z.core.$ZodIssue, input: unknown, isSecretPath: IsSecretPath): Finding[] {
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownKey(issue.path, key));
  if (issue.code === "invalid_key") {
    const key = pathText(issue.path);
    const got = isSecretPath(key) ? "a secret value" : shown(String(issue.path.at(-1)));
    return issue.issues.map(({ message }) => ({ key, rule: `${message}, got ${got}` }));
  }
  let allowed = issue.code === "invalid_value" ? issue.values : [];
  if (issue.code === "invalid_union") {
    // the form that was meant is the one that is wrong only further inside
    const inner = issue.errors.find((errors) => errors.every(({ path }) => path.length > 0));
    const nested = inner?.map((each) => ({ ...each, path: [...issue.path, ...each.path] }));
    if (nested) return nested.flatMap((each) => findingsOf(each, input, isSecretPath));
    allowed = issue.errors.flat().flatMap((each) => (each.code === "invalid_value" ? each.values : []));
  }
  const key = pathText(issue.path);
  const [rule, ...hints] = issue.message.split("; ");
  // what a default broke stands in the issue only
  const found = at(input, issue.path) ?? issue.input;
  if (found === undefined) return [{ key, rule: [`${rule}, but is missing`, ...hints].join("; "), missing: true }];
  if (isSecretPath(key)) {
    // a suggestion tells most of the value
    const safe = hints.filter((hint) => !hint.startsWith("did you mean"));
    return [{ key, rule: [`${rule}, got a secret value`, ...safe].join("; ") }];
  }
  if (typeof found === "string" && /^\s*[[{]/.test(found)) hints.push("it is not valid JSON");
  const fix = likely(String(found), allowed.map(String));
  if (fix !== undefined) hints.push(`did you mean "${fix}"?`);
  return [{ key, rule: [`${rule}, got ${shown(found)}`, ...hints].join("; ") }];
}

function unknownKey(path: readonly PropertyKey[], key: string): Finding {
  const known = knownKeys(path);
  const sibling = likely(key, known);
  const elsewhere = settingPaths().find((setting) => setting.toLowerCase().endsWith(`.${key.toLowerCase()}`));
  const fix = sibling ?? elsewhere;
  const hint = fix === undefined ? `known here: ${known.join(", ")}` : `did you mean "${fix}"?`;
  const meant = sibling === undefined ? undefined : pathText([...path, sibling]);
  return { key: pathText([...path, key]), rule: `is not a setting; ${hint}`, meant };
}

/** A path as messages name it. */
export function pathText(path: readonly PropertyKey[]): string {
  const steps = path.map(String).map((step) => (/^[\w.:/-]{1,200}$/.test(step) ? step : shown(step)));
  return steps.length === 0 ? "(the whole configuration)" : steps.join(".");
}

/** A value as messages repeat it: in one line, without what a terminal would obey or a URL's credentials, and not too long. */
export function shown(value: unknown): string {
  // JSON has no word for what is no finite number
  const whole = typeof value === "number" ? String(value) : typeof value === "string" ? value : JSON.stringify(value);
  const harmless = whole.replace(/:\/\/[^/@\s"]*@/g, "://…@");
  const cut = typeof value === "string" && harmless.length > MAX_SHOWN ? `${harmless.slice(0, MAX_SHOWN)}…` : harmless;
  const text = typeof value === "string" ? JSON.stringify(cut) : cut;
  const printable = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (sign) => `\\u{${sign.codePointAt(0)!.toString(16)}}`);
  return typeof value === "string" || printable.length <= MAX_SHOWN ? printable : `${printable.slice(0, MAX_SHOWN)}…`;
}
