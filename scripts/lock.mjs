import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { ROOT } from "../cli/ownEnvironment.mjs";
import { runPulumi, stateFolder } from "./project.mjs";

/** Cancel the update that a killed run left locked: only when its process is gone from this machine. Returns an exit code. */
export async function releaseStaleLock(stack) {
  const locks = locksOf(stack);
  if (locks.length === 0 || locks.some((lock) => lock.hostname !== hostname() || isPulumi(lock.pid))) return 0;
  const pids = locks.map(({ pid }) => pid).join(", ");
  console.log(`A run of Pulumi was killed and left ${stack} locked (process ${pids} is gone): running pulumi cancel`);
  return runPulumi(["cancel", "--yes", "--stack", stack]);
}

/** A stack's locks as Pulumi's file backend writes them. */
function locksOf(stack) {
  const state = stateFolder();
  if (state === undefined) return [];
  const project = /^name: *(\S+)/m.exec(readFileSync(join(ROOT, "Pulumi.yaml"), "utf8"))[1];
  const folder = join(state, ".pulumi", "locks", "organization", project, stack);
  try {
    return readdirSync(folder)
      .filter((file) => file.endsWith(".json"))
      .map((file) => JSON.parse(readFileSync(join(folder, file), "utf8")));
  } catch {
    return []; // no locks, or one that goes at this moment
  }
}

/** Whether a process of this machine runs Pulumi. */
function isPulumi(pid) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error.code === "ESRCH") return false;
  }
  // another program may have the number by now
  const { status, stdout } = spawnSync("ps", ["-p", String(pid), "-o", "comm="], { encoding: "utf8" });
  return status !== 0 || /pulumi/.test(stdout);
}
