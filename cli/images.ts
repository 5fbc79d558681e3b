import { UNKNOWN_TAG } from "../modes/images";
import { archiveSettings, loadImages, saveImages, type StackImages } from "./imageArchive";
import { readStackFile } from "./stackFile";
import { planStack } from "./stackPlan";

const say = (line: string) => console.error(line);

/** `images save`: a stack's images to an archive, and the settings by which a stack runs from it. @throws Error */
export async function save(stack: string, archive: string, overrides?: readonly string[]): Promise<void> {
  const images = imagesOf(stack, overrides);
  await interruptible((signal) => saveImages(images, archive, say, signal));
  tellSettings(stack, images);
}

/** `images load`: an archive into Docker, and into the nodes of a stack's cluster where it stands. @throws Error */
export async function load(archive: string, stack: string | undefined, overrides?: readonly string[]): Promise<void> {
  // settings that are wrong are told before anything is loaded
  const settings = stack === undefined ? undefined : readStackFile(stack, overrides).settings;
  await interruptible((signal) => loadImages(archive, settings?.cluster.name, say, signal));
  if (stack !== undefined) tellSettings(stack, imagesOf(stack, overrides));
}

function imagesOf(stack: string, overrides?: readonly string[]): StackImages {
  const { settings } = readStackFile(stack, overrides);
  const { nettool, nettoolBase, ...images } = planStack(settings).images;
  if (images.envoy?.includes(UNKNOWN_TAG)) {
    throw new Error(
      `Envoy's tag in the chart of Cilium ${settings.cilium.version} is not known here; its values.yaml has it: set cilium.images.envoy.tag`,
    );
  }
  return { ...images, nettool: { image: nettool, baseImage: nettoolBase } };
}

function tellSettings(stack: string, images: StackImages): void {
  const settings = Object.entries(archiveSettings(images));
  say(`So that nothing is pulled or built, ${stack} needs these settings, and cilium.chart as a file:`);
  for (const [key, value] of settings) console.log(`pulumi config set ${key} ${value} -s ${stack}`);
}

/** Run with a signal that Ctrl-C gives: commands are in groups of their own, which a terminal's does not reach. */
async function interruptible(work: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  const controller = new AbortController();
  const abort = () => controller.abort(new Error("Interrupted"));
  process.once("SIGINT", abort).once("SIGTERM", abort);
  try {
    await work(controller.signal);
  } finally {
    process.off("SIGINT", abort).off("SIGTERM", abort);
  }
}
