import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { NETTOOL_CONTEXT } from "../components/nettoolImage";
import { withoutDigest, type CiliumImages } from "../modes/images";
import { listNodes } from "../host/docker";
import { CommandError, lastLines, run } from "../host/exec";
import { loadIntoNodes, saveArguments } from "../host/imageImport";
import { PROJECT_DIRECTORY } from "./stackFile";
import { checkTarget } from "./targetFile";

/** The images of a stack's cluster, as its settings name them: with digests or without. */
export interface StackImages extends CiliumImages {
  readonly node: string;
  readonly nettool: {
    readonly image: string;
    /** What the image is built from, where this project builds it. */
    readonly baseImage?: string | undefined;
  };
}

/** Tells the user what is done, a line at a time. */
type Say = (line: string) => void;

/** Of a signal that nobody gives. */
const NEVER = new AbortController().signal;

/**
 * Save a stack's images to one archive, after pulling or building those that Docker lacks.
 * @returns their names in it
 * @throws Error naming every image that cannot be had; an archive of that name is then as it was
 */
export async function saveImages(
  images: StackImages,
  archive: string,
  say: Say,
  signal = NEVER,
): Promise<readonly string[]> {
  await checkTarget(archive);
  const { nettool, ...others } = images;
  const pulled = Object.values(others).filter((image) => image !== undefined);
  const problems: string[] = [];
  const names = new Set<string>();
  for (const image of [...pulled, nettool.image]) {
    const name = tagged(image);
    if (name === undefined) {
      problems.push(`${image}: an archive keeps tags only; put one before the digest, name:tag@sha256:…`);
      continue;
    }
    names.add(name);
    if (await isInDocker(name)) continue; // outside try: no Docker is one problem, and not each image's
    try {
      if (image === nettool.image && nettool.baseImage !== undefined)
        await build(image, nettool.baseImage, say, signal);
      else await pull(image, name, say, signal);
    } catch (error) {
      signal.throwIfAborted();
      problems.push(`${image}: ${reason(error as Error)}`);
    }
  }
  if (problems.length > 0)
    throw new Error(["These images cannot be saved:", ...problems.map((problem) => `  - ${problem}`)].join("\n"));

  const part = `${archive}.part`;
  say(`Saving ${[...names].join(", ")} to ${archive}`);
  try {
    await run("docker", [...(await saveArguments([...names])), "--output", part], { signal });
    await rename(part, archive);
    return [...names];
  } finally {
    await rm(part, { force: true });
  }
}

/** The settings by which a stack runs from an archive of these images: every image by its tag, and nothing built. */
export function archiveSettings({ node, nettool }: StackImages): Readonly<Record<string, string | boolean>> {
  return {
    "cluster.nodeImage": tagged(node) ?? node,
    "cilium.images.load": true,
    "nettool.image": tagged(nettool.image) ?? nettool.image,
    "nettool.loadImage": true,
  };
}

/**
 * Load an archive into this machine's Docker, and what pods run into a cluster's running nodes that lack it.
 * @returns the names of the archive's images
 */
export async function loadImages(
  archive: string,
  clusterName: string | undefined,
  say: Say,
  signal = NEVER,
): Promise<readonly string[]> {
  say(`Loading ${archive} into Docker`);
  const output = await run("docker", ["load", "--input", archive], { signal });
  const names = [...output.matchAll(/^Loaded image: (\S+)$/gm)].map((match) => match[1]!);
  if (names.length === 0) throw new Error(`${archive} holds no image with a name`);
  for (const name of names) say(`Docker: ${name}`);
  if (clusterName === undefined) return names;

  const nodes = await listNodes(clusterName);
  if (!nodes.some(({ running }) => running)) {
    say(`The cluster ${clusterName} has no running node`);
    return names;
  }
  for (const { name } of nodes.filter(({ running }) => !running)) say(`${name}: not running, left out`);
  const running = nodes.filter((node) => node.running);
  const wanted = await forPods(names);
  const { held } = await loadIntoNodes(wanted, running, say, signal);
  for (const { name: node } of running) {
    const loaded = wanted.filter((image) => !held[node]!.includes(image));
    if (held[node]!.length > 0) say(`${node}: had ${held[node]!.join(", ")}`);
    if (loaded.length > 0) say(`${node}: loaded ${loaded.join(", ")}`);
  }
  return names;
}

/** Have an image in Docker under a name of its own, which is all that an archive keeps. */
async function pull(reference: string, name: string, say: Say, signal: AbortSignal): Promise<void> {
  const digest = reference.split("@")[1];
  if (digest === undefined) {
    say(`Pulling ${name}`);
    await run("docker", ["pull", name], { signal });
    return;
  }
  const byDigest = `${name.slice(0, name.lastIndexOf(":"))}@${digest}`;
  // what kind pulled by a digest has no tag
  if (!(await isInDocker(byDigest))) {
    say(`Pulling ${reference}`);
    await run("docker", ["pull", reference], { signal });
  }
  await run("docker", ["tag", byDigest, name], { signal });
}

async function build(image: string, baseImage: string, say: Say, signal: AbortSignal): Promise<void> {
  say(`Building ${image} from ${baseImage}`);
  const context = join(PROJECT_DIRECTORY, NETTOOL_CONTEXT);
  await run("docker", ["build", "--build-arg", `BASE_IMAGE=${baseImage}`, "--tag", image, context], { signal });
}

async function isInDocker(reference: string): Promise<boolean> {
  try {
    await run("docker", ["image", "inspect", "--format", "{{.Id}}", reference]);
    return true;
  } catch (error) {
    if (error instanceof CommandError && /no such image/i.test(error.stderr)) return false;
    throw error;
  }
}

/**
 * `name:tag` of a reference, since `docker save` of a name alone saves every tag there is of it; undefined for a
 * digest without a tag.
 */
function tagged(reference: string): string | undefined {
  const name = withoutDigest(reference);
  if (/:[^/]+$/.test(name)) return name;
  return name === reference ? `${name}:latest` : undefined;
}

/**
 * The images among these that pods run. A node image is told by its entrypoint, not by its name: an archive is loaded
 * without its stack's settings too, and node images of one's own have any name.
 */
async function forPods(images: readonly string[]): Promise<string[]> {
  const output = await run("docker", ["image", "inspect", "--format", "{{json .Config.Entrypoint}}", ...images]);
  const entrypoints = output.trim().split("\n");
  return images.filter((_, index) => !entrypoints[index]!.includes('"/usr/local/bin/entrypoint"'));
}

/** What a command said last, or an error's own words. */
function reason(error: Error): string {
  return (error instanceof CommandError && lastLines(error.stderr, 1)[0]) || error.message;
}
