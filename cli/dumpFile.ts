import { once } from "node:events";
import { createReadStream } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { constants, gunzipSync } from "node:zlib";
import { Parser } from "tar";
import { openPromise, type Entry } from "yauzl";
import { isDumpFile, type DumpFiles } from "../datapath/inspect/sysdump";
import { UsageError } from "./usage";

/** Path to content, which is read when it is needed: a dump may have gigabytes. Nothing is written. */
type Contents = Map<string, () => Promise<Readable>>;

/** No file of a dump that is read is larger; a text cannot be much longer. */
const MAX_BYTES = 400_000_000;

/** Folders that may lie above a file: that of the dump, of a bugtool, of the bugtool's own archive, and `cmd`. */
const MAX_DEPTH = 5;

/** What a dump is kept in; undefined where a file is something else. */
export async function dumpKind(path: string): Promise<"folder" | "zip" | "tar" | undefined> {
  if ((await stat(path)).isDirectory()) return "folder";
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(65_536), 0, 65_536, 0);
    const start = buffer.subarray(0, bytesRead);
    if (start.toString("latin1", 0, 2) === "PK") return "zip";
    return unzipped(start).toString("latin1", 257, 262) === "ustar" ? "tar" : undefined;
  } finally {
    await file.close();
  }
}

/** The start of a file without its compression. */
function unzipped(start: Buffer): Buffer {
  if (start[0] !== 0x1f || start[1] !== 0x8b) return start;
  try {
    return gunzipSync(start, { finishFlush: constants.Z_SYNC_FLUSH });
  } catch {
    return start;
  }
}

/** Work with the files of a sysdump, or of a bugtool: a folder, a zip, or an archive of tar. @throws UsageError if it is none */
export async function withDump<T>(path: string, work: (files: DumpFiles) => Promise<T>): Promise<T> {
  const kind = await dumpKind(path);
  if (kind === "zip") return inZip(path, (contents) => work(filesOf(path, contents)));
  return work(filesOf(path, kind === "folder" ? await inFolder(path) : await inTar(path)));
}

function filesOf(dump: string, contents: Contents): DumpFiles {
  const paths = [...contents.keys()].filter(isDumpFile);
  if (paths.length === 0)
    throw new UsageError(
      `${dump} holds no output of cilium sysdump or cilium-bugtool; name its zip, archive or folder`,
    );
  return {
    paths,
    async read(path, bytes) {
      const chunks: Buffer[] = [];
      let size = 0;
      for await (const chunk of await contents.get(path)!()) {
        chunks.push(chunk as Buffer);
        size += (chunk as Buffer).length;
        if (size >= (bytes ?? MAX_BYTES)) break;
      }
      if (bytes === undefined && size >= MAX_BYTES) throw new Error(`it is larger than ${MAX_BYTES / 1e6} MB`);
      return Buffer.concat(chunks).toString("utf8", 0, bytes);
    },
  };
}

/** Files that some systems add, which are no part of a dump. */
const isAdded = (path: string) => /(?:^|\/)(?:__MACOSX\/|\._)/.test(path);

const isSymlink = ({ externalFileAttributes }: Entry) => ((externalFileAttributes >>> 16) & 0o170000) === 0o120000;

async function inZip<T>(path: string, work: (contents: Contents) => Promise<T>): Promise<T> {
  const unreadable = ({ message }: Error) =>
    new UsageError(`${path} is cut short, or no zip that can be read: ${message}`);
  const zip = await openPromise(path, { autoClose: false }).catch((error: Error) => {
    throw unreadable(error);
  });
  try {
    const contents: Contents = new Map();
    try {
      for await (const entry of zip.eachEntry()) {
        const name = entry.fileName;
        if (name.endsWith("/") || isAdded(name) || isSymlink(entry)) continue;
        if (entry.isEncrypted()) throw new UsageError(`${path} has a password; unpack it, and inspect the folder`);
        contents.set(name, () => zip.openReadStreamPromise(entry));
      }
    } catch (error) {
      throw error instanceof UsageError ? error : unreadable(error as Error);
    }
    return await work(await withArchives(contents));
  } finally {
    zip.close();
  }
}

async function inFolder(path: string): Promise<Contents> {
  const contents: Contents = new Map();
  const enter = async (folder: string, depth: number) => {
    for (const found of await readdir(join(path, folder), { withFileTypes: true })) {
      const name = folder === "" ? found.name : `${folder}/${found.name}`;
      // symbolic links are neither
      if (found.isDirectory() && depth < MAX_DEPTH) await enter(name, depth + 1);
      if (found.isFile() && !isAdded(name)) contents.set(name, async () => createReadStream(join(path, name)));
    }
  };
  await enter("", 1);
  return withArchives(contents);
}

async function inTar(path: string): Promise<Contents> {
  const { contents, problem } = await unpacked(createReadStream(path), "");
  if (problem !== undefined) throw new UsageError(`${path} is cut short, or no archive that can be read: ${problem}`);
  return contents;
}

/** With what the archives of bugtools among them have: cilium-cli keeps those that it could not unpack. */
async function withArchives(contents: Contents): Promise<Contents> {
  for (const [path, read] of [...contents]) {
    if (!/(?:^|\/)cilium-bugtool-[^/]*\.(?:tar|tar\.gz|tgz)$/.test(path)) continue;
    // what is whole in one that is cut short is evidence too
    const found = await unpacked(await read(), `${path}/`);
    for (const [inner, content] of found.contents) contents.set(inner, content);
  }
  return contents;
}

/** The files of a tar, compressed or not, that an inspection reads; and why it could not be read to its end. */
async function unpacked(archive: Readable, prefix: string): Promise<{ contents: Contents; problem?: string }> {
  const contents: Contents = new Map();
  let problem: string | undefined;
  const parser = new Parser({
    filter: (path, entry) => isDumpFile(prefix + path) && !isAdded(path) && Number(entry.size) < MAX_BYTES,
    onReadEntry(entry) {
      if (entry.type !== "File" && entry.type !== "OldFile") return entry.resume();
      const chunks: Buffer[] = [];
      entry.on("data", (chunk: Buffer) => chunks.push(chunk));
      entry.on("end", () => contents.set(prefix + entry.path, async () => Readable.from(chunks)));
    },
    onwarn(code, message) {
      if (code !== "TAR_ENTRY_INFO") problem ??= String(message);
    },
  });
  archive.on("error", (error) => parser.abort(error));
  archive.pipe(parser as unknown as NodeJS.WritableStream);
  await once(parser, "end").catch((error: Error) => (problem ??= error.message));
  archive.destroy();
  return { contents, ...(problem === undefined ? {} : { problem }) };
}
