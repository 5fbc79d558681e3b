import { parseAllDocuments, type Document, type Tags } from "yaml";
import type { HelmValues } from "./ciliumValues";

/** Why a file cannot be read, with the line where it is known. */
interface Unreadable {
  readonly problem: string;
  readonly line?: number | undefined;
}

/** Values of a file, or why they cannot be read. */
export type ReadValues = { readonly values: HelmValues } | Unreadable;

/** Maximum depth of nested values: far more than any chart needs, and safe for recursive functions. */
const MAX_DEPTH = 50;

/** Maximum depth of a Kubernetes object, of which definitions of kinds are the deepest. */
const MAX_OBJECT_DEPTH = 200;

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

/** Text in base64, which Helm decodes. */
const BINARY = {
  tag: "tag:yaml.org,2002:binary",
  resolve: (text: string) => Buffer.from(text, "base64").toString("utf8"),
} as const;

/** Scalars as Helm reads them (sigs.k8s.io/yaml): those of YAML 1.1, but times and numbers to the base of 60 are text. */
const asHelmReads = (tags: Tags): Tags => [
  ...tags.filter(
    (tag) =>
      typeof tag === "string" ||
      (tag.tag !== "tag:yaml.org,2002:timestamp" &&
        tag.tag !== BINARY.tag &&
        !("format" in tag && tag.format === "TIME")),
  ),
  OCTAL,
  BINARY,
];

/**
 * Read a Helm values file. Of several documents the first counts, and of a key that is there twice the last one, as for
 * Helm.
 */
export function readValues(text: string): ReadValues {
  const [document] = documentsIn(text);
  if (document === undefined) return { values: {} };
  const read = contentOf(document);
  if ("problem" in read) return read;
  const values = read.content;
  if (values === null) return { values: {} };
  if (typeof values !== "object" || Array.isArray(values)) {
    return {
      problem: `must be a mapping of Helm values, got ${Array.isArray(values) ? "a list" : `a ${typeof values}`}`,
    };
  }
  const unusable = unusableIn(values, MAX_DEPTH);
  return unusable === undefined ? { values: values as HelmValues } : { problem: unusable };
}

/** Read all documents of a manifest, as kubectl reads them. */
export function readDocuments(text: string): { readonly documents: readonly unknown[] } | Unreadable {
  const documents: unknown[] = [];
  for (const document of documentsIn(text)) {
    const read = contentOf(document);
    if ("problem" in read) return read;
    const unusable = unusableIn(read.content, MAX_OBJECT_DEPTH);
    if (unusable !== undefined) return { problem: unusable };
    documents.push(read.content);
  }
  return { documents };
}

function documentsIn(text: string): Document.Parsed[] {
  const documents = parseAllDocuments(text, {
    version: "1.1",
    customTags: asHelmReads,
    uniqueKeys: false,
    logLevel: "silent",
  });
  return "empty" in documents ? [] : documents;
}

function contentOf(document: Document.Parsed): { readonly content: unknown } | Unreadable {
  const [error] = document.errors;
  if (error !== undefined) {
    const message = error.message.split("\n")[0]!.replace(/ at line \d+, column \d+:?$/, "");
    return { problem: `is not valid YAML: ${message}`, line: error.linePos?.[0].line };
  }
  try {
    return { content: document.toJS() };
  } catch (thrown) {
    return { problem: `is not valid YAML: ${(thrown as Error).message}` };
  }
}

/** What cannot be a Helm value: keys that every object inherits, numbers that JSON does not have, and too deep trees. */
function unusableIn(value: unknown, maxDepth: number, path: readonly string[] = []): string | undefined {
  if (typeof value === "number" && !Number.isFinite(value))
    return `${path.join(".")} is ${value}, which JSON does not have`;
  if (typeof value !== "object" || value === null) return undefined;
  if (path.length > maxDepth) return `is nested more than ${maxDepth} levels deep`;
  for (const [key, inner] of Object.entries(value)) {
    const found =
      !Array.isArray(value) && key in {}
        ? `${[...path, key].join(".")} cannot be a key`
        : unusableIn(inner, maxDepth, [...path, key]);
    if (found !== undefined) return found;
  }
  return undefined;
}
