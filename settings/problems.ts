import { closest, distance } from "fastest-levenshtein";
import type { z } from "zod";
import type { Problem } from "./raw";
import { knownKeys } from "./schema";

/** How many typing slips a suggestion may repair. */
const MAX_DISTANCE = 4;

/** zod's findings as this project words them: one problem a line, with what was found and the likely fix. */
export function zodProblems(error: z.ZodError, input: unknown, secretKeys: ReadonlySet<string>): Problem[] {
  return error.issues.flatMap((issue) => problemsOf(issue, input, secretKeys));
}

function problemsOf(issue: z.core.$ZodIssue, input: unknown, secretKeys: ReadonlySet<string>): Problem[] {
  if (issue.code === "unrecognized_keys") {
    const known = knownKeys(issue.path);
    return issue.keys.map((key) => ({ key: join([...issue.path, key]), rule: unknownKeyRule(key, known) }));
  }
  if (issue.code === "invalid_union") {
    const deeper = issue.errors.flat().filter((inner) => inner.path.length > 0);
    if (deeper.length > 0) {
      return problemsOf({ ...deeper[0]!, path: [...issue.path, ...deeper[0]!.path] }, input, secretKeys);
    }
  }
  const found = at(input, issue.path);
  const hidden = issue.path.length > 0 && secretKeys.has(String(issue.path[0]));
  const got = found === undefined ? "" : `, got ${hidden ? "a secret value" : JSON.stringify(found)}`;
  const allowed = issue.code === "invalid_value" ? issue.values.map(String) : [];
  const hint = hidden ? "" : suggestion(String(found), allowed);
  return [{ key: join(issue.path), rule: `${issue.message}${got}${hint}` }];
}

function unknownKeyRule(key: string, known: readonly string[]): string {
  const hint = suggestion(key, known);
  return hint === "" ? `is not a setting; known here: ${known.join(", ")}` : `is not a setting${hint}`;
}

function suggestion(text: string, known: readonly string[]): string {
  if (known.length === 0) return "";
  const lower = new Map(known.map((word) => [word.toLowerCase(), word]));
  const best = closest(text.toLowerCase(), [...lower.keys()]);
  return editDistanceAtMost(text.toLowerCase(), best) ? `; did you mean "${lower.get(best)}"?` : "";
}

function editDistanceAtMost(a: string, b: string): boolean {
  return distance(a, b) <= Math.min(MAX_DISTANCE, Math.ceil(Math.max(a.length, b.length) / 3));
}

function join(path: readonly PropertyKey[]): string {
  return path.length === 0 ? "(the whole configuration)" : path.map(String).join(".");
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, step) =>
      typeof inner === "object" && inner !== null ? (inner as Record<PropertyKey, unknown>)[step] : undefined,
    value,
  );
}
