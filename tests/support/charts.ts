import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import type { HelmValues } from "../../modes/ciliumValues";
import { minorOf } from "../../modes/ciliumVersion";
import { missingPrograms } from "./project";

/** The charts that these tests ask for: first and last of each minor, where one behaves unlike the others. */
export const CHARTS = [
  "1.12.4",
  "1.13.0-rc5",
  "1.13.18",
  "1.14.0",
  "1.14.19",
  "1.15.0",
  "1.15.19",
  "1.16.0",
  "1.16.19",
  "1.17.18",
  "1.18.12",
  "1.19.6",
  "1.20.0",
  "1.20.2",
] as const;

const folder = process.env["CILIUM_CHARTS"];

/** What tests on these charts need and what is missing of it; empty when they can run. */
export function chartsMissing(...versions: string[]): string[] {
  const missing = missingPrograms("helm");
  if (folder === undefined) return [...missing, "CILIUM_CHARTS, a folder of Cilium's packaged charts,"];
  const absent = versions.filter((version) => !existsSync(archiveOf(version)));
  return [...missing, ...absent.map((version) => `cilium-${version}.tgz in CILIUM_CHARTS`)];
}

function archiveOf(version: string): string {
  return join(folder ?? "", `cilium-${version}.tgz`);
}

/** A Kubernetes that every chart of a minor accepts. */
function kubeVersion(version: string): string {
  return Number(minorOf(version).split(".")[1]) < 16 ? "1.25.3" : "1.30.0";
}

/** What Helm makes of a chart: the manifests, or the error that it ends with. */
export function render(
  version: string,
  values: HelmValues | readonly string[],
): { manifests?: Manifest[]; error?: string } {
  // text: helm's own --set
  const given = isSets(values) ? values.flatMap((set) => ["--set", set]) : ["--values", "-"];
  const { status, stdout, stderr } = spawnSync(
    "helm",
    [
      "template",
      "cilium",
      archiveOf(version),
      "--namespace",
      "kube-system",
      "--kube-version",
      kubeVersion(version),
      ...given,
    ],
    { encoding: "utf8", input: isSets(values) ? "" : JSON.stringify(values), maxBuffer: 1 << 26 },
  );
  if (status !== 0) return { error: stderr };
  // the chart of 1.14.0 names a key twice, and the last one counts
  const documents = parseAllDocuments(stdout, { uniqueKeys: false, logLevel: "silent" });
  return { manifests: documents.flatMap((document) => (document.toJS() as Manifest | null) ?? []) };
}

export interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: unknown;
}

/** The ConfigMap `cilium-config` that a chart renders. @throws Error with Helm's words when it renders nothing */
export function renderedConfig(
  version: string,
  values: HelmValues | readonly string[],
): Readonly<Record<string, string>> {
  const { manifests, error } = render(version, values);
  const config = manifests?.find(({ kind, metadata }) => kind === "ConfigMap" && metadata.name === "cilium-config");
  if (config === undefined) throw new Error(`The chart of Cilium ${version} rendered no cilium-config: ${error}`);
  return config.data!;
}

/** The images of everything that a chart starts. */
export function renderedImages(version: string, values: HelmValues): string[] {
  const { manifests, error } = render(version, values);
  if (manifests === undefined) throw new Error(error);
  const images = [...JSON.stringify(manifests).matchAll(/"image":"([^"]+)"/g)].map(([, image]) => image!);
  return [...new Set(images)].sort();
}

function isSets(values: HelmValues | readonly string[]): values is readonly string[] {
  return Array.isArray(values);
}
