import { UNKNOWN_TAG } from "../modes/images";
import { archiveSettings, loadImages, saveImages, type StackImages } from "./imageArchive";
import { withProgress } from "./progress";
import { readStackFile } from "./stackFile";
import { planStack } from "./stackPlan";

export interface ImagesOptions {
  readonly set?: readonly string[];
  readonly json?: boolean;
}

/** `images save`: a stack's images to an archive, and the settings by which a stack runs from it. @throws Error */
export async function save(stack: string, archive: string, options: ImagesOptions): Promise<void> {
  const images = imagesOf(stack, options.set);
  const names = await telling((say) => interruptible((signal) => saveImages(images, archive, say, signal)));
  tell(archive, names, { stack, images }, options);
}

/** `images load`: an archive into Docker, and into the nodes of a stack's cluster where it stands. @throws Error */
export async function load(archive: string, stack: string | undefined, options: ImagesOptions): Promise<void> {
  // settings that are wrong are told before anything is loaded
  const settings = stack === undefined ? undefined : readStackFile(stack, options.set).settings;
  const names = await telling((say) =>
    interruptible((signal) => loadImages(archive, settings?.cluster.name, say, signal)),
  );
  tell(archive, names, stack === undefined ? undefined : { stack, images: imagesOf(stack, options.set) }, options);
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

function tell(
  archive: string,
  names: readonly string[],
  of: { readonly stack: string; readonly images: StackImages } | undefined,
  { json }: ImagesOptions,
): void {
  const settings = of && archiveSettings(of.images);
  if (json) {
    console.log(JSON.stringify({ archive, images: names, settings }, undefined, 2));
    return;
  }
  if (of === undefined || settings === undefined) return;
  console.error(`So that nothing is pulled or built, ${of.stack} needs these settings, and cilium.chart as a file:`);
  for (const [key, value] of Object.entries(settings)) console.log(`pulumi config set ${key} ${value} -s ${of.stack}`);
}

/** Tell what is done a line at a time, and how long the last has been under way. */
function telling<T>(work: (say: (line: string) => void) => Promise<T>): Promise<T> {
  return withProgress("Docker is asked", ({ at, say }) =>
    work((line) => {
      say(line);
      at(line);
    }),
  );
}

/** Run with a signal that Ctrl-C gives: commands are in groups of their own, which a terminal's does not reach. */
async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const abort = () => controller.abort(new Error("Interrupted"));
  process.once("SIGINT", abort).once("SIGTERM", abort);
  try {
    return await work(controller.signal);
  } finally {
    process.off("SIGINT", abort).off("SIGTERM", abort);
  }
}
