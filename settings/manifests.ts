import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import { refusedByKubernetes } from "../modes/kubernetesRules";
import { identityOf, OWN_NAMESPACES, type KubernetesObject } from "../modes/manifests";
import { readDocuments } from "../modes/valuesYaml";
import { shown, type Problem } from "./problems";

/** Objects of manifests, in the order of their sources, and what is wrong with these. */
export interface Manifests {
  readonly objects: readonly KubernetesObject[];
  readonly problems: readonly Problem[];
  /** URLs that could not be read, each with the reason; another attempt may succeed. */
  readonly unread: readonly Problem[];
}

/** Timeout of a download, in seconds. */
const TIMEOUT_SECONDS = 30;

/**
 * Most that is read of a manifest: ten times the largest object that Kubernetes stores, which etcd limits to 1.5 MiB
 * (https://etcd.io/docs/v3.6/dev-guide/limit/).
 */
const MAX_MIB = 16;

const isUrl = (source: string) => /^https?:\/\//i.test(source);

/**
 * Read the manifests of `cilium.manifests`.
 * @param sources paths, and URLs, which are downloaded
 * @param directory of relative paths
 */
export async function readManifests(sources: readonly string[], directory: string): Promise<Manifests> {
  const read = await Promise.all(sources.map((source) => readManifest(source, directory)));
  const problems = read.flatMap((each) => each.problems);
  const objects: KubernetesObject[] = [];
  const seen = new Map<string, string>();
  for (const [index, each] of read.entries()) {
    for (const object of each.objects) {
      const identity = identityOf(object);
      const first = seen.get(identity);
      if (first !== undefined)
        problems.push(problemOf(sources[index]!, `has ${shown(identity)}, which is in ${first} too; remove one`));
      else objects.push(object);
      seen.set(identity, sources[index]!);
    }
  }
  return { objects, problems, unread: read.flatMap((each) => each.unread) };
}

/** A URL's query may hold a token. */
const problemOf = (source: string, rule: string): Problem => ({
  key: `cilium.manifests: ${isUrl(source) ? source.replace(/\?.*$/, "?…") : source}`,
  rule,
});

/** The text of a file or a response; undefined if it is too large. */
async function textOf(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<string | undefined> {
  const read: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > MAX_MIB * 2 ** 20) return undefined;
    read.push(chunk);
  }
  return Buffer.concat(read).toString("utf8");
}

/** How pages start that servers send instead of a file, such as a login or a preview. */
const PAGE = /^\s*(?:<!--[^]*?-->\s*)*<(?:!doctype|html|head|body)\b/i;

async function readManifest(source: string, directory: string): Promise<Manifests> {
  let text: string | undefined;
  let redirected = "";
  try {
    if (isUrl(source)) {
      const response = await fetch(source, { signal: AbortSignal.timeout(TIMEOUT_SECONDS * 1000) });
      if (!response.ok) {
        const problem = problemOf(source, `cannot be read: the server replied ${response.status}`);
        return response.status === 429 || response.status >= 500 ? { ...NOTHING, unread: [problem] } : failed(problem);
      }
      const { origin, pathname } = new URL(response.url);
      if (response.redirected) redirected = ` (it redirects to ${origin}${pathname})`;
      text = await textOf(response.body ?? []);
    } else text = await textOf(createReadStream(resolve(directory, source)));
  } catch (error) {
    const { code, message, cause } = error as NodeJS.ErrnoException & { cause?: NodeJS.ErrnoException };
    const why = cause?.code ?? cause?.message ?? code ?? message;
    if (isUrl(source)) return { ...NOTHING, unread: [problemOf(source, `cannot be read (${why})`)] };
    return failed(problemOf(source, code === "ENOENT" ? "does not exist" : `cannot be read (${why})`));
  }
  if (text === undefined)
    return failed(problemOf(source, `is larger than ${MAX_MIB} MiB; set a file of only the objects that Cilium needs`));
  if (PAGE.test(text)) {
    const rule = `is a web page and no manifest${redirected}; set the address of the file itself, or download it and set its path`;
    return failed(problemOf(source, rule));
  }
  const documents = readDocuments(text);
  if ("problem" in documents) {
    const { problem, line } = documents;
    return failed(problemOf(line === undefined ? source : `${source}:${line}`, problem));
  }
  const objects = documents.documents.flatMap(itemsOf);
  const problems = objects.flatMap((object, index) => {
    const missing = missingIn(object);
    return missing === undefined ? [] : [problemOf(source, `its object ${index + 1} ${missing}`)];
  });
  if (problems.length > 0) return failed(...problems);
  if (objects.length === 0) return failed(problemOf(source, "has no Kubernetes object"));
  return { objects: objects as KubernetesObject[], problems: [], unread: [] };
}

const NOTHING: Manifests = { objects: [], problems: [], unread: [] };
const failed = (...problems: Problem[]): Manifests => ({ ...NOTHING, problems });

/** The objects of a document: `kubectl get -o yaml` writes lists, and the API's own name the kind of their items. */
function itemsOf(document: unknown): unknown[] {
  if (document === null) return [];
  const { apiVersion, kind, items } = document as { apiVersion?: unknown; kind?: unknown; items?: unknown };
  if (typeof kind !== "string" || !kind.endsWith("List") || !Array.isArray(items)) return [document];
  const type = kind === "List" ? {} : { apiVersion, kind: kind.slice(0, -4) };
  return items.map((item: unknown) => (typeof item === "object" && item !== null ? { ...type, ...item } : item));
}

/** What keeps a document from being an object with a name. */
function missingIn(object: unknown): string | undefined {
  if (typeof object !== "object" || object === null || Array.isArray(object)) return "is no Kubernetes object";
  const { apiVersion, kind, metadata } = object as Record<string, unknown>;
  if (typeof apiVersion !== "string" || apiVersion === "") return "has no apiVersion";
  if (typeof kind !== "string" || kind === "") return "has no kind";
  const { name, namespace } = (metadata ?? {}) as Record<string, unknown>;
  if (typeof name !== "string" || name === "") return "has no metadata.name";
  if (namespace !== undefined && typeof namespace !== "string") return "has no text as metadata.namespace";
  if (kind === "Namespace" && OWN_NAMESPACES.includes(name)) return `is the namespace ${name}, which every cluster has`;
  const [wrong] = refusedByKubernetes(object as KubernetesObject);
  if (wrong !== undefined) return `has ${wrong[0]}: ${shown(wrong[1])}, ${wrong[2]}`;
  const { data } = object as { data?: Readonly<Record<string, unknown>> | null };
  const [plain] = kind === "Secret" ? Object.entries(data ?? {}).filter(([, value]) => !isBase64(value)) : [];
  if (plain !== undefined) return `has data that is no base64 as ${plain[0]}; move it to stringData`;
  return kind === "CustomResourceDefinition" && apiVersion !== DEFINITIONS
    ? `has the apiVersion ${apiVersion}, which Kubernetes 1.22 and newer do not serve; convert it to ${DEFINITIONS}`
    : undefined;
}

/** Whether a text is base64, in which Kubernetes ignores line breaks. */
function isBase64(value: unknown): boolean {
  const text = String(value ?? "").replace(/[\r\n]/g, "");
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}

const DEFINITIONS = "apiextensions.k8s.io/v1";
