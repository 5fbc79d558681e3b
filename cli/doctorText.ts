import type { Verdict } from "../datapath/facts";
import type { Section } from "../host/examine";
import { type Look, table, verdictWord } from "../render/terminal";

/**
 * The findings about a machine: a table for each section, then warnings and problems with their fixes.
 * @param quiet leave the tables out
 */
export function doctorText(stack: string, sections: readonly Section[], look: Look, quiet = false): string {
  const { bold, dim } = look.colors;
  const tables = sections.flatMap(({ title, findings }) => [
    bold(title),
    table(
      findings.map(({ subject, verdict, seen, matters }) => [
        verdictWord(verdict, look),
        subject,
        `${seen} ${dim(`(${matters})`)}`,
      ]),
      look,
      "  ",
    ),
    "",
  ]);
  const all = sections.flatMap(({ findings }) => findings);
  const listed = (title: string, ...verdicts: Verdict[]) => {
    const rows = all
      .filter(({ verdict }) => verdicts.includes(verdict))
      .map(({ verdict, subject, seen, matters, remedy }) => [
        verdictWord(verdict, look),
        [`${subject}: ${seen} ${dim(`(${matters})`)}`, ...(remedy === undefined ? [] : [`fix: ${remedy}`])].join("\n"),
      ]);
    return rows.length === 0 ? [] : [title, table(rows, look, "  "), ""];
  };
  const problems = listed("Problems:", "fail");
  return [
    ...(quiet ? [] : tables),
    ...listed("Warnings:", "warning", "inconclusive"),
    ...problems,
    `This machine ${problems.length > 0 ? "cannot" : "can"} run the stack ${stack}`,
  ].join("\n");
}
