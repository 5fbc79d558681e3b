import { spawnSync } from "node:child_process";

/** How a script ended. */
interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Run a script by bash, as documentation shows it, on any machine:
 * - without start-up files. bash takes a standard input that is a socket, which Node.js makes, for a remote shell, and
 *   then reads them where SHLVL is not set
 * - with a locale that every system has, and without npm's advice
 */
export function bash(script: string, cwd: string, environment: NodeJS.ProcessEnv = process.env): Ended {
  const { BASH_ENV: _, ...others } = environment;
  return spawnSync("bash", ["--norc", "-euo", "pipefail", "-c", script], {
    cwd,
    env: { ...others, LC_ALL: "C", npm_config_loglevel: "error", npm_config_update_notifier: "false" },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 2 ** 26,
  });
}
