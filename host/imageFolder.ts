import { mkdir, rm, rmdir } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import type { KindMount } from "../modes/kindConfig";

/** Mount point in nodes of the folder through which images are loaded. */
export const IMAGE_FOLDER = "/kind/images";

/** A stack's folder on this machine. While a node mounts it, Docker would recreate it. */
function folderOf(stackId: string): string {
  const cache = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  return join(cache, "cilium-modes", stackId);
}

/** Create a stack's folder. @returns the mount for its nodes, which copy images to each other through it */
export async function makeImageFolder(stackId: string): Promise<KindMount> {
  await mkdir(folderOf(stackId), { recursive: true, mode: 0o700 });
  return { hostPath: folderOf(stackId), containerPath: IMAGE_FOLDER, readOnly: false };
}

/** Remove a stack's folder, after its nodes. */
export async function removeImageFolder(stackId: string): Promise<void> {
  await rm(folderOf(stackId), { recursive: true, force: true });
  await rmdir(dirname(folderOf(stackId))).catch(() => undefined); // not empty while other stacks have folders
}
