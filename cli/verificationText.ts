import type { Verdict } from "../datapath/facts";
import type { Verification } from "../datapath/verify";
import { PLAIN, table, type Look } from "./terminal";
import { verdictWord } from "./verdictWord";

/** A verification as a table, and what to do about what failed. */
export function verificationText(
  name: string,
  { verdict, results, seconds, nodes }: Verification,
  look: Look = PLAIN,
): string {
  const rows = results.flatMap(({ id, findings }) => findings.map((finding) => ({ id, ...finding })));
  const cells = rows.map(({ verdict: each, id, subject, seen }) => [verdictWord(each, look), id, subject, seen]);
  const detailsOf = (...verdicts: Verdict[]) => {
    // what is the same on several nodes is said once
    const subjectsOf = new Map<string, string[]>();
    for (const { id, subject, reason, remedy, verdict: each } of rows) {
      if (!verdicts.includes(each)) continue;
      const key = JSON.stringify([id, reason ?? "no reason is known", remedy ?? null]);
      subjectsOf.set(key, [...(subjectsOf.get(key) ?? []), subject]);
    }
    return [...subjectsOf].flatMap(([key, subjects]) => {
      const [id, reason, remedy] = JSON.parse(key) as [string, string, string | null];
      return [`  - ${id} on ${subjects.join(", ")}: ${reason}`, ...(remedy === null ? [] : [`    do: ${remedy}`])];
    });
  };
  const [wrong, warnings, unseen] = [detailsOf("fail", "inconclusive"), detailsOf("warning"), detailsOf("skipped")];
  const count = (wanted: Verdict, word: string) => {
    const found = results.filter((result) => result.verdict === wanted).length;
    return found === 0 ? "" : `, ${found} ${word}`;
  };
  const passed = results.filter((result) => result.verdict === "pass").length;
  const counts = `${passed} of ${results.length} checks passed${count("warning", "with warnings")}${count("skipped", "skipped")}, ${nodes === undefined || nodes.looked === nodes.all ? "" : `${nodes.looked} of ${nodes.all} nodes looked at, `}${seconds} s`;
  return [
    table(cells, look),
    "",
    ...(unseen.length > 0 ? ["What was not looked at:", ...unseen, ""] : []),
    ...(warnings.length > 0 ? ["What is worth knowing:", ...warnings, ""] : []),
    ...(wrong.length > 0 ? ["What is wrong:", ...wrong, ""] : []),
    `${name}: ${look.colors.bold(outcomeOf(verdict, results))} (${counts})`,
  ].join("\n");
}

/** A pass of chosen checks shows the mode only when its configuration and status were among them. */
function outcomeOf(verdict: Verification["verdict"], results: Verification["results"]): string {
  if (verdict === "fail")
    return results.some((each) => each.verdict === "fail" || each.verdict === "inconclusive")
      ? "NOT in force"
      : "nothing was shown";
  const passed = new Set(results.filter((each) => each.verdict === "pass").map(({ id }) => id));
  return passed.has("config") && passed.has("status") ? "in force" : "what was looked at is as it must be";
}
