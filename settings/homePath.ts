import { homedir } from "node:os";

/** A path with the home folder instead of its `~`, which only shells replace. */
export const withHome = (path: string): string => path.replace(/^~(?=\/|$)/, () => homedir());

/** Whether a path starts with the home folder of a named user, such as `~maria/values.yaml`. */
export const isOfOtherHome = (path: string): boolean => /^~[^/]/.test(path);
