import type { Asked } from "../probes";
import { fail, inconclusive, pass, type Finding } from "./check";

/** A finding for each who asked. @param nodes names that a target may mention */
export function judgeAsked(
  asked: readonly Asked[],
  remedy: string,
  none: Finding,
  nodes: readonly string[],
): Finding[] {
  if (asked.length === 0) return [none];
  return asked.map(({ from, answers }): Finding => {
    const at = { nodes: [from] };
    if (answers instanceof Error) return inconclusive(from, answers.message, undefined, at);
    if (answers.size === 0) return inconclusive(from, "there was nobody to ask", undefined, at);
    const bad = [...answers].filter(([, answer]) => answer !== "ok");
    const seen = `${answers.size - bad.length} of ${answers.size} answered`;
    if (bad.length === 0) return pass(from, seen);
    const about = nodes.filter((node) => bad.some(([target]) => target.split(/[ ()]/).includes(node)));
    const reason = bad
      .slice(0, 3)
      .map(([target, answer]) => `${target}: ${answer}`)
      .join("; ");
    return fail(from, seen, bad.length > 3 ? `${reason}; and ${bad.length - 3} more` : reason, remedy, {
      cause: "packet-loss",
      nodes: [...new Set([from, ...about])],
    });
  });
}
