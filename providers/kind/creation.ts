import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { listNodesOfStack, removeNodes } from "../../host/docker";
import { run } from "../../host/exec";
import { removeImageFolder } from "../../host/imageFolder";

/** Name of a folder that exists while a stack's cluster is made; processes that work for it have it in their arguments. */
const prefixOf = (mark: string) => `cilium-modes-kind-${mark}.`;

/** How a process that runs this provider shows itself. */
const PROVIDER = "pulumi-resource-kind";

/** How long Docker may take to finish what it was told by a process that is gone. */
const SETTLE_MILLISECONDS = 2000;

/**
 * A folder for the time of a creation, with the process that is at it.
 * @param mark the stack's: whatever else is at work for it is what a killed run left
 */
export async function duringCreation<T>(mark: string, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), prefixOf(mark)));
  try {
    await writeFile(join(folder, "pid"), String(process.pid));
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * End what a killed run of a stack left at work: it would go on inside the nodes of the next cluster, which have the
 * same names. Pulumi lets only one run at a stack, so nothing of it can be another's.
 */
export async function endOrphans(mark: string): Promise<void> {
  const prefix = prefixOf(mark);
  const folders = (await readdir(tmpdir())).filter((entry) => entry.startsWith(prefix));
  if (folders.length === 0) return;
  const providers = await Promise.all(
    folders.map((folder) => readFile(join(tmpdir(), folder, "pid"), "utf8").catch(() => "")),
  );
  const table = await run("ps", ["-A", "-o", "pid=,args="]).catch(() => ""); // without ps, nothing is known
  for (const line of table.split("\n")) {
    const [, pid, args] = /^\s*(\d+)\s+(.*)$/.exec(line) ?? [];
    if (pid === undefined || args === undefined || Number(pid) === process.pid) continue;
    if (args.includes(prefix) || (providers.includes(pid) && args.includes(PROVIDER))) end(Number(pid));
  }
  await sleep(SETTLE_MILLISECONDS);
  for (const folder of folders) await rm(join(tmpdir(), folder), { recursive: true, force: true });
}

/** Remove the nodes that runs of a stack made and that never came into its state, and the folder that nodes had. */
export async function removeLeftNodes(mark: string): Promise<void> {
  await endOrphans(mark);
  // where there is no Docker any more, there are no nodes of it
  const names = await listNodesOfStack(mark).catch((error: Error) => {
    if (/ENOENT/.test(error.message)) return [];
    throw error;
  });
  await removeNodes(names);
  await removeImageFolder(mark);
}

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // gone already
  }
}
