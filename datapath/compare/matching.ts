import { kindOf } from "./likeness";
import type { Comparison, Subject } from "./results";

/** Subjects of two comparisons that are the same, and those of either that are alone. */
export interface Matches {
  readonly pairs: readonly { readonly now: Subject; readonly before: Subject }[];
  readonly nowOnly: readonly Subject[];
  readonly beforeOnly: readonly Subject[];
}

/** Match subjects by mode and tunnel; by name too where several of one comparison have the same. */
export function matchSubjects(now: Comparison, before: Comparison): Matches {
  const all = [now, before].map(({ subjects }) => subjects);
  const isAmbiguous = (subject: Subject) =>
    all.some((subjects) => subjects.filter((each) => kindOf(each) === kindOf(subject)).length > 1);
  const keyOf = (subject: Subject) => `${kindOf(subject)} ${isAmbiguous(subject) ? subject.name : ""}`;
  const counterpartIn = ({ subjects }: Comparison, subject: Subject) =>
    subjects.find((each) => keyOf(each) === keyOf(subject));
  return {
    pairs: now.subjects.flatMap((subject) => {
      const counterpart = counterpartIn(before, subject);
      return counterpart === undefined ? [] : [{ now: subject, before: counterpart }];
    }),
    nowOnly: now.subjects.filter((subject) => counterpartIn(before, subject) === undefined),
    beforeOnly: before.subjects.filter((subject) => counterpartIn(now, subject) === undefined),
  };
}
