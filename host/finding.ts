import type { Verdict } from "../modes/verdict";

/** One property of this machine, and whether a cluster can be created with it. */
export interface MachineFinding {
  readonly subject: string;
  /** `fail`: no cluster can be created; `inconclusive`: the property could not be read. */
  readonly verdict: Verdict;
  /** The value. */
  readonly seen: string;
  /** The modes and features that depend on it. */
  readonly matters: string;
  /** The command or setting that fixes it. */
  readonly remedy?: string | undefined;
}

/** A finding as one line of an error. */
export function problemLine({ subject, seen, remedy }: MachineFinding): string {
  return `  - ${subject}: ${seen}${remedy === undefined ? "" : `; ${remedy}`}`;
}

/** A finding as a warning. */
export function warningLine({ subject, seen, matters, remedy }: MachineFinding): string {
  return `${subject}: ${seen}. Affects ${matters}.${remedy === undefined ? "" : ` To fix it: ${remedy}`}`;
}
