import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { listNodesOfStack, removeNodes } from "../../host/docker";
import { run } from "../../host/exec";
import { removeImageFolder } from "../../host/imageFolder";

/** Name of a folder that exists while a stack's cluster is created. Processes of the creation have it in their arguments. */
const prefixOf = (mark: string) => `cilium-modes-kind-${mark}.`;

/** This provider's program in a list of processes. */
const PROVIDER = "pulumi-resource-kind";

/** Time for Docker to finish the requests of a process that is gone. */
const SETTLE_MILLISECONDS = 2000;

/**
 * Use a folder while a cluster is created. It names the creating process.
 * @param mark the stack's mark: every other process of the mark was left by a killed run
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
 * End the processes that a killed run of a stack left. They would go on inside the nodes of the next cluster, which have
 * the same names. Pulumi allows one run of a stack at a time, so no process belongs to another run.
 */
export async function endOrphans(mark: string): Promise<void> {
  const prefix = prefixOf(mark);
  const folders = (await readdir(tmpdir())).filter((entry) => entry.startsWith(prefix));
  if (folders.length === 0) return;
  const providers = await Promise.all(
    folders.map((folder) => readFile(join(tmpdir(), folder, "pid"), "utf8").catch(() => "")),
  );
  const table = await run("ps", ["-A", "-o", "pid=,args="]).catch(() => ""); // without ps, no process is known
  for (const line of table.split("\n")) {
    const [, pid, args] = /^\s*(\d+)\s+(.*)$/.exec(line) ?? [];
    if (pid === undefined || args === undefined || Number(pid) === process.pid) continue;
    if (args.includes(prefix) || (providers.includes(pid) && args.includes(PROVIDER))) end(Number(pid));
  }
  await sleep(SETTLE_MILLISECONDS);
  for (const folder of folders) await rm(join(tmpdir(), folder), { recursive: true, force: true });
}

/** Remove the nodes that a stack's runs created but never recorded in its state, and the nodes' image folder. */
export async function removeLeftNodes(mark: string): Promise<void> {
  await endOrphans(mark);
  // without Docker, there are no nodes
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
    // it has ended
  }
}
