import { dirname, basename, resolve } from "node:path";
import { Provider } from "@pulumi/kubernetes/provider";
import * as pulumi from "@pulumi/pulumi";
import { ciliumValues, type CiliumValuesArgs, type HelmValues } from "../modes/ciliumValues";
import { apiVersionsOf, type KubernetesObject } from "../modes/manifests";
import { chartAnswer, type ChartAnswer, type RenderedObject } from "../modes/rendering";
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
  /** Objects that are created before Cilium. Default: none. */
  readonly manifests?: readonly KubernetesObject[] | undefined;
}

/** Helm's words where a chart cannot be had at all, so that nothing is known of the values. */
const NO_CHART = /failed to pull chart|failed to load chart/;

/**
 * Render Cilium's chart as the release will, without a cluster. Nothing is created but a provider that has no cluster.
 * @returns the answer, or why the chart could not be asked
 * @throws pulumi.RunError for a path that does not exist
 */
export async function renderChart(
  name: string,
  args: CiliumValuesArgs,
  reference: ChartReference,
  cluster: RenderedFor = {},
): Promise<ChartAnswer | { readonly notAsked: string }> {
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
      api_versions: apiVersionsOf(cluster.manifests ?? []),
      values: ciliumValues({ ...args, extraValues }),
    });
    const options = { provider, async: true };
    const { result = [] } = (await pulumi.runtime.invoke("kubernetes:helm:template", { jsonOpts }, options)) as {
      result?: readonly RenderedObject[];
    };
    return result;
  };
  const messageOf = (error: Error) => error.message;
  const first = await rendered(args.extraValues).catch(messageOf);
  if (typeof first === "string" && NO_CHART.test(first))
    return { notAsked: first.split("\n")[0]!.replace(/^.*?(?=failed to (?:pull|load))/, "") };
  const render = async (values: HelmValues) => {
    const other = await rendered(values).catch(messageOf);
    // a chart that cannot be had now says nothing of the values
    return typeof other === "string" && NO_CHART.test(other) ? first : other;
  };
  return chartAnswer(first, args, render, cluster.manifests, cluster.provider === undefined);
}

/** Options of the provider's function for the same chart that the release installs. */
function sourceOf({ chart, repository }: ChartReference, version: string) {
  if (isChartPath(chart)) return { path: dirname(resolve(chart)), chart: basename(chart) };
  return chart.startsWith("oci://") ? { chart, version } : { chart, version, fetch_opts: { repo: repository } };
}
