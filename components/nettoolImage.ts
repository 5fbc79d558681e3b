import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Folder of the nettool image's build, relative to the project. */
export const NETTOOL_CONTEXT = "images/nettool";

/** The image's name: it changes with what the image is made of, and with nothing else. */
export function builtImageName(baseImage: string, project = "."): string {
  const context = join(project, NETTOOL_CONTEXT);
  const hash = createHash("sha256").update(baseImage);
  for (const file of readdirSync(context).sort()) hash.update(`\0${file}\0`).update(readFileSync(join(context, file)));
  return `cilium-modes/nettool:${hash.digest("hex").slice(0, 12)}`;
}
