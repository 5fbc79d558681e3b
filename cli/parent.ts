/** How often a command checks that its caller is alive. */
const CHECK_MILLISECONDS = 500;

/** End this process when its parent ends: a cancelled run kills only the parent, and waits for this process. */
export function endWithParent(): void {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.exit(1);
  }, CHECK_MILLISECONDS).unref();
}
