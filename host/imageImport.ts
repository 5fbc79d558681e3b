import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { CERTS_DIRECTORY } from "../modes/registryMirrors";
import { execInNode, type KindNode } from "./docker";
import { CommandError, killGroup, run } from "./exec";
import { IMAGE_FOLDER } from "./imageFolder";
import { containerdReference } from "./registries";
import { span } from "./timings.cjs";

/** The images of nodes after {@link loadIntoNodes}. */
export interface ImagesOnNodes {
  /** Ids of the images on each node, by image reference and node. */
  readonly loaded: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** The images that each node held before. */
  readonly held: Readonly<Record<string, readonly string[]>>;
}

/** Load images of this machine's Docker into the nodes that lack them, or hold another image of that name. */
export async function loadIntoNodes(
  images: readonly string[],
  nodes: readonly KindNode[],
  status: (message: string) => void,
  signal: AbortSignal,
): Promise<ImagesOnNodes> {
  const wanted = new Map(await Promise.all(images.map(async (image) => [image, await localId(image)] as const)));
  const before = await imageIdsOnNodes(images, nodes);
  const holds = ({ name }: KindNode, image: string) => before[image]![name] === wanted.get(image);
  const missing = images.filter((image) => !nodes.every((node) => holds(node, image)));
  if (missing.length > 0) {
    const targets = nodes.filter((node) => !missing.every((image) => holds(node, image)));
    status(`Loading ${missing.join(", ")} into ${targets.map(({ name }) => name).join(", ")}`);
    await importInto(targets, missing, signal);
  }
  return {
    loaded: missing.length > 0 ? await imageIdsOnNodes(images, nodes) : before,
    held: Object.fromEntries(nodes.map((node) => [node.name, images.filter((image) => holds(node, image))])),
  };
}

/** The id of an image in this machine's Docker. */
async function localId(image: string): Promise<string> {
  try {
    return (await run("docker", ["image", "inspect", "--format", "{{.Id}}", image])).trim();
  } catch (error) {
    throw new Error(
      `The image ${image} must be loaded into the nodes, but this machine's Docker does not have it; run: docker pull ${image}`,
      { cause: error },
    );
  }
}

const Inspected = z.object({ status: z.object({ id: z.string() }) });

