import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { z } from "zod";
import type { KeptEvidence } from "../datapath/verify";
import { knownStacks } from "./stackFile";
import { UsageError } from "./usage";

/** Whether an argument names a file of evidence, and no stack. */
export const isArchive = (subject: string) => !knownStacks().includes(subject) && existsSync(subject);

/** What an archive of this project has beside the evidence. */
const FORMAT = "cilium-modes inspection";
const Archive = z.looseObject({ format: z.literal(FORMAT), version: z.literal(1) });

/** Keep the evidence for another time and place. Agents are not asked for secrets, and so it holds none. */
export async function saveEvidence(file: string, evidence: KeptEvidence): Promise<void> {
  const text = JSON.stringify({ format: FORMAT, version: 1, ...evidence });
  await writeFile(file, await promisify(gzip)(text), { mode: 0o600 });
}

export async function readEvidence(file: string): Promise<KeptEvidence> {
  const bytes = await readFile(file);
  const isPacked = bytes[0] === 0x1f && bytes[1] === 0x8b;
  let content: unknown;
  try {
    content = JSON.parse((isPacked ? await promisify(gunzip)(bytes) : bytes).toString("utf8"));
  } catch {
    throw new UsageError(`${file} is no archive of inspect --save`);
  }
  const read = Archive.safeParse(content);
  if (!read.success) throw new UsageError(`${file} is no archive of inspect --save, or one of a newer version`);
  return content as KeptEvidence;
}
