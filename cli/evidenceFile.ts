import { existsSync, statSync } from "node:fs";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { z } from "zod";
import type { Reading } from "../datapath/evidence/api";
import type { KeptEvidence } from "../datapath/verify";
import { knownStacks } from "./stackFile";
import { UsageError } from "./usage";

/** Whether an argument names evidence in a file or folder, and no stack. */
export function isArchive(subject: string): boolean {
  if (knownStacks().includes(subject)) return false;
  if (existsSync(subject)) return statSync(subject).isFile() || statSync(subject).isDirectory();
  if (/[/\\]|\.(?:json|gz|tgz|tar|zip)$/.test(subject)) throw new UsageError(`There is no file ${subject}`);
  return false;
}

/** What an archive of this project has beside the evidence. */
const FORMAT = "cilium-modes inspection";
const Archive = z.looseObject({
  format: z.literal(FORMAT),
  version: z.literal(1),
  evidence: z.looseObject({
    api: z.record(z.string(), z.unknown()),
    nodes: z.array(z.looseObject({ node: z.string(), sections: z.record(z.string(), z.looseObject({})) })),
    before: z.array(z.looseObject({})),
    between: z.array(z.looseObject({})),
    after: z.array(z.looseObject({})),
  }),
  logs: z.record(z.string(), z.array(z.string())),
  readAt: z.string(),
  seconds: z.number(),
});

/** Keep the evidence for another time and place. Agents are not asked for secrets, and so it holds none. */
export async function saveEvidence(file: string, evidence: KeptEvidence): Promise<void> {
  const text = JSON.stringify({ format: FORMAT, version: 1, ...evidence, evidence: withoutSecrets(evidence.evidence) });
  await writeFile(file, await promisify(gzip)(text), { mode: 0o600 });
  // a file that was there keeps its own mode
  await chmod(file, 0o600);
}

/** Variables of agents, and a setting of the kernel, may hold credentials. */
export function withoutSecrets(evidence: KeptEvidence["evidence"]): KeptEvidence["evidence"] {
  const { rendered } = evidence.api;
  const helm = "value" in rendered ? rendered.value : null;
  const drop = (reading: Reading<string>, line: RegExp) =>
    "value" in reading
      ? {
          value: reading.value
            .split("\n")
            .filter((each) => !line.test(each))
            .join("\n"),
        }
      : reading;
  return {
    ...evidence,
    api: {
      ...evidence.api,
      rendered: helm?.agent === undefined ? rendered : { value: { ...helm, agent: { ...helm.agent, variables: {} } } },
    },
    nodes: evidence.nodes.map((node) => {
      const { sysctls, arguments: own, ...others } = node.sections;
      return {
        ...node,
        sections: {
          ...others,
          ...(sysctls && { sysctls: drop(sysctls, /fastopen_key/) }),
          ...(own && { arguments: drop(own, /^CILIUM_\w*(?:TOKEN|PASSWORD|SECRET|KEY|CREDENTIAL)/) }),
        },
      };
    }),
  };
}

/** Read the evidence in an archive of {@link saveEvidence}, or in a sysdump. @param at called when something else is being read @throws UsageError if it is neither */
export async function readEvidence(path: string, at?: (what: string) => void): Promise<KeptEvidence> {
  const { dumpKind, withDump }: typeof import("./dumpFile") = require("./dumpFile");
  const { readSysdump }: typeof import("../datapath/inspect/sysdump") = require("../datapath/inspect/sysdump");
  return (await dumpKind(path)) === undefined ? parsed(path) : withDump(path, (files) => readSysdump(files, at));
}

/** The same, and no sysdump: it lacks what checks need. */
export async function readArchive(path: string): Promise<KeptEvidence> {
  const { dumpKind }: typeof import("./dumpFile") = require("./dumpFile");
  if ((await dumpKind(path)) !== undefined)
    throw new UsageError(
      `${path} is no file of inspect --save, and a sysdump lacks what verify needs; use cilium-modes inspect ${path}`,
    );
  return parsed(path);
}

async function parsed(file: string): Promise<KeptEvidence> {
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