/** Ids of images on nodes, as containerd's CRI reports them; empty where a node lacks the image. */
export async function imageIdsOnNodes(
  images: readonly string[],
  nodes: readonly KindNode[],
): Promise<Record<string, Record<string, string>>> {
  const idOn = async (image: string, node: string) => {
    const output = await execInNode(node, ["crictl", "inspecti", "-o", "json", image]).catch(() => "");
    return output === "" ? "" : Inspected.parse(JSON.parse(output)).status.id;
  };
  const entries = images.map(
    async (image) =>
      [
        image,
        Object.fromEntries(await Promise.all(nodes.map(async ({ name }) => [name, await idOn(image, name)] as const))),
      ] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
}

/**
 * Pull an image into nodes that lack it, by one node for all of them: it pulls, and the others copy the image through the
 * folder that they share.
 * @param row the row of timings
 * @throws CommandError if the registry refuses or the nodes share no folder; nodes pull by themselves what they lack
 */
export async function pullOnce(
  image: string,
  nodes: readonly KindNode[],
  row: string,
  status: (message: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const held = (await imageIdsOnNodes([image], nodes))[image]!;
  const lacking = nodes.map(({ name }) => name).filter((name) => held[name] === "");
  if (lacking.length === 0) return;
  const source = nodes.find(({ name }) => !lacking.includes(name))?.name ?? lacking[0]!;
  const reference = containerdReference(image);
  const ctr = (node: string, ...args: string[]) => execInNode(node, ["ctr", "--namespace=k8s.io", ...args], { signal });
  if (lacking.includes(source)) {
    status(`Pulling ${image} in ${source}`);
    const fetch = ["content", "fetch", "--hosts-dir", CERTS_DIRECTORY, reference];
    await span(row, `${source}: pull ${image}`, () => ctr(source, ...fetch));
  }
  const targets = lacking.filter((name) => name !== source);
  if (targets.length === 0) return;
  status(`Copying ${image} from ${source} to ${targets.join(", ")}`);
  const archive = `${IMAGE_FOLDER}/${randomUUID()}.tar`;
  try {
    await span(row, `${source}: export ${image}`, () => ctr(source, "images", "export", archive, reference));
    await Promise.all(
      targets.map((node) =>
        span(row, `${node}: import ${image}`, () => execInNode(node, [...IMPORT, archive], { signal })),
      ),
    );
  } finally {
    await execInNode(source, ["rm", "--force", archive]).catch(() => undefined); // the node may be gone
  }
}

/** Imports without unpacking: the node's CRI unpacks with its own snapshotter when a container needs the image. */
const IMPORT = ["ctr", "--namespace=k8s.io", "images", "import", "--no-unpack"];

/** The row of timings for images that are loaded together; others may be loaded meanwhile. */
function rowOf([first, ...others]: readonly string[]): string {
  return `images ${first!.split("/").pop()!}${others.length > 0 ? ` and ${others.length} more` : ""}`;
}

/**
 * Load images into nodes through one archive that all nodes read at the same time: from a shared folder if they have
 * one, which takes half the time of a stream through Docker.
 */
async function importInto(nodes: readonly KindNode[], images: readonly string[], signal: AbortSignal): Promise<void> {
  const names = nodes.map(({ name }) => name);
  const folders = new Set(nodes.map(({ imageFolder }) => imageFolder));
  const folder = folders.size === 1 ? [...folders][0] : undefined;
  if (folder === undefined || !(await throughFolder(folder, names, images, signal))) {
    await span(rowOf(images), `stream into ${names.join(", ")}`, () => stream(images, names, signal));
  }
}

/** @returns false if the nodes do not see the folder, since Docker runs on another machine or shares only parts of this one */
async function throughFolder(
  folder: string,
  nodes: readonly string[],
  images: readonly string[],
  signal: AbortSignal,
): Promise<boolean> {
  const name = `${randomUUID()}.tar`;
  const row = rowOf(images);
  const inNode = (node: string, ...command: string[]) =>
    execInNode(node, [...command, `${IMAGE_FOLDER}/${name}`], { signal });
  try {
    const isSeen = await writeFile(join(folder, name), "", { mode: 0o600 })
      .then(() => Promise.all(nodes.map((node) => inNode(node, "test", "-e"))))
      .then(
        () => true,
        () => false,
      );
    if (!isSeen) return false;
    const saving = [...(await saveArguments(images)), "--output", join(folder, name)];
    await span(row, `save ${images.join(", ")}`, () => run("docker", saving, { signal }));
    await Promise.all(nodes.map((node) => span(`${node}: ${row}`, "import", () => inNode(node, ...IMPORT))));
    return true;
  } finally {
    await rm(join(folder, name), { force: true });
  }
}

/**
 * Arguments of `docker save` for images of Docker's own platform, where Docker has the option. Its containerd image store
 * would list all published platforms of an image in the archive, with the content of only one, and `ctr images import`
 * rejects such an archive.
 */
export async function saveArguments(images: readonly string[]): Promise<string[]> {
  // old clients, and new ones with an old daemon, do not have the option
  if (!(await run("docker", ["save", "--help"])).includes("--platform")) return ["save", ...images];
  const platform = (await run("docker", ["version", "--format", "{{.Server.Os}}/{{.Server.Arch}}"])).trim();
  return ["save", "--platform", platform, ...images];
}

/** Without a shared folder: pipe the archive to all nodes while it is written. */
async function stream(images: readonly string[], nodes: readonly string[], signal: AbortSignal): Promise<void> {
  const saving = await saveArguments(images);
  signal.throwIfAborted(); // the listener below would miss an earlier cancellation
  // explicit, since process.env of a test is not the process's own
  const detached = { detached: true, env: process.env };
  const save = spawn("docker", saving, { ...detached, stdio: ["ignore", "pipe", "pipe"] });
  const imports = nodes.map((node) => {
    const args = ["exec", "--interactive", node, ...IMPORT, "-"];
    const child = spawn("docker", args, { ...detached, stdio: ["pipe", "ignore", "pipe"] });
    child.stdin.on("error", () => undefined); // the exit code reports it
    save.stdout.pipe(child.stdin);
    return { child, command: `docker ${args.join(" ")}` };
  });
  const children = [{ child: save, command: `docker ${saving.join(" ")}` }, ...imports];
  // SIGKILL, since a process that waits for a reader would not end
  const abort = () => children.forEach(({ child }) => killGroup(child.pid, "SIGKILL"));
  signal.addEventListener("abort", abort, { once: true });
  try {
    await Promise.all(
      children.map(async ({ child, command }) => {
        let stderr = "";
        child.stderr.on("data", (chunk) => (stderr += chunk));
        const code = await new Promise((resolve, reject) => child.once("error", reject).once("close", resolve));
        // a cancelled docker may exit with 0
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
