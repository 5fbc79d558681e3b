import { mkdir, rm, rmdir } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import type { KindMount } from "../modes/kindConfig";

/** Where nodes see the folder of this machine through which images come to them. */
export const IMAGE_FOLDER = "/kind/images";

/** The folder of a stack's nodes; as long as a node has it, Docker would make it again. */
function folderOf(mark: string): string {
  const cache = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  return join(cache, "cilium-modes", mark);
}

/** Make the folder of a stack's nodes. @returns what mounts it into them */
export async function makeImageFolder(mark: string): Promise<KindMount> {
  await mkdir(folderOf(mark), { recursive: true, mode: 0o700 });
  return { hostPath: folderOf(mark), containerPath: IMAGE_FOLDER, readOnly: true };
}

/** Remove the folder of a stack, once no node has it any more. */
export async function removeImageFolder(mark: string): Promise<void> {
  await rm(folderOf(mark), { recursive: true, force: true });
  await rmdir(dirname(folderOf(mark))).catch(() => undefined); // other stacks have theirs in it
}
