/** The variable that names the file for every process of a run. */
export const FILE: string;

/** The variable that identifies a run of npm start. */
export const RUN: string;

/**
 * Begin the file of a new run; an earlier run's timings are replaced.
 * @param title what the viewer calls the run
 * @param run identifies it
 * @param began default: now; in microseconds since 1970
 * @throws Error if the file cannot be written, or holds anything else than timings
 */
export function begin(file: string, title: string, run: string, began?: number): void;

/**
 * Begin the file in the Pulumi program, unless `npm start` or this run's preview has begun it.
 * @returns undefined if no timings are wanted; times in microseconds since 1970
 * @throws Error as {@link begin}, and for a relative path outside the project's folder
 */
export function beginInProgram(
  title: string,
): { isBegun: boolean; engineStarted: number | undefined; programStarted: number } | undefined;

/**
 * Begin a span, which may contain others of its row. Does nothing outside a run whose timings are wanted.
 * @param at default: now; in microseconds since 1970
 * @returns ends it
 */
export function start(row: string, name: string, at?: number): (at?: number) => void;

/** Do something, and record it as a span. */
export function span<T>(row: string, name: string, work: () => Promise<T>): Promise<T>;

/** A row of steps. @returns begins a step, which ends the one before; undefined only ends it */
export function steps(row: string): (name: string | undefined) => void;
