import type { Diagnosis } from "../datapath/causes";
import type { Finding } from "../datapath/checks/check";
import type { CheckResult, Verification } from "../datapath/verify";
import { type Look, PLAIN, someOf, table, verdictWord } from "../render/terminal";

/** How much of a verification is shown: a line for each check, every finding, or only failures. */
export type Detail = "checks" | "all" | "quiet";

/** The longest line that is shown; what is longer is in the JSON and the diagnostics. */
const LONGEST = 300;
/** The same for the last cell of a row, beside verdict, check and subject. */
const CELL = 200;

/** The verdict on a cluster as its headline says it. */
const PROOF_WORDS: Readonly<Record<Verification["proof"], string>> = {
  proven: "PROVEN",
  reported: "REPORTED",
  "not in force": "NOT IN FORCE",
  unknown: "UNKNOWN",
};

/** The exit code of `verify` for each verdict. */
export const PROOF_EXIT_CODES: Readonly<Record<Verification["proof"], number>> = {
  proven: 0,
  "not in force": 1,
  reported: 3,
  unknown: 4,
};

/** What each verdict means, where it is not plain. */
const PROOF_MEANINGS: Readonly<Partial<Record<Verification["proof"], string>>> = {
  reported: "Configuration and agents report the mode; no traffic was sent to prove it.",
  unknown: "Evidence is missing, so the mode is neither proven nor disproved.",
};

/** A verification for reading: a line for each check, then failures with reason and fix, then the verdict. */
export function verificationText(
  name: string,
  verification: Verification,
  look: Look = PLAIN,
  detail: Detail = "checks",
): string {
  const { results, causes, proof, seconds, nodes, mode } = verification;
  const shown = results.filter(({ verdict }) => detail !== "quiet" || (verdict !== "pass" && verdict !== "skipped"));
  const rows = shown.flatMap((result) =>
    detail === "all"
      ? result.findings.map((finding) => [
          verdictWord(finding.verdict, look),
          result.id,
          finding.subject,
          clip(finding.seen, CELL),
        ])
      : [[verdictWord(result.verdict, look), result.id, clip(lineOf(result), CELL)]],
  );
  const skipped = detail === "quiet" ? [] : notesOf(results, "skipped");
  const warnings = notesOf(results, "warning");
  const settled = results.flatMap(({ id, earlier }) =>
    earlier === undefined ? [] : [`  - ${id} failed at first, and passes now: ${earlier}`],
  );
  const sampled =
    nodes === undefined || nodes.looked === nodes.all ? "" : `, ${nodes.looked} of ${nodes.all} nodes sampled`;
  const isFailed = results.some((each) => each.verdict === "fail");
  const subject = mode === undefined || name === String(mode) ? name : `${name} (mode ${mode})`;
  return [
    ...(rows.length > 0 ? [table(rows, look), ""] : []),
    ...section("Not verified:", skipped),
    ...section("Settled while verifying:", settled),
    ...section("Warnings:", warnings),
    ...(causes.length > 0
      ? [
          isFailed ? "Failures:" : "No evidence:",
          ...causes.flatMap((cause, index) => causeLines(cause, index, look)),
          "",
        ]
      : []),
    ...(PROOF_MEANINGS[proof] === undefined ? [] : [PROOF_MEANINGS[proof]!]),
    `${subject}: ${look.colors.bold(PROOF_WORDS[proof])} (${countsOf(results)}${sampled}, ${seconds} s)`,
  ]
    .map((line) => (line.includes("\n") ? line : clip(line)))
    .join("\n");
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [title, ...lines.map((line) => clip(line)), ""];
}

/** One line for a check: nodes that agree are folded into one. */
function lineOf({ verdict, findings }: CheckResult): string {
  const worst = findings.filter((finding) => finding.verdict === verdict);
  const [{ subject, seen, reason }] = worst as [Finding];
  if (verdict === "skipped") return reason ?? seen;
  const same = worst.filter((finding) => finding.seen === seen);
  const who =
    worst.length === 1
      ? subject
      : same.length === worst.length
        ? `${worst.length} alike`
        : `${subject} and ${worst.length - 1} more`;
  return who === "cluster" ? seen : `${who}: ${seen}`;
}

/** What is said of skipped checks and warnings, once for all subjects of which the same is said. */
function notesOf(results: readonly CheckResult[], verdict: "skipped" | "warning"): string[] {
  const subjectsOf = new Map<string, string[]>();
  for (const { id, findings } of results) {
    for (const finding of findings.filter((each) => each.verdict === verdict)) {
      const key = JSON.stringify([id, finding.reason ?? finding.seen, finding.remedy ?? null]);
      subjectsOf.set(key, [...(subjectsOf.get(key) ?? []), finding.subject]);
    }
  }
  return [...subjectsOf].flatMap(([key, subjects]) => {
    const [id, reason, remedy] = JSON.parse(key) as [string, string, string | null];
    const where = subjects.every((each) => each === "cluster") ? "" : ` on ${someOf(subjects)}`;
    return [`  - ${id}${where}: ${reason}`, ...(remedy === null ? [] : [`    fix: ${remedy}`])];
  });
}

function causeLines(
  { cause, nodes, seen, reason, remedy, symptoms, check }: Diagnosis,
  index: number,
  { colors }: Look,
): string[] {
  const where = nodes.length === 0 ? "" : ` on ${someOf(nodes)}`;
  const also = symptoms.map(({ check: id, subjects }) => (subjects.length > 1 ? `${id} (${subjects.length})` : id));
  return [
    ` ${index + 1}. ${colors.bold(cause ?? check)}${where}: ${reason}`,
    `    seen: ${seen}`,
    ...(remedy === undefined ? [] : [`    fix:  ${remedy}`]),
    ...(also.length === 0 ? [] : [`    because of it these checks fail too: ${also.join(", ")}`]),
  ].map((line) => clip(line));
}

function countsOf(results: readonly CheckResult[]): string {
  const count = (verdict: CheckResult["verdict"]) => results.filter((result) => result.verdict === verdict).length;
  const words = [
    [count("fail"), "failed"],
    [count("inconclusive"), "without evidence"],
    [count("warning"), count("warning") === 1 ? "warning" : "warnings"],
    [count("skipped"), "skipped"],
  ] as const;
  const more = words.filter(([number]) => number > 0).map(([number, word]) => `, ${number} ${word}`);
  return `${count("pass")} of ${results.length} checks passed${more.join("")}`;
}

const clip = (line: string, longest = LONGEST) =>
  line.length <= longest ? line : `${line.slice(0, longest - 1).replace(/[\s,;:]+[^\s,;:]{0,40}$/, "")}…`;
