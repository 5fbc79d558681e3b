/** How often a command looks whether its caller still lives. */
const CHECK_MILLISECONDS = 500;

/** End this process with the one that started it: a run that is cancelled kills that one alone, and waits for this. */
export function endWithParent(): void {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.exit(1);
  }, CHECK_MILLISECONDS).unref();
}
