import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execInNode, type KindNode } from "./docker";
import { CommandError, killGroup, run } from "./exec";
import { IMAGE_FOLDER } from "./imageFolder";

/** An archive is not unpacked by this: the node's CRI does that with its own snapshotter when a container needs it. */
const IMPORT = ["ctr", "--namespace=k8s.io", "images", "import", "--no-unpack"];

/**
 * Bring images of this machine's Docker to nodes: one archive for all of them, read by all at the same time. They read
 * it from a folder where they have one, which costs half of what a stream through Docker does.
 */
export async function importInto(
  nodes: readonly KindNode[],
  images: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const names = nodes.map(({ name }) => name);
  const folders = new Set(nodes.map(({ imageFolder }) => imageFolder));
  const folder = folders.size === 1 ? [...folders][0] : undefined;
  if (folder === undefined || !(await throughFolder(folder, names, images, signal))) {
    await stream(images, names, signal);
  }
}

/** @returns whether the nodes see the folder: Docker may be on another machine, or see only parts of this one */
async function throughFolder(
  folder: string,
  nodes: readonly string[],
  images: readonly string[],
  signal: AbortSignal,
): Promise<boolean> {
  const name = `${randomUUID()}.tar`;
  const inNodes = (...command: string[]) =>
    Promise.all(nodes.map((node) => execInNode(node, [...command, `${IMAGE_FOLDER}/${name}`], { signal })));
  try {
    const isSeen = await writeFile(join(folder, name), "", { mode: 0o600 })
      .then(() => inNodes("test", "-e"))
      .then(
        () => true,
        () => false,
      );
    if (!isSeen) return false;
    await run("docker", [...(await saveArguments(images)), "--output", join(folder, name)], { signal });
    await inNodes(...IMPORT);
    return true;
  } finally {
    await rm(join(folder, name), { force: true });
  }
}

/**
 * The arguments of `docker save` for images of Docker's own platform, where it can tell platforms apart. Its containerd
 * image store would list every platform that an image was published for in the archive, with the content of only
 * this one, and `ctr images import` refuses such an archive.
 */
export async function saveArguments(images: readonly string[]): Promise<string[]> {
  // older ones, and newer ones with an older daemon, leave the option out
  if (!(await run("docker", ["save", "--help"])).includes("--platform")) return ["save", ...images];
  const platform = (await run("docker", ["version", "--format", "{{.Server.Os}}/{{.Server.Arch}}"])).trim();
  return ["save", "--platform", platform, ...images];
}

/** Without a folder: the archive goes to all nodes as it is written. */
async function stream(images: readonly string[], nodes: readonly string[], signal: AbortSignal): Promise<void> {
  const saving = await saveArguments(images);
  signal.throwIfAborted(); // a cancellation that came before nobody would hear below
  // named, since a test's process.env is not the process's own
  const detached = { detached: true, env: process.env };
  const save = spawn("docker", saving, { ...detached, stdio: ["ignore", "pipe", "pipe"] });
  const imports = nodes.map((node) => {
    const args = ["exec", "--interactive", node, ...IMPORT, "-"];
    const child = spawn("docker", args, { ...detached, stdio: ["pipe", "ignore", "pipe"] });
    child.stdin.on("error", () => undefined); // its exit code tells
    save.stdout.pipe(child.stdin);
    return { child, command: `docker ${args.join(" ")}` };
  });
  const children = [{ child: save, command: `docker ${saving.join(" ")}` }, ...imports];
  // nothing of these has to end by itself, and one that waits for a reader would not
  const abort = () => children.forEach(({ child }) => killGroup(child.pid, "SIGKILL"));
  signal.addEventListener("abort", abort, { once: true });
  try {
    await Promise.all(
      children.map(async ({ child, command }) => {
        let stderr = "";
        child.stderr.on("data", (chunk) => (stderr += chunk));
        const code = await new Promise((resolve, reject) => child.once("error", reject).once("close", resolve));
        // a cancelled docker may end with 0
        if (code !== 0 || signal.aborted)
          throw new CommandError(
            signal.aborted ? "Cancelled" : `Command failed with exit code ${String(code)}`,
            command,
            stderr,
          );
      }),
    );
  } finally {
    abort();
    signal.removeEventListener("abort", abort);
  }
}
