import { UNKNOWN_TAG } from "../modes/images";
import { renderWarnings } from "../settings/parse";
import { askChart } from "./askChart";
import { diffPlans } from "./planDiff";
import { asYaml, diffText, summary } from "./planText";
import { readStackFile } from "./stackFile";
import { planStack, type StackPlan } from "./stackPlan";
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
  const { it, chart } = await planned(stack, options);
  const parts = [
    ...(options.kindConfig ? [asYaml(it.kindConfig)] : []),
    ...(options.values ? [asYaml(it.values)] : []),
    ...(options.contract ? [asYaml(it.contract)] : []),
    ...(options.images ? [`${imageList(it).join("\n")}\n`] : []),
  ];
  if (options.json) console.log(asJson(it));
  else if (parts.length > 0) process.stdout.write(parts.join("---\n"));
  else console.log(summary(stack, it, chart, lookOf(process.stdout)));
}

async function planned(stack: string, { set }: PlanOptions): Promise<{ it: StackPlan; chart: string }> {
  const checked = readStackFile(stack, set);
  if (checked.warnings.length > 0) console.error(renderWarnings(stack, checked.warnings));
  return { it: planStack(checked.settings), chart: await askChart(checked) };
}

function imageList({ images, settings }: StackPlan): string[] {
  const { nettoolBase, ...asked } = images;
  const unknown = Object.entries(asked).filter(([, image]) => image?.includes(UNKNOWN_TAG));
  for (const [name] of unknown) {
    console.error(
      `The tag of ${name} in the chart of Cilium ${settings.cilium.version} is unknown; see the chart's values.yaml`,
    );
  }
  if (nettoolBase !== undefined) console.error(`${asked.nettool} is built on this machine from ${nettoolBase}`);
  return Object.values(asked).filter((image): image is string => image !== undefined);
}

function asJson(value: unknown): string {
  return JSON.stringify(value, undefined, 2);
}
