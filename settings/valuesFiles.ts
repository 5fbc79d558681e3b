import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { mergeValues, valueAt, type HelmValues } from "../modes/ciliumValues";
import { readValues } from "../modes/valuesYaml";
import { pathText, type Problem } from "./problems";

/** Helm values with where they are from. */
export interface ValueSources {
  /** Files in the order in which they are merged. */
  readonly files: readonly { readonly file: string; readonly values: HelmValues }[];
  /** `cilium.values`, which is merged last. */
  readonly own: HelmValues;
}

/** Read values files. @param directory of relative paths */
export function readValuesFiles(
  paths: readonly string[],
  directory: string,
): { files: ValueSources["files"]; problems: Problem[] } {
  const files: { file: string; values: HelmValues }[] = [];
  const problems: Problem[] = [];
  for (const file of paths) {
    const key = `cilium.valuesFiles: ${file}`;
    let text: string;
    try {
      text = textOf(readFileSync(resolve(directory, file)));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const isUrl = /^https?:\/\//i.test(file);
      const missing = isUrl ? "is a URL; download it, and set the path of the file" : "does not exist";
      problems.push({ key, rule: code === "ENOENT" ? missing : `cannot be read (${code})` });
      continue;
    }
    const read = readValues(text);
    if ("values" in read) files.push({ file, values: read.values });
    else problems.push({ key: read.line === undefined ? key : `${key}:${read.line}`, rule: read.problem });
  }
  return { files, problems };
}

/** A file's text: Helm reads UTF-16 too, as PowerShell writes it, by its byte order mark. */
function textOf(bytes: Buffer): string {
  const mark = bytes.subarray(0, 2).toString("hex");
  if (mark === "feff") return new TextDecoder("utf-16be").decode(bytes);
  return mark === "fffe" ? new TextDecoder("utf-16le").decode(bytes) : bytes.toString("utf8");
}

/** All values as Helm merges them. */
export function mergedValues({ files, own }: ValueSources): HelmValues {
  return [...files.map(({ values }) => values), own].reduce(mergeValues, {});
}

/** Where a value is set: in a file, or in `cilium.values`, which wins. */
export function placeOf({ files, own }: ValueSources, key: string): string {
  const has = (values: HelmValues) => key !== "" && (valueAt(values, key) !== undefined || hasDotted(values, key));
  const source = has(own) ? undefined : files.findLast(({ values }) => has(values));
  return source === undefined
    ? pathText(["cilium", "values", ...(key === "" ? [] : key.split("."))])
    : `${source.file}: ${pathText(key.split("."))}`;
}

/** Whether values have a path in which a key itself has dots. */
function hasDotted(values: HelmValues, path: string): boolean {
  return Object.entries(values).some(
    ([key, value]) =>
      (key.includes(".") && key === path) ||
      (path.startsWith(`${key}.`) && isObject(value) && hasDotted(value, path.slice(key.length + 1))),
  );
}

function isObject(value: unknown): value is HelmValues {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
