import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { execInNode, listNodes, type KindNode } from "../../host/docker";
import { run } from "../../host/exec";
import { importInto } from "../../host/imageImport";
import type { NodeImagesInputs } from "./inputs";
import type { ResourceHandler } from "./provider";

export interface NodeImagesState extends NodeImagesInputs {
  /** Image reference to the ids that the nodes hold, by node. */
  readonly loaded: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** The resource `kind:index:NodeImages`. */
export const nodeImagesHandler: ResourceHandler<NodeImagesInputs, NodeImagesState> = {
  async check({ images }) {
    return images
      .filter((image) => image.includes("@"))
      .map((image) => ({
        property: "images",
        reason: `${image}: an image with a digest cannot be loaded into nodes; name its tag`,
      }));
  },
  async diff(olds, news) {
    const replaces = ["clusterName", "clusterInstance"].filter(
      (key) => olds[key as keyof NodeImagesInputs] !== news[key as keyof NodeImagesInputs],
    );
    const lost = Object.values(olds.loaded).some((byNode) => Object.values(byNode).includes(""));
    return { changes: replaces.length > 0 || lost || !isDeepStrictEqual(olds.images, news.images), replaces };
  },
  async create(inputs, log, signal) {
    return { id: `${inputs.clusterName}/images`, state: await bring(inputs, (message) => log.status(message), signal) };
  },
  async read(olds) {
    const nodes = (await listNodes(olds.clusterName)).filter(({ running }) => running);
    return nodes.length === 0
      ? undefined
      : {
          ...olds,
          loaded: await idsOnNodes(olds.images, nodes),
        };
  },
  async update(_olds, news, log, signal) {
    return bring(news, (message) => log.status(message), signal);
  },
  async delete() {
    // the nodes' garbage collection removes images that nothing uses
  },
};

async function bring(
  inputs: NodeImagesInputs,
  status: (message: string) => void,
  signal: AbortSignal,
): Promise<NodeImagesState> {
  const nodes = await listNodes(inputs.clusterName);
  const { loaded } = await loadIntoNodes(inputs.images, nodes, status, signal);
  return { ...inputs, loaded };
}

/** What nodes hold after images were brought to them. */
export interface ImagesOnNodes {
  /** Image reference to the ids that the nodes hold, by node. */
  readonly loaded: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** The images that a node held before, by node. */
  readonly held: Readonly<Record<string, readonly string[]>>;
}

/** Bring each image of this machine's Docker to the nodes that lack it, or hold another one of its name. */
export async function loadIntoNodes(
  images: readonly string[],
  nodes: readonly KindNode[],
  status: (message: string) => void,
  signal: AbortSignal,
): Promise<ImagesOnNodes> {
  const wanted = new Map(await Promise.all(images.map(async (image) => [image, await localId(image)] as const)));
  const before = await idsOnNodes(images, nodes);
  const holds = ({ name }: KindNode, image: string) => before[image]![name] === wanted.get(image);
  const missing = images.filter((image) => !nodes.every((node) => holds(node, image)));
  if (missing.length > 0) {
    const targets = nodes.filter((node) => !missing.every((image) => holds(node, image)));
    status(`Loading ${missing.join(", ")} into ${targets.map(({ name }) => name).join(", ")}`);
    await importInto(targets, missing, signal);
  }
  return {
    loaded: missing.length > 0 ? await idsOnNodes(images, nodes) : before,
    held: Object.fromEntries(nodes.map((node) => [node.name, images.filter((image) => holds(node, image))])),
  };
}

/** The id of an image in this machine's Docker. */
async function localId(image: string): Promise<string> {
  try {
    return (await run("docker", ["image", "inspect", "--format", "{{.Id}}", image])).trim();
  } catch (error) {
    throw new Error(
      `The image ${image} has to be loaded into the nodes but is not in this machine's Docker; run: docker pull ${image}`,
      { cause: error },
    );
  }
}

const Inspected = z.object({ status: z.object({ id: z.string() }) });

/** The ids of images on nodes, as containerd's CRI tells them; empty where a node lacks the image. */
async function idsOnNodes(
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
