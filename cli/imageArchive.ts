import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { NETTOOL_CONTEXT } from "../components/nettoolImage";
import { withoutDigest } from "../modes/images";
import { listNodes } from "../host/docker";
import { CommandError, lastLines, run } from "../host/exec";
import { loadIntoNodes, saveArguments } from "../host/imageImport";
import { PROJECT_DIRECTORY } from "./stackFile";
import { checkTarget } from "./targetFile";

/** The images of a stack's cluster by reference, with digests or without. */
export interface StackImages {
  /** Undefined for an external cluster. */
  readonly node?: string | undefined;
  /** Images of Cilium's pods. */
  readonly cilium: readonly string[];
  readonly nettool: {
    readonly image: string;
    /** The base of the image, where this project builds it. */
    readonly baseImage?: string | undefined;
  };
}

/** Prints a step. */
type Say = (line: string) => void;

/** A signal that is never aborted. */
const NEVER = new AbortController().signal;

/**
 * Save a stack's images to one archive, after pulling or building those that Docker lacks.
 * @returns their names in the archive
 * @throws Error naming every image that cannot be pulled or built; an earlier archive of the name is kept
 */
export async function saveImages(
  images: StackImages,
  archive: string,
  say: Say,
  signal = NEVER,
): Promise<readonly string[]> {
  await checkTarget(archive);
  const { node, cilium, nettool } = images;
  const problems: string[] = [];
  const names = new Set<string>();
  for (const image of [...(node === undefined ? [] : [node]), ...cilium, nettool.image]) {
    const name = tagged(image);
    if (name === undefined) {
      problems.push(`${image}: an archive keeps only tags; write one before the digest, as in name:tag@sha256:…`);
      continue;
    }
    names.add(name);
    if (await isInDocker(name)) continue; // outside try: a missing Docker is one problem, not one for each image
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

/** The settings to run a stack from an archive of these images: every image by its tag, and no build. */
export function archiveSettings({ node, nettool }: StackImages): Readonly<Record<string, string | boolean>> {
  return {
    ...(node === undefined ? {} : { "cluster.nodeImage": tagged(node) ?? node, "cilium.images.load": true }),
    "nettool.image": tagged(nettool.image) ?? nettool.image,
    ...(node === undefined ? {} : { "nettool.loadImage": true }),
  };
}

/**
 * Load an archive into this machine's Docker, and the images of pods into a cluster's running nodes that lack them.
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
  if (names.length === 0) throw new Error(`${archive} does not hold an image with a name`);
  for (const name of names) say(`Docker: ${name}`);
  if (clusterName === undefined) return names;

  const nodes = await listNodes(clusterName);
  if (!nodes.some(({ running }) => running)) {
    say(`No node of the cluster ${clusterName} runs; the images are in Docker only`);
    return names;
  }
  for (const { name } of nodes.filter(({ running }) => !running)) say(`${name}: skipped, since it does not run`);
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

/** Pull an image and tag it, since an archive keeps only tags. */
async function pull(reference: string, name: string, say: Say, signal: AbortSignal): Promise<void> {
  const digest = reference.split("@")[1];
  if (digest === undefined) {
    say(`Pulling ${name}`);
    await run("docker", ["pull", name], { signal });
    return;
  }
  const byDigest = `${name.slice(0, name.lastIndexOf(":"))}@${digest}`;
  // images that kind pulled by digest have no tag
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
 * `name:tag` of a reference, since `docker save` of a bare name saves every tag of it; undefined for a digest without a
 * tag.
 */
function tagged(reference: string): string | undefined {
  const name = withoutDigest(reference);
  if (/:[^/]+$/.test(name)) return name;
  return name === reference ? `${name}:latest` : undefined;
}

/**
 * The images that pods run. A node image is recognized by its entrypoint, not by its name: an archive is also loaded
 * without a stack, and custom node images have any name.
 */
async function forPods(images: readonly string[]): Promise<string[]> {
  const output = await run("docker", ["image", "inspect", "--format", "{{json .Config.Entrypoint}}", ...images]);
  const entrypoints = output.trim().split("\n");
  return images.filter((_, index) => !entrypoints[index]!.includes('"/usr/local/bin/entrypoint"'));
}

/** The last line of a failed command, or the error's message. */
function reason(error: Error): string {
  return (error instanceof CommandError && lastLines(error.stderr, 1)[0]) || error.message;
}
