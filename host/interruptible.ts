/** Signals that ask a process to end; a terminal that is closed sends the last one. */
export const ENDINGS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Exit code of an interrupted process. */
export const INTERRUPTED = 130;

/**
 * Do something that a signal ends in order: the first one aborts what `act` is given, a second one ends the process at once.
 * Commands that `run` starts are in process groups of their own, which a terminal's Ctrl-C does not reach.
 * @param notice what the first signal prints; with it the process's exit code is {@link INTERRUPTED}
 */
export async function interruptible<T>(act: (signal: AbortSignal) => Promise<T>, notice?: string): Promise<T> {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(INTERRUPTED);
    if (notice !== undefined) {
      console.error(notice);
      process.exitCode = INTERRUPTED;
    }
    controller.abort(new Error("Interrupted"));
  };
  for (const signal of ENDINGS) process.on(signal, stop);
  try {
    return await act(controller.signal);
  } finally {
    for (const signal of ENDINGS) process.off(signal, stop);
  }
}
