import type { Verdict } from "../datapath/facts";
import type { Section } from "../machine/examine";
import { table, type Look } from "../render/terminal";
import { verdictWord } from "./verdictWord";

/**
 * What a machine's examination came to: a table for each section, and what to do.
 * @param quiet without the tables
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
  const toDo = (...verdicts: Verdict[]) =>
    all
      .filter(({ verdict }) => verdicts.includes(verdict))
      .flatMap(({ subject, seen, matters, remedy }) => [
        `  - ${subject}: ${seen} ${dim(`(${matters})`)}`,
        ...(remedy === undefined ? [] : [`    do: ${remedy}`]),
      ]);
  const [problems, warnings] = [toDo("fail"), toDo("warning", "inconclusive")];
  return [
    ...(quiet ? [] : tables),
    ...(warnings.length > 0 ? ["What is worth knowing:", ...warnings, ""] : []),
    ...(problems.length > 0 ? ["What stands in the way:", ...problems, ""] : []),
    problems.length > 0
      ? `The stack ${stack} cannot be brought up on this machine as it is`
      : `Nothing stands in the way of the stack ${stack}`,
  ].join("\n");
}
