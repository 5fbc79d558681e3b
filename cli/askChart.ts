import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseAllDocuments } from "yaml";
import { chartProblem, isChartPath } from "../components/chartSource";
import { CommandError, run } from "../host/exec";
import { ciliumValues, type HelmValues } from "../modes/ciliumValues";
import { apiVersionsOf } from "../modes/manifests";
import { chartAnswer, type RenderedObject } from "../modes/rendering";
import type { ValueFinding } from "../modes/valueFinding";
import { ciliumArgs } from "../settings/ciliumArgs";
import { readManifests } from "../settings/manifests";
import type { CheckedSettings } from "../settings/parse";
import { isExternal, kubernetesToAsk } from "../settings/release";

/** What became of asking the chart. */
export interface ChartWord {
  /** One line: that it takes the values, or why it was not asked. */
  readonly said: string;
  /** The images of all its pods; undefined where it was not asked. */
  readonly images?: readonly string[] | undefined;
}

/**
 * Ask the chart whether it takes a stack's values, where the chart is on this machine (as a path, or in Helm's cache) and
 * `helm` is on the PATH.
 * @throws ConfigurationError with everything that the chart refuses, and that it renders against the mode
 */
export async function askChart({ settings, problems, refusal, directory }: CheckedSettings): Promise<ChartWord> {
  const { cilium, cluster } = settings;
  const manifests = await readManifests(cilium.manifests, directory);
  const missing = chartProblem(cilium.chart, directory);
  const ofFiles = [...manifests.problems, ...(missing === undefined ? [] : [{ key: "cilium.chart", rule: missing }])];
  const isValid = problems.length + ofFiles.length === 0;
  const refuse = (findings: readonly ValueFinding[]) => {
    if (!isValid || findings.length > 0) throw refusal(findings, ofFiles);
  };
  const notAsked = (why: string): ChartWord => {
    refuse([]);
    return { said: `did not check the values: ${why}; pulumi preview does` };
  };
  if (missing !== undefined) return notAsked(missing);
  if (isExternal(cluster)) return notAsked("that needs the cluster");
  const [unread] = manifests.unread;
  if (unread !== undefined) return notAsked(`${unread.key.replace(/^.*?: /, "")} ${unread.rule}`);
  const chart = await chartFile(cilium.chart, cilium.version, directory);
  if (chart instanceof Error) return notAsked(chart.message);
  const args = ciliumArgs(settings);
  const kinds = apiVersionsOf(manifests.objects).flatMap((kind) => ["--api-versions", kind]);
  const options = ["--namespace", "kube-system", "--kube-version", kubernetesToAsk(cluster), ...kinds];
  const render = (extraValues: HelmValues) =>
    run("helm", ["template", "cilium", chart, ...options, "--values", "-"], {
      stdin: JSON.stringify(ciliumValues({ ...args, extraValues })),
    }).then(objectsOf, ({ stderr }: CommandError) => stderr);
  const rendered = await render(args.extraValues);
  if (typeof rendered === "string" && /Chart\.yaml file is missing/.test(rendered))
    throw refusal([], [...ofFiles, { key: "cilium.chart", rule: `${cilium.chart} is a folder without Chart.yaml` }]);
  const { findings, contradictions, images } = await chartAnswer(rendered, args, render, manifests.objects);
  // settings that are wrong may well be rendered against the mode
  refuse(isValid ? [...findings, ...contradictions] : findings);
  return { said: "takes the values, and renders the mode", images };
}

/** The chart's file on this machine; an error if there is none, or no Helm. */
async function chartFile(chart: string, version: string, directory: string): Promise<string | Error> {
  const cache = await run("helm", ["env", "HELM_REPOSITORY_CACHE"]).catch(() => undefined);
  if (cache === undefined) return new Error("helm is not on the PATH");
  if (isChartPath(chart)) return resolve(directory, chart);
  const file = join(cache.trim(), `cilium-${version}.tgz`);
  return existsSync(file) ? file : new Error(`there is no chart ${version} in Helm's cache`);
}

/** Helm reads YAML 1.1; the chart of 1.14.0 names a key twice, and the last one counts. */
function objectsOf(text: string): RenderedObject[] {
  const documents = parseAllDocuments(text, { version: "1.1", uniqueKeys: false, logLevel: "silent" });
  return documents.flatMap((document) => (document.toJS() as RenderedObject | null) ?? []);
}
