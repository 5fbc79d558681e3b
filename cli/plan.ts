import { UNKNOWN_TAG } from "../modes/images";
import { ConfigurationError, renderWarnings, type CheckedSettings } from "../settings/parse";
import { askChart, type ChartWord } from "./askChart";
import { diffPlans } from "./planDiff";
import { asYaml, diffText, summary } from "./planText";
import { kubeconfigProblems } from "../settings/kubeconfig";
import { withoutSecrets } from "../settings/problems";
import { readStackFile } from "./stackFile";
import { planStack, type PlannedImages, type StackPlan } from "./stackPlan";
import { lookOf } from "./environment";
import { UsageError } from "./usage";

export interface PlanOptions {
  readonly set?: readonly string[];
  readonly values?: boolean;
  readonly kindConfig?: boolean;
  readonly contract?: boolean;
  readonly images?: boolean;
  readonly json?: boolean;
  readonly diff?: boolean;
}

/** Print the plan of a stack, or the differences between two. @throws Error */
export async function plan(stacks: readonly string[], options: PlanOptions): Promise<void> {
  if (options.diff) {
    if (stacks.length !== 2) throw new UsageError(`--diff takes two stacks (got ${stacks.length})`);
    const [left, right] = stacks as [string, string];
    const differences = diffPlans((await planned(left, options)).it, (await planned(right, options)).it);
    console.log(options.json ? asJson(differences) : diffText(left, right, differences, lookOf(process.stdout)));
    return;
  }
  if (stacks.length !== 1) throw new UsageError(`plan takes one stack (got ${stacks.length}); --diff takes two`);
  const [stack] = stacks as [string];
  const { it: own, chart } = await planned(stack, options);
  const it = { ...own, images: { ...own.images, rendered: chart.images } };
  if (it.kindConfig === undefined && (options.values || options.contract))
    console.error(
      "The address of the API server, the number of nodes and the pods' networks are read by pulumi preview",
    );
  const parts = [
    ...(options.kindConfig ? [kindConfigText(stack, it)] : []),
    ...(options.values ? [asYaml(it.values)] : []),
    ...(options.contract ? [asYaml(it.contract)] : []),
    ...(options.images ? [`${imageList(it, chart).join("\n")}\n`] : []),
  ];
  if (options.json) console.log(asJson(it));
  else if (parts.length > 0) process.stdout.write(parts.join("---\n"));
  else console.log(summary(stack, it, chart.said, lookOf(process.stdout)));
}

function kindConfigText(stack: string, { kindConfig }: StackPlan): string {
  if (kindConfig === undefined)
    throw new UsageError(`Stack ${stack} uses an external cluster, which has no kind configuration`);
  return asYaml(kindConfig);
}

async function planned(stack: string, { set }: PlanOptions): Promise<{ it: StackPlan; chart: ChartWord }> {
  const checked = await checkedStack(stack, set);
  const ofKubeconfig = kubeconfigProblems(checked.settings.cluster, checked.directory);
  if (ofKubeconfig.length > 0) throw checked.refusal([], ofKubeconfig);
  if (checked.warnings.length > 0) console.error(renderWarnings(stack, checked.warnings));
  return { it: planStack(checked.settings), chart: await askChart(checked) };
}

/** A stack's settings. @throws ConfigurationError with all problems, among them what the chart has against the values */
export async function checkedStack(stack: string, set: readonly string[] | undefined): Promise<CheckedSettings> {
  try {
    return readStackFile(stack, set);
  } catch (error) {
    if (error instanceof ConfigurationError && error.checked !== undefined) await askChart(error.checked);
    throw error;
  }
}

function imageList({ images, settings }: StackPlan, chart: ChartWord): string[] {
  const { node, nettool, nettoolBase } = images;
  const cilium = imagesOfCilium(images, settings.cilium.version, chart);
  if (nettoolBase !== undefined) console.error(`${nettool} is built on this machine from ${nettoolBase}`);
  return [...(node === undefined ? [] : [node]), ...cilium, nettool];
}

/** The images of Cilium's pods: those that the chart renders, or else those that are known without it. */
export function imagesOfCilium(images: PlannedImages, version: string, chart: ChartWord): readonly string[] {
  if (chart.images !== undefined) return chart.images;
  console.error(`The chart ${chart.said}. Images of parts that only cilium.values enable are missing`);
  const { node: _node, nettool: _nettool, nettoolBase: _base, rendered: _rendered, ...named } = images;
  for (const [name, image] of Object.entries(named)) {
    if (image?.includes(UNKNOWN_TAG))
      console.error(`The tag of ${name} in the chart of Cilium ${version} is unknown; see the chart's values.yaml`);
  }
  return Object.values(named).filter((image): image is string => image !== undefined);
}

function asJson(value: unknown): string {
  return JSON.stringify(value, withoutSecrets, 2);
}
