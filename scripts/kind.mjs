import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { OWN } from "../cli/ownEnvironment.mjs";
import { isFound } from "./project.mjs";

/** The release of kind that is obtained when none is on the PATH. */
const KIND_VERSION = "v0.33.0";

/** Where kind's releases are, or a mirror of them. */
const KIND_URL =
  process.env.CILIUM_MODES_KIND_URL || `https://github.com/kubernetes-sigs/kind/releases/download/${KIND_VERSION}`;

const ARCHITECTURES = { x64: "amd64", arm64: "arm64" };
const BIN = join(OWN, "bin");

/** The file name of kind's program for this machine. */
const kindFile = () => `kind-${process.platform}-${ARCHITECTURES[process.arch] ?? process.arch}`;

/**
 * Obtain kind into this project's own folder: by download, or by `go install` where the download does not answer and Go is
 * on the PATH. Throws when neither works.
 */
export async function obtainKind() {
  const unreachable = await kindUnreachable();
  if (unreachable === undefined || !isFound("go")) await downloadKind();
  else installByGo(unreachable);
}

/** Download kind, and check it against the checksum that is published beside it. */
async function downloadKind() {
  const file = kindFile();
  console.log(`Downloading kind ${KIND_VERSION} from ${KIND_URL}/${file}`);
  const [program, sums] = await Promise.all([
    fetchBytes(`${KIND_URL}/${file}`),
    fetchBytes(`${KIND_URL}/${file}.sha256sum`),
  ]);
  const expected = sums.toString().trim().split(/\s/)[0];
  const actual = createHash("sha256").update(program).digest("hex");
  if (actual !== expected)
    throw new Error(`${file} has checksum ${actual}, expected ${expected}; nothing was installed`);
  mkdirSync(BIN, { recursive: true });
  const part = join(BIN, `.kind-${process.pid}`);
  writeFileSync(part, program);
  chmodSync(part, 0o755);
  renameSync(part, join(BIN, "kind"));
}

/** Let Go build kind; the Go module proxy and checksum database stand in for the release page. */
function installByGo(unreachable) {
  const module = `sigs.k8s.io/kind@${KIND_VERSION}`;
  console.log(`${unreachable}; building kind with: go install ${module}`);
  const { status } = spawnSync("go", ["install", module], {
    env: { ...process.env, GOBIN: BIN },
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0) throw new Error(`go install ${module} failed with exit code ${status}`);
}

/** Why kind's release page does not answer; undefined when it does. */
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
