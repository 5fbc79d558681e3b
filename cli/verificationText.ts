import type { Verification } from "../datapath/verify";

/** A verification as a table, and what to do about what failed. */
export function verificationText(name: string, { verdict, results, seconds }: Verification): string {
  const rows = results.flatMap(({ id, findings }) => findings.map((finding) => ({ id, ...finding })));
  const width = (of: (row: (typeof rows)[number]) => string) => Math.max(...rows.map((row) => of(row).length));
  const [ids, subjects] = [width(({ id }) => id), width(({ subject }) => subject)];
  const lines = rows.map(
    ({ verdict: each, id, subject, seen }) =>
      `${each.padEnd(12)}  ${id.padEnd(ids)}  ${subject.padEnd(subjects)}  ${seen}`,
  );
  const bad = rows.filter(({ verdict: each }) => each === "fail" || each === "inconclusive");
  const details = bad.flatMap(({ id, subject, reason, remedy }) => [
    `  - ${id} on ${subject}: ${reason ?? "no reason is known"}`,
    ...(remedy === undefined ? [] : [`    do: ${remedy}`]),
  ]);
  const passed = results.filter((result) => result.verdict === "pass").length;
  const skipped = results.filter((result) => result.verdict === "skipped").length;
  const counts = `${passed} of ${results.length} checks passed${skipped > 0 ? `, ${skipped} skipped` : ""}, ${seconds} s`;
  return [
    ...lines,
    "",
    ...(details.length > 0 ? ["What is wrong:", ...details, ""] : []),
    `${name}: ${verdict === "pass" ? "in force" : "NOT in force"} (${counts})`,
  ].join("\n");
}
