/**
 * How a check ended, from the best to the worst. `warning`: noteworthy, but no evidence against the mode;
 * `inconclusive`: there was no evidence to judge by, which counts as a failure.
 */
export const VERDICTS = ["skipped", "pass", "warning", "inconclusive", "fail"] as const;
/** How a check ended: one of {@link VERDICTS}. */
export type Verdict = (typeof VERDICTS)[number];
