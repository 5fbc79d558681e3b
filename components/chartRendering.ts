import { dirname, basename, resolve } from "node:path";
import { Provider } from "@pulumi/kubernetes/provider";
import * as pulumi from "@pulumi/pulumi";
import { ciliumValues, type CiliumValuesArgs, type HelmValues } from "../modes/ciliumValues";
import {
  contradictionsIn,
  refusalFindings,
  renderedImages,
  unknownKinds,
  type RenderedObject,
} from "../modes/rendering";
import type { ValueFinding } from "../modes/valueFinding";
import { chartProblem, isChartPath } from "./chartSource";
import { ProgramError } from "./programError";

/** Where Helm finds a chart. */
export interface ChartReference {
  /** Chart name in `repository`, an `oci://` reference, or the path of a chart's folder or .tgz. */
  readonly chart: string;
  /** URL of the Helm repository of `chart`; ignored for paths and `oci://`. */
  readonly repository: string;
}

/** The cluster that a chart is rendered for. */
export interface RenderedFor {
  /** Kubernetes version of a new cluster without v. Default: that of Helm's own libraries. */
  readonly kubernetes?: string | undefined;
  /** Provider of an external cluster, whose version and kinds the chart asks for. Default: none, as for a new cluster. */
  readonly provider?: Provider | undefined;
}

/** What a chart has to say of values. */
export interface ChartAnswer {
  /** What it refuses, and kinds that a new cluster does not know; undefined where it could not be asked. */
  readonly findings?: readonly ValueFinding[];
  /** What it renders against the settings. */
  readonly contradictions?: readonly ValueFinding[];
  /** The images of all its pods; undefined unless it takes the values. */
  readonly images?: readonly string[];
  /** Why it could not be asked. */
  readonly notAsked?: string;
}

/** Helm's words where a chart cannot be had at all, so that nothing is known of the values. */
const NO_CHART = /failed to pull chart|failed to load chart/;

/**
 * Render Cilium's chart as the release will, without a cluster. Nothing is created but a provider that has no cluster.
 * @throws pulumi.RunError for a path that does not exist
 */
export async function renderChart(
  name: string,
  args: CiliumValuesArgs,
  reference: ChartReference,
  cluster: RenderedFor = {},
): Promise<ChartAnswer> {
  const problem = chartProblem(reference.chart);
  if (problem !== undefined) throw new ProgramError(`cilium: chart ${problem}; nothing was changed`);
  // a text that is no kubeconfig: the provider then asks no cluster, also not that of the user's own kubeconfig
  const provider = cluster.provider ?? new Provider(name, { kubeconfig: "none" });
  const rendered = async (extraValues: HelmValues) => {
    const jsonOpts = JSON.stringify({
      ...sourceOf(reference, args.version),
      release_name: "cilium",
      namespace: "kube-system",
      kube_version: cluster.kubernetes,
      values: ciliumValues({ ...args, extraValues }),
    });
    const options = { provider, async: true };
    const { result = [] } = (await pulumi.runtime.invoke("kubernetes:helm:template", { jsonOpts }, options)) as {
      result?: readonly RenderedObject[];
    };
    return result;
  };
  try {
    const result = await rendered(args.extraValues);
    return {
      findings: cluster.provider === undefined ? unknownKinds(result) : [],
      contradictions: contradictionsIn(result, args),
      images: renderedImages(result),
    };
  } catch (error) {
    const { message } = error as Error;
    if (NO_CHART.test(message))
      return { notAsked: message.split("\n")[0]!.replace(/^.*?(?=failed to (?:pull|load))/, "") };
    const errorWith = (values: HelmValues) =>
      rendered(values).then(
        () => undefined,
        // a chart that cannot be had now says nothing of the values
        (other: Error) => (NO_CHART.test(other.message) ? message : other.message),
      );
    return { findings: await refusalFindings(message, args, errorWith) };
  }
}

/** Options of the provider's function for the same chart that the release installs. */
function sourceOf({ chart, repository }: ChartReference, version: string) {
  if (isChartPath(chart)) return { path: dirname(resolve(chart)), chart: basename(chart) };
  return chart.startsWith("oci://") ? { chart, version } : { chart, version, fetch_opts: { repo: repository } };
}
