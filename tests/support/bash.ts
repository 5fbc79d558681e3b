import { spawnSync } from "node:child_process";

/** How a script ended. */
interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Run a script by bash, as documentation shows it. The user's and the system's start-up files are not read: bash takes a
 * standard input that is a socket, as Node.js makes it, for a remote shell, and reads them where SHLVL is not set.
 */
export function bash(script: string, cwd: string, environment: NodeJS.ProcessEnv = process.env): Ended {
  const { BASH_ENV: _, ...env } = environment;
  return spawnSync("bash", ["--norc", "-euo", "pipefail", "-c", script], {
    cwd,
    env,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 2 ** 26,
  });
}
