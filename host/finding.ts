import type { Verdict } from "../datapath/facts";

/** One thing about this machine, and what it means for a cluster that is to be made here. */
export interface MachineFinding {
  readonly subject: string;
  /** `fail`: nothing is to be begun with it; `inconclusive`: it could not be found out. */
  readonly verdict: Verdict;
  readonly seen: string;
  /** For what, and for which modes, it matters. */
  readonly matters: string;
  /** The command, or the setting, that mends it. */
  readonly remedy?: string | undefined;
}

/** A finding as a line of a list of what stands in the way. */
export function problemLine({ subject, seen, remedy }: MachineFinding): string {
  return `  - ${subject}: ${seen}${remedy === undefined ? "" : `; ${remedy}`}`;
}

/** A finding as a warning. */
export function warningLine({ subject, seen, matters, remedy }: MachineFinding): string {
  return `${subject}: ${seen}. It matters for ${matters}.${remedy === undefined ? "" : ` To mend it: ${remedy}`}`;
}
