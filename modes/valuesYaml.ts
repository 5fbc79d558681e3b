import { parseAllDocuments, type Tags } from "yaml";
import type { HelmValues } from "./ciliumValues";

/** Values of a file, or why they cannot be read, with the line where it is known. */
export type ReadValues =
  { readonly values: HelmValues } | { readonly problem: string; readonly line?: number | undefined };

/** Maximum depth of nested values: far more than any chart needs, and safe for recursive functions. */
const MAX_DEPTH = 50;

/** Integers that Helm reads and YAML 1.1 does not have. */
const OCTAL = {
  tag: "tag:yaml.org,2002:int",
  default: true,
  test: /^[-+]?0o[0-7_]+$/,
  resolve: (text: string) =>
    Number(
      text
        .replaceAll("_", "")
        .replace(/^([-+]?)0o/, "$10o")
        .replace(/^[-+]/, ""),
    ) * (text.startsWith("-") ? -1 : 1),
} as const;

/** Scalars as Helm reads them (sigs.k8s.io/yaml): those of YAML 1.1, but times and numbers to the base of 60 are text. */
const asHelmReads = (tags: Tags): Tags => [
  ...tags.filter(
    (tag) =>
      typeof tag === "string" ||
      (tag.tag !== "tag:yaml.org,2002:timestamp" && !("format" in tag && tag.format === "TIME")),
  ),
  OCTAL,
];

/**
 * Read a Helm values file. Of several documents the first counts, and of a key that is there twice the last one, as for
 * Helm.
 */
export function readValues(text: string): ReadValues {
  const [document] = parseAllDocuments(text, {
    version: "1.1",
    customTags: asHelmReads,
    uniqueKeys: false,
    logLevel: "silent",
  });
  if (document === undefined || !("contents" in document)) return { values: {} };
  const [error] = document.errors;
  if (error !== undefined) {
    const message = error.message.split("\n")[0]!.replace(/ at line \d+, column \d+:?$/, "");
    return { problem: `is not valid YAML: ${message}`, line: error.linePos?.[0].line };
  }
  let values: unknown;
  try {
    values = document.toJS();
  } catch (thrown) {
    return { problem: `is not valid YAML: ${(thrown as Error).message}` };
  }
  if (values === null) return { values: {} };
  if (typeof values !== "object" || Array.isArray(values)) {
    return {
      problem: `must be a mapping of Helm values, got ${Array.isArray(values) ? "a list" : `a ${typeof values}`}`,
    };
  }
  const unusable = unusableIn(values);
  return unusable === undefined ? { values: values as HelmValues } : { problem: unusable };
}

/** What cannot be a Helm value: keys that every object inherits, numbers that JSON does not have, and too deep trees. */
function unusableIn(value: unknown, path: readonly string[] = []): string | undefined {
  if (typeof value === "number" && !Number.isFinite(value))
    return `${path.join(".")} is ${value}, which JSON does not have`;
  if (typeof value !== "object" || value === null) return undefined;
  if (path.length > MAX_DEPTH) return `is nested more than ${MAX_DEPTH} levels deep`;
  for (const [key, inner] of Object.entries(value)) {
    const found =
      !Array.isArray(value) && key in {}
        ? `${[...path, key].join(".")} cannot be a key`
        : unusableIn(inner, [...path, key]);
    if (found !== undefined) return found;
  }
  return undefined;
}
