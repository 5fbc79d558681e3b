import { isDeepStrictEqual } from "node:util";
import { listNodes } from "../../host/docker";
import { imageIdsOnNodes, loadIntoNodes } from "../../host/imageImport";
import type { Log, ResourceHandler } from "./handler";
import type { NodeImagesInputs } from "./inputs";

export interface NodeImagesState extends NodeImagesInputs {
  /** Ids of the images on each node, by image reference and node; empty where a node lacks the image. */
  readonly loaded: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** The resource `kind:index:NodeImages`. */
export const nodeImagesHandler: ResourceHandler<NodeImagesInputs, NodeImagesState> = {
  async check({ images }) {
    // a list that is not known yet is a placeholder
    return [images]
      .flat()
      .filter((image) => image.includes("@"))
      .map((image) => ({
        property: "images",
        reason: `${image}: an image with a digest cannot be loaded into nodes; use its tag`,
      }));
  },
  async diff(olds, news) {
    const replaces = (["clusterName", "clusterInstance"] as const).filter((key) => olds[key] !== news[key]);
    const isMissing = Object.values(olds.loaded).some((byNode) => Object.values(byNode).includes(""));
    return { changes: replaces.length > 0 || isMissing || !isDeepStrictEqual(olds.images, news.images), replaces };
  },
  async create(inputs, log, signal) {
    return { id: `${inputs.clusterName}/images`, state: await load(inputs, log, signal) };
  },
  async read(olds) {
    const nodes = (await listNodes(olds.clusterName)).filter(({ running }) => running);
    return nodes.length === 0 ? undefined : { ...olds, loaded: await imageIdsOnNodes(olds.images, nodes) };
  },
  async update(_olds, news, log, signal) {
    return load(news, log, signal);
  },
  async delete() {
    // the nodes' garbage collection removes unused images
  },
};

async function load(inputs: NodeImagesInputs, log: Log, signal: AbortSignal): Promise<NodeImagesState> {
  const nodes = await listNodes(inputs.clusterName);
  const { loaded } = await loadIntoNodes(inputs.images, nodes, (message) => log.status(message), signal);
  return { ...inputs, loaded };
}
