import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { OWN } from "./project.mjs";

/** The release of kind that is downloaded when none is on the PATH. */
const KIND_VERSION = "v0.33.0";

/** Where kind's releases are, or a mirror of them. */
const KIND_URL =
  process.env.CILIUM_MODES_KIND_URL || `https://github.com/kubernetes-sigs/kind/releases/download/${KIND_VERSION}`;

const ARCHITECTURES = { x64: "amd64", arm64: "arm64" };

/** The name of kind's program for this machine. */
const kindFile = () => `kind-${process.platform}-${ARCHITECTURES[process.arch] ?? process.arch}`;

/** Download kind into this project's own folder, checked against the checksum that is published beside it. */
export async function downloadKind() {
  const file = kindFile();
  console.log(`Downloading kind ${KIND_VERSION} from ${KIND_URL}/${file}`);
  const [program, sums] = await Promise.all([
    fetchBytes(`${KIND_URL}/${file}`),
    fetchBytes(`${KIND_URL}/${file}.sha256sum`),
  ]);
  const expected = sums.toString().trim().split(/\s/)[0];
  const actual = createHash("sha256").update(program).digest("hex");
  if (actual !== expected)
    throw new Error(`${file} has the checksum ${actual}, and ${expected} is published; nothing was installed`);
  const folder = join(OWN, "bin");
  mkdirSync(folder, { recursive: true });
  const part = join(folder, `.kind-${process.pid}`);
  writeFileSync(part, program);
  chmodSync(part, 0o755);
  renameSync(part, join(folder, "kind"));
}

/** Whether kind's release answers. Returns what is wrong otherwise. */
export async function kindUnreachable() {
  try {
    const response = await fetch(`${KIND_URL}/${kindFile()}.sha256sum`, { signal: AbortSignal.timeout(10_000) });
    return response.ok ? undefined : `${KIND_URL} answers ${response.status}`;
  } catch (error) {
    return `${KIND_URL} does not answer (${error.cause?.message ?? error.message})`;
  }
}

async function fetchBytes(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}
