import { stat } from "node:fs/promises";
import { dirname } from "node:path";

/** Check that a file can be written, before its content is made. @throws Error */
export async function checkTarget(file: string): Promise<void> {
  const [folder, target] = await Promise.all([kindOf(dirname(file)), kindOf(file)]);
  if (folder !== "folder") throw new Error(`${file} cannot be written: there is no folder ${dirname(file)}`);
  if (target === "folder") throw new Error(`${file} is a folder; name a file`);
}

async function kindOf(path: string): Promise<"folder" | "file" | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found && (found.isDirectory() ? "folder" : "file");
}
