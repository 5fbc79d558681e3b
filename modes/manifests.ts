/** A Kubernetes object that exists before Cilium, as a manifest describes it. */
export interface KubernetesObject {
  /** API group and version, such as `apiextensions.k8s.io/v1`; `v1` for the core group. */
  readonly apiVersion: string;
  /** Kind of the object, such as `Secret`. */
  readonly kind: string;
  /** What identifies it, and its annotations; other fields are passed on. */
  readonly metadata: {
    /** Its name. */
    readonly name: string;
    /** Its namespace. Default: `default`, where its kind has namespaces. */
    readonly namespace?: string | undefined;
    /** Its annotations. Default: none. */
    readonly annotations?: Readonly<Record<string, string>> | undefined;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

/** Namespaces that every cluster has. */
export const OWN_NAMESPACES: readonly string[] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/** What tells an object from others, also of other versions of its kind. Without a namespace it is in `default`. */
export function identityOf({ apiVersion = "v1", kind = "", metadata = {} }: Identified): string {
  const { namespace = "default", name } = metadata;
  return `${kind}${groupOf(apiVersion)} ${namespace === "default" ? "" : `${namespace}/`}${name}`;
}

const groupOf = (apiVersion: string) => (apiVersion.includes("/") ? `.${apiVersion.split("/")[0]}` : "");

interface Identified {
  readonly apiVersion?: string | undefined;
  readonly kind?: string | undefined;
  readonly metadata?: { readonly name?: string | undefined; readonly namespace?: string | undefined } | undefined;
}

/** Objects that others need: their namespace, or the definition of their kind. */
export const isNeededFirst = ({ kind }: KubernetesObject) =>
  kind === "CustomResourceDefinition" || kind === "Namespace";

/** What a CustomResourceDefinition defines, as far as it is needed. */
interface Definition {
  readonly group?: string;
  readonly names?: { readonly kind?: string };
  readonly versions?: readonly ({ readonly name?: string; readonly served?: boolean } | null)[];
}

/** The kinds that CustomResourceDefinitions among objects define, such as `gateway.networking.k8s.io/v1/Gateway`. */
export function definedKinds(objects: readonly KubernetesObject[]): string[] {
  return objects.flatMap(({ kind, spec }) => {
    if (kind !== "CustomResourceDefinition") return [];
    const { group, names, versions } = (spec ?? {}) as Definition;
    const served = Array.isArray(versions) ? versions.filter((version) => version?.served !== false) : [];
    return served.map((version) => `${group}/${version?.name}/${names?.kind}`);
  });
}

/** API versions and kinds of the definitions among objects, for `helm template --api-versions`. */
export function apiVersionsOf(objects: readonly KubernetesObject[]): string[] {
  const kinds = definedKinds(objects);
  return [...new Set(kinds.flatMap((kind) => [kind.split("/").slice(0, 2).join("/"), kind]))].sort();
}
