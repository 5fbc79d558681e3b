import { UNKNOWN_TAG } from "../modes/images";
import { askChart } from "./askChart";
import { archiveSettings, loadImages, saveImages, type StackImages } from "./imageArchive";
import { withProgress } from "./progress";
import { checkedStack, imagesOfCilium } from "./plan";
import { readStackFile } from "./stackFile";
import { planStack } from "./stackPlan";
import { interruptible } from "../host/interruptible";

export interface ImagesOptions {
  readonly set?: readonly string[];
  readonly json?: boolean;
}

/** `images save`: save a stack's images to an archive, and print the settings to run from it. @throws Error */
export async function save(stack: string, archive: string, options: ImagesOptions): Promise<void> {
  const images = await imagesOf(stack, options.set);
  const names = await withSteps((say) => interruptible((signal) => saveImages(images, archive, say, signal)));
  report(archive, names, { stack, images }, options);
}

/** `images load`: load an archive into Docker, and into the nodes of a stack's running cluster. @throws Error */
export async function load(archive: string, stack: string | undefined, options: ImagesOptions): Promise<void> {
  // wrong settings are reported before anything is loaded
  const settings = stack === undefined ? undefined : readStackFile(stack, options.set).settings;
  const names = await withSteps((say) =>
    interruptible((signal) => loadImages(archive, settings?.cluster.name, say, signal)),
  );
  report(
    archive,
    names,
    stack === undefined ? undefined : { stack, images: await imagesOf(stack, options.set) },
    options,
  );
}

async function imagesOf(stack: string, overrides?: readonly string[]): Promise<StackImages> {
  const checked = await checkedStack(stack, overrides);
  const { images } = planStack(checked.settings);
  const { version } = checked.settings.cilium;
  const cilium = imagesOfCilium(images, version, await askChart(checked));
  if (cilium.some((image) => image.includes(UNKNOWN_TAG))) {
    throw new Error(
      `The chart of Cilium ${version} is not known here; put helm on the PATH and set cilium.chart to its file, or set cilium.images.envoy.tag to the one in the chart's values.yaml`,
    );
  }
  return { node: images.node, cilium, nettool: { image: images.nettool, baseImage: images.nettoolBase } };
}

function report(
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
  console.error(`To run ${of.stack} from the archive alone, set cilium.chart to a file, and:`);
  for (const [key, value] of Object.entries(settings)) console.log(`pulumi config set ${key} ${value} -s ${of.stack}`);
}

/** Print each step, and how long the present one takes. */
function withSteps<T>(work: (say: (line: string) => void) => Promise<T>): Promise<T> {
  return withProgress("Reading Docker's images", ({ at, say }) =>
    work((line) => {
      say(line);
      at(line);
    }),
  );
}
