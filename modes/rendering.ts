import semver from "semver";
import { agentFindings } from "./agentRules";
import { knownPathOf } from "./agentValues";
import { expectedCiliumConfig, type CiliumConfig } from "./ciliumConfig";
import { valueAt, type CiliumValuesArgs, type HelmValue, type HelmValues } from "./ciliumValues";
import { kubernetesFindings, pathWith } from "./kubernetesRules";
import { definedKinds, identityOf, OWN_NAMESPACES, type KubernetesObject } from "./manifests";
import { leavesOf } from "./tree";
import type { ValueFinding } from "./valueFinding";

/** Cilium as Helm renders it from a chart and values. */
export interface RenderedCilium {
  /** Data of `cilium-config`. */
  readonly config: Readonly<Record<string, string>>;
  /** Image, arguments and variables of the agent's container; undefined where the DaemonSet has another name. */
  readonly agent?: RenderedAgent | undefined;
  readonly operatorImage?: string | undefined;
}

/** The agent's container as Helm renders it. */
export interface RenderedAgent {
  readonly image: string;
  readonly args: readonly string[];
  /** Name to value; null where the value comes from elsewhere. */
  readonly variables: Readonly<Record<string, string | null>>;
}

/** A Kubernetes object as far as it is needed. */
export interface RenderedObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: { readonly name?: string; readonly namespace?: string };
  readonly data?: Readonly<Record<string, string | null>>;
  readonly spec?: unknown;
}

/** Namespace of the chart's objects. */
const NAMESPACE = "kube-system";

/** Namespaces of a new kind cluster. */
const NAMESPACES = [...OWN_NAMESPACES, "local-path-storage"];

/** Priority classes and the ServiceAccount that every cluster has. */
const OWN = ["system-node-critical", "system-cluster-critical", "default"];

/** Kinds without namespace, and kinds that pods mount, of those that pods need. */
const UNSCOPED = ["Namespace", "PriorityClass"];
const MOUNTED = ["Secret", "ConfigMap"];

/** Workloads without whose pods there is no network. */
const OWN_PODS = ["DaemonSet cilium", "Deployment cilium-operator"];

/** A DaemonSet or Deployment, as far as it is needed; Cilium's own container is its first. */
interface Templated {
  readonly template: {
    readonly spec: {
      readonly containers: readonly {
        readonly image: string;
        readonly args?: readonly string[];
        readonly env?: readonly { readonly name: string; readonly value?: string }[];
      }[];
      readonly volumes?: readonly {
        readonly name?: string;
        readonly secret?: { readonly secretName?: string; readonly optional?: boolean };
        readonly configMap?: { readonly name?: string; readonly optional?: boolean };
      }[];
      readonly serviceAccountName?: string;
      readonly priorityClassName?: string;
    };
  };
}

/** Cilium among rendered objects; undefined if they have no `cilium-config`. */
export function ciliumAmong(
  find: (kind: string, name: string) => RenderedObject | undefined,
): RenderedCilium | undefined {
  const configMap = find("ConfigMap", "cilium-config");
  if (configMap === undefined) return undefined;
  const container = (kind: string, name: string) =>
    (find(kind, name)?.spec as Templated | undefined)?.template.spec.containers[0];
  const agent = container("DaemonSet", "cilium");
  return {
    // Kubernetes stores a key without value as ""
    config: Object.fromEntries(Object.entries(configMap.data ?? {}).map(([key, value]) => [key, String(value ?? "")])),
    agent: agent && {
      image: agent.image,
      args: agent.args ?? [],
      variables: Object.fromEntries((agent.env ?? []).map(({ name, value }) => [name, value ?? null])),
    },
    operatorImage: container("Deployment", "cilium-operator")?.image,
  };
}

/** API groups of Kubernetes itself end so, and the core group has no name; Cilium's operator defines its own. */
const DEFINED = /^(?:[a-z0-9]+\/v\w+|v1|[\w.-]+\.k8s\.io\/v\w+|cilium\.io\/v\w+)$/;
/** Groups that end as Kubernetes' own do, and whose definitions have to be installed. */
const EXTENSIONS = /^gateway\.networking\.k8s\.io\//;

const isOfNewCluster = (apiVersion: string) => DEFINED.test(apiVersion) && !EXTENSIONS.test(apiVersion);

/**
 * What contradicts the settings in what the chart renders: keys of `cilium-config` that the mode needs otherwise, also by an
 * argument or a variable of the agent; what agents refuse; and images that nodes could not find.
 */
export function contradictionsIn(objects: readonly RenderedObject[], args: CiliumValuesArgs): ValueFinding[] {
  const cilium = ciliumAmong((kind, name) =>
    objects.find((each) => each.kind === kind && each.metadata?.name === name),
  );
  const images = renderedImages(objects);
  const byDigest = args.loadImages ? images.filter((image) => image.includes("@")) : [];
  return [
    ...versionFindings(cilium?.agent, args),
    ...kubernetesFindings(objects, args.extraValues),
    ...(cilium === undefined ? [] : configFindings(cilium, args)),
    ...images
      .filter((image) => !IMAGE.test(image))
      .map((image): ValueFinding => ({
        severity: "error",
        key: "",
        rule: `asks for the image ${image}, which is no reference; set the name without tag as repository, and the tag alone as tag`,
      })),
    ...byDigest.map((image): ValueFinding => ({
      severity: "error",
      key: "",
      rule: `asks for ${image} by digest, and with cilium.images.load nodes find an image only by its tag; set useDigest: false, and a tag without digest`,
    })),
  ];
}

/** A reference of an image: https://github.com/distribution/reference/blob/v0.6.0/reference.go */
const IMAGE = /^(?:[\w.-]+(?::\d+)?\/)?[\w.-]+(?:\/[\w.-]+)*(?::[\w.-]+)?(?:@\w+:[0-9a-fA-F]+)?$/;

/** A chart of another Cilium than the settings name, by the agent's image, which is the chart's own unless values set it. */
function versionFindings(agent: RenderedAgent | undefined, { version, images, extraValues }: CiliumValuesArgs) {
  const isSet = [images.agent.tag, images.agent.repository, valueAt(extraValues, "image")].some(
    (each) => each ?? false,
  );
  const found = isSet ? null : semver.parse(/:v?([^:@/]+)(?:@|$)/.exec(agent?.image ?? "")?.[1]);
  const wanted = semver.parse(version);
  if (found === null || wanted === null || found.compareMain(wanted) === 0) return [];
  const rule = `is for Cilium ${version} by cilium.version, and the chart is of ${found.version}; set cilium.version to that, or another cilium.chart`;
  return [{ severity: "error", key: "", setting: "cilium.chart", rule } satisfies ValueFinding];
}

/** The images of all pods that rendered objects make, sorted. */
export function renderedImages(objects: readonly RenderedObject[]): string[] {
  return [...new Set(objects.flatMap(({ spec }) => imagesIn(spec)))].sort();
}

/** The images in a specification: pods have containers in two lists, and other objects have pods at different depths. */
function imagesIn(specification: unknown): string[] {
  if (typeof specification !== "object" || specification === null) return [];
  if (Array.isArray(specification)) return specification.flatMap(imagesIn);
  return Object.entries(specification).flatMap(([key, value]: [string, unknown]) =>
    /^(?:c|initC)ontainers$/.test(key) && Array.isArray(value)
      ? value.flatMap((each: { image?: unknown } | null) => (typeof each?.image === "string" ? [each.image] : []))
      : imagesIn(value),
  );
}

/**
 * What a new cluster lacks for rendered objects: the definitions of their kinds, and Secrets that Cilium's own pods mount.
 * @param manifests objects that are created before
 * @param extraValues values that may ask for the objects
 */
export function missingObjects(
  objects: readonly RenderedObject[],
  manifests: readonly KubernetesObject[] = [],
  extraValues: HelmValues = {},
): ValueFinding[] {
  const defined = definedKinds(manifests);
  const unknown = objects.flatMap(({ apiVersion = "v1", kind = "" }) =>
    isOfNewCluster(apiVersion) || defined.includes(`${apiVersion}/${kind}`) ? [] : [`${apiVersion} ${kind}`],
  );
  const all = [
    ...objects.map((each) => [each.kind, each.metadata?.namespace ?? NAMESPACE, each.metadata?.name]),
    ...manifests.map(({ kind, metadata }) => [kind, metadata.namespace ?? "default", metadata.name]),
  ];
  const has = (kind: string, name: string) =>
    all.some(
      ([of, namespace, its]) => of === kind && its === name && (UNSCOPED.includes(kind) || namespace === NAMESPACE),
    );
  const own = objects
    .filter(({ kind, metadata }) => OWN_PODS.includes(`${kind} ${metadata?.name}`))
    .flatMap(({ spec }) => (spec as Templated | undefined)?.template.spec ?? []);
  const needed = own.flatMap(({ volumes = [], serviceAccountName, priorityClassName }) => [
    ...volumes.map(({ secret }) => ["Secret", secret?.optional ? undefined : secret?.secretName]),
    ...volumes.map(({ configMap }) => ["ConfigMap", configMap?.optional ? undefined : configMap?.name]),
    ["ServiceAccount", serviceAccountName],
    ["PriorityClass", priorityClassName],
  ]);
  const absent = needed.flatMap(([kind, name]) =>
    !name || OWN.includes(name) || has(kind!, name) ? [] : `${kind} ${name}`,
  );
  const lacking = (key: string, rule: string): ValueFinding => ({ severity: "error", key, rule });
  return [
    ...[...new Set(unknown)].map((each) => {
      const [apiVersion, kind] = each.split(" ") as [string, string];
      const [key = "", ...others] = switchesOn(kind, extraValues);
      const too = others.length === 0 ? "" : `, with ${others.join(" and ")}`;
      return lacking(
        key,
        `makes the chart create a ${kind} (${apiVersion}), which a new cluster does not know; add its definition to cilium.manifests, or leave it off${too}`,
      );
    }),
    ...[...new Set(absent)].map((each) => {
      const [kind, name] = each.split(" ") as [string, string];
      const where = UNSCOPED.includes(kind) ? "" : `, in the namespace ${NAMESPACE},`;
      const rule = `makes Cilium's pods ${MOUNTED.includes(kind) ? "mount" : "need"} the ${kind} ${name}, which a new cluster does not have; add it${where} to cilium.manifests`;
      return lacking(pathWith(extraValues, name), rule);
    }),
    ...namespacesOf(objects)
      .filter((name) => !NAMESPACES.includes(name) && !has("Namespace", name))
      .map((name) =>
        lacking(
          pathWith(extraValues, name),
          `makes the chart create objects in the namespace ${name}, which a new cluster does not have; add the Namespace to cilium.manifests`,
        ),
      ),
    ...(String(valueAt(extraValues, "rbac.create")) === "false" && !all.some(([kind]) => kind === "ClusterRoleBinding")
      ? [
          lacking(
            "rbac.create",
            "leaves Cilium's pods without permissions; remove it, or add roles and bindings to cilium.manifests",
          ),
        ]
      : []),
  ];
}

/** A Secret among manifests that has no keys for agents with IPsec, which end without them. */
function withoutKeys(objects: readonly RenderedObject[], manifests: readonly KubernetesObject[]): ValueFinding[] {
  const find = (kind: string, name: string) =>
    objects.find((each) => each.kind === kind && each.metadata?.name === name);
  const config = find("ConfigMap", "cilium-config")?.data ?? {};
  const file = config["ipsec-key-file"]?.split("/").at(-1) ?? "";
  const { volumes = [] } = (find("DaemonSet", "cilium")?.spec as Templated | undefined)?.template.spec ?? {};
  const mounted = volumes.find(({ name }) => name === "cilium-ipsec-secrets")?.secret?.secretName;
  const secret = manifests.find(
    ({ kind, metadata: { name, namespace } }) => kind === "Secret" && name === mounted && namespace === NAMESPACE,
  );
  if (secret === undefined || file === "" || file in Object.assign({}, secret["data"], secret["stringData"])) return [];
  const rule = `has the Secret ${mounted} without ${file}, which agents read for IPsec; add it as https://docs.cilium.io/en/stable/security/network/encryption-ipsec/ shows`;
  return [{ severity: "error", key: "", setting: "cilium.manifests", rule }];
}

/** What keeps manifests from being created in a new cluster before Cilium. */
function manifestFindings(manifests: readonly KubernetesObject[]): ValueFinding[] {
  const defined = definedKinds(manifests);
  const namespaces = manifests.flatMap(({ kind, metadata }) => (kind === "Namespace" ? metadata.name : []));
  return manifests.flatMap(({ apiVersion, kind, metadata }) => {
    const { name, namespace = "default" } = metadata;
    const finding = (rule: string): ValueFinding => ({ severity: "error", key: "", setting: "cilium.manifests", rule });
    if (!defined.includes(`${apiVersion}/${kind}`)) {
      if (apiVersion.startsWith("cilium.io/"))
        return finding(
          `has the ${kind} ${name}, whose kind Cilium's operator defines when it runs; remove it, and create it after pulumi up`,
        );
      if (!isOfNewCluster(apiVersion))
        return finding(
          `has the ${kind} ${name} (${apiVersion}), which a new cluster does not know; add the definition of its kind`,
        );
    }
    return [...NAMESPACES, ...namespaces].includes(namespace)
      ? []
      : finding(
          `has the ${kind} ${name} in the namespace ${namespace}, which a new cluster does not have; add the Namespace`,
        );
  });
}

const namespacesOf = (objects: readonly RenderedObject[]) => [
  ...new Set(objects.flatMap(({ metadata }) => metadata?.namespace ?? [])),
];

/** Paths of the values that ask for a kind by its name, such as `prometheus.serviceMonitor.enabled`. */
function switchesOn(kind: string, extraValues: HelmValues): string[] {
  const section = `${kind.slice(0, 1).toLowerCase()}${kind.slice(1)}`;
  return leavesOf(extraValues).filter((path) => {
    const [parent, last] = path.split(".").slice(-2);
    return parent === section && ["enabled", "create"].includes(last!) && String(valueAt(extraValues, path)) === "true";
  });
}

/** Objects of manifests that the chart creates itself, so that Helm would refuse to own them. */
function renderedTwice(objects: readonly RenderedObject[], manifests: readonly KubernetesObject[]): ValueFinding[] {
  const rendered = new Set(objects.map(identityOf));
  return manifests
    .map(identityOf)
    .filter((identity) => rendered.has(identity))
    .map((identity) => ({
      severity: "error",
      key: "",
      rule: `makes the chart create the ${identity}, which cilium.manifests has too; remove it there`,
    }));
}

function configFindings(cilium: RenderedCilium, args: CiliumValuesArgs): ValueFinding[] {
  const { version, extraValues } = args;
  const effective = effectiveConfig(cilium);
  const config = Object.fromEntries(Object.entries(effective).map(([key, { value }]) => [key, value]));
  const taken = overridden(effective, expectedCiliumConfig(args), extraValues);
  return taken.length > 0
    ? taken
    : agentFindings(config, version, (key) => settingOf(key, effective[key]?.by, extraValues));
}

function overridden(
  effective: Readonly<Record<string, Effective>>,
  expected: CiliumConfig,
  extraValues: HelmValues,
): ValueFinding[] {
  const byKey = new Map<string, string[]>();
  for (const [key, wanted] of Object.entries(expected)) {
    const { value = null, by } = effective[key] ?? {};
    if (value === wanted || (wanted === null && value === "false")) continue;
    const rule = wanted === null ? "and must not be set" : `instead of ${JSON.stringify(wanted)}`;
    const said = `${by === undefined ? "" : `${by}: `}${key} is ${value === null ? "not set" : JSON.stringify(value)} ${rule}`;
    const setting = settingOf(key, by, extraValues);
    byKey.set(setting, [...(byKey.get(setting) ?? []), said]);
  }
  return [...byKey].map(([key, said]) => ({
    severity: "error",
    key,
    rule: `takes away what the settings ask for: ${said.join(", ")}; remove it`,
  }));
}

interface Effective {
  readonly value: string;
  /** The argument or variable that overrides the ConfigMap; undefined if none does. */
  readonly by?: string | undefined;
}

/** The agent's settings: its arguments win over variables, and these over the ConfigMap. */
function effectiveConfig({ config, agent }: RenderedCilium): Readonly<Record<string, Effective>> {
  const byConfigMap = Object.entries(config).map(([key, value]) => [key, { value }] as const);
  const byVariable = Object.entries(agent?.variables ?? {}).flatMap(([name, value]) =>
    name.startsWith("CILIUM_") && value !== null
      ? [[name.slice(7).toLowerCase().replaceAll("_", "-"), { value, by: `the variable ${name}` }] as const]
      : [],
  );
  const byArgument = (agent?.args ?? []).flatMap((argument) => {
    const [, key, value = "true"] = /^--([\w-]+)(?:=(.*))?$/.exec(argument) ?? [];
    return key === undefined ? [] : [[key, { value, by: `the argument ${argument}` }] as const];
  });
  return Object.fromEntries([...byConfigMap, ...byVariable, ...byArgument]);
}

/** The value that renders a key of `cilium-config`, as far as it can be told; "" if not. */
function settingOf(key: string, by: string | undefined, extraValues: HelmValues): string {
  if (by !== undefined) return by.includes("variable") ? "extraEnv" : "extraArgs";
  const extraConfig = valueAt(extraValues, "extraConfig");
  if (isObject(extraConfig ?? null) && key in (extraConfig as HelmValues)) return `extraConfig.${key}`;
  const leaves = leavesOf(extraValues);
  return leaves.length === 1 ? leaves[0]! : (knownPathOf(key, extraValues) ?? "");
}

/** Why Helm refuses a chart with values. */
interface Refusal {
  /** Path of the value that the chart names; "" if it names none. */
  readonly key: string;
  /** The chart's own words, without Helm's around them. */
  readonly reason: string;
  /** File of the chart, and line; undefined where Helm names none. */
  readonly where?: string | undefined;
}

/**
 * The refusals in an error of Helm's (https://github.com/helm/helm/blob/v3.22.0/pkg/engine/engine.go and
 * https://github.com/helm/helm/blob/v3.22.0/pkg/chartutil/jsonschema.go).
 */
function refusalsOf(error: string, extraValues: HelmValues): Refusal[] {
  const schema = /values don't meet the specifications of the schema[^\n]*\n([^]*)/.exec(error)?.[1];
  if (schema !== undefined) {
    const lines = [...schema.matchAll(/^\s*- (?:at '([^']*)'|([\w.()[\]-]+)): (.+)$/gm)];
    if (lines.length > 0)
      return lines.map(([, pointer, path, reason]) => ({
        key: pointer === undefined ? (path === "(root)" ? "" : path!) : pointer.slice(1).replaceAll("/", "."),
        reason: reason!.trim(),
        where: "values.schema.json",
      }));
  }
  // the innermost error is the chart's own; templates that include others are named before it
  const text = error.replace(/\s*Use --debug flag to render out invalid YAML\s*$/, "").trim();
  const places = [...text.matchAll(/\(?([\w-]+\/(?:charts\/[\w-]+\/)?(?:templates|files)\/[\w./-]+:\d+)(?::\d+)?\)?/g)];
  const said =
    /execution error at \([^)]*\): ([^]*)$/.exec(text) ?? /^[^]*(?:error calling \w+|at <[^>]*>): ([^]*)$/.exec(text);
  // what the provider and Helm tried comes before the reason
  const last = text
    .split("\n")
    .at(-1)!
    .replace(/^(?:invocation of \S+ returned an error: |failed to [^:]+: )*/, "");
  const reason = (said?.[1] ?? last).trim().replace(/\s*\n\s*/g, " ");
  return [{ key: namedIn(reason, extraValues), reason, where: places.at(-1)?.[1] }];
}

/**
 * The refusals in an error of Helm's as findings. Where it names no value, values are left out one after the other, to find
 * those without which the chart says something else.
 * @param errorWith Helm's error with other extra values; undefined if it takes them
 */
export async function refusalFindings(
  error: string,
  { version, extraValues }: CiliumValuesArgs,
  errorWith: (values: HelmValues) => Promise<string | undefined>,
): Promise<ValueFinding[]> {
  const refusals = refusalsOf(error, extraValues);
  const isOther = async (values: HelmValues) => (await errorWith(values)) !== error;
  const isVague = (key: string) => key === "" || isObject(valueAt(extraValues, key) ?? null);
  const vague = refusals.find(({ key }) => isVague(key))?.key;
  const within = vague === undefined || vague === "" ? [] : vague.split(".");
  const blamed = vague === undefined ? [] : await blamedFor(extraValues, isOther, within);
  return refusals.map(({ key, reason, where }) => {
    const [first = key, ...others] = key === vague ? blamed : [];
    const together = others.length === 0 ? "" : `, together with ${others.join(" and ")}`;
    const place = where === undefined ? "" : ` (${where})`;
    const remedy = /\bCRDs?\b/.test(reason) ? "; cilium.manifests can add these definitions" : "";
    return {
      severity: "error",
      key: first,
      rule: `the chart of Cilium ${version} refuses it${together}: ${reason}${place}${remedy}`,
    };
  });
}

/** What a chart has to say of values. */
export interface ChartAnswer {
  /** What it refuses, and what a new cluster lacks. */
  readonly findings: readonly ValueFinding[];
  /** What it renders against the settings. */
  readonly contradictions: readonly ValueFinding[];
  /** The images of all its pods; undefined unless it takes the values. */
  readonly images?: readonly string[];
}

/** A chart stops at its first reason; more reasons are not asked for one after the other. */
const MOST_REFUSALS = 5;

/**
 * Judge what a chart makes of values. Where it refuses some, it is asked for the others too.
 * @param rendered the objects, or Helm's error
 * @param render the same with other extra values
 * @param manifests objects that are created before
 * @param isNewCluster whether the chart could not ask the cluster for its kinds
 */
export async function chartAnswer(
  rendered: readonly RenderedObject[] | string,
  args: CiliumValuesArgs,
  render: (values: HelmValues) => Promise<readonly RenderedObject[] | string>,
  manifests: readonly KubernetesObject[] = [],
  isNewCluster = true,
): Promise<ChartAnswer> {
  const errorWith = async (values: HelmValues) => {
    const other = await render(values);
    return typeof other === "string" ? other : undefined;
  };
  const refusals: ValueFinding[] = [];
  let { extraValues } = args;
  let answer = rendered;
  for (let asked = 0; typeof answer === "string" && asked < MOST_REFUSALS; asked++) {
    const error: string = answer;
    const found = await refusalFindings(error, { ...args, extraValues }, errorWith);
    refusals.push(...found);
    const keys = [...new Set(found.map(({ key }) => key))].filter((key) => valueAt(extraValues, key) !== undefined);
    extraValues = keys.reduce((values, key) => withoutPath(values, key.split(".")), extraValues);
    answer = keys.length === 0 ? error : await render(extraValues);
    if (answer === error) break;
  }
  const missing = [
    ...(isNewCluster ? manifestFindings(manifests) : []),
    ...(typeof answer === "string" || !isNewCluster ? [] : missingObjects(answer, manifests, extraValues)),
    ...(typeof answer === "string" ? [] : withoutKeys(answer, manifests)),
  ];
  if (refusals.length > 0 || typeof answer === "string")
    return { findings: [...refusals, ...missing], contradictions: [] };
  return {
    findings: [...missing, ...renderedTwice(answer, manifests)],
    contradictions: await withKeys(contradictionsIn(answer, args), args, render),
    images: renderedImages(answer),
  };
}

/** Findings with the values to blame: where none is known, those without which the chart renders nothing of the kind. */
async function withKeys(
  findings: readonly ValueFinding[],
  args: CiliumValuesArgs,
  render: (values: HelmValues) => Promise<readonly RenderedObject[] | string>,
): Promise<ValueFinding[]> {
  const named: ValueFinding[] = [];
  for (const finding of findings) {
    const isGone = async (extraValues: HelmValues) => {
      const other = await render(extraValues);
      return (
        typeof other !== "string" &&
        !contradictionsIn(other, { ...args, extraValues }).some(({ rule }) => rule === finding.rule)
      );
    };
    const isVague = finding.key === "" && finding.setting === undefined;
    const [key = finding.key, ...others] = isVague ? await blamedFor(args.extraValues, isGone) : [];
    const together = others.length === 0 ? "" : ` (together with ${others.join(" and ")})`;
    named.push({ ...finding, key, rule: `${finding.rule}${together}` });
  }
  return named;
}

/** More values are not tried one after the other. */
const MOST_TRIED = 30;

/** Paths of the values without which a chart says something else: whole sections first, then what is in these. */
async function blamedFor(
  values: HelmValues,
  isOther: (values: HelmValues) => Promise<boolean>,
  path: readonly string[] = [],
): Promise<string[]> {
  const section = path.reduce((at, step) => at[step] as HelmValues, values);
  const blamed: string[] = [];
  for (const step of Object.keys(section).slice(0, MOST_TRIED)) {
    const own = [...path, step];
    if (!(await isOther(withoutPath(values, own)))) continue;
    const value = section[step]!;
    const inside = isObject(value) && Object.keys(value).length > 1 ? await blamedFor(values, isOther, own) : [];
    blamed.push(...(inside.length > 0 ? inside : [[own.join("."), ...onlyPath(value)].join(".")]));
  }
  return blamed;
}

function withoutPath(values: HelmValues, [step, ...more]: readonly string[]): HelmValues {
  const { [step!]: value, ...others } = values;
  return more.length === 0 ? others : { ...others, [step!]: withoutPath(value as HelmValues, more) };
}

/** The steps to the only value in an object; none where there are several. */
function onlyPath(value: HelmValue): string[] {
  const leaves = isObject(value) ? leavesOf(value) : [];
  return leaves.length === 1 ? leaves : [];
}

/** The only value, or the one that a message names: the longest first; "" if it names none. */
function namedIn(text: string, values: HelmValues): string {
  const paths = leavesOf(values);
  if (paths.length === 1) return paths[0]!;
  const isNamed = (path: string) =>
    new RegExp(`(?<![\\w.])(?:\\.?Values\\.)?${path.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(?![\\w-])`).test(text);
  const parents = paths.flatMap((path) => {
    const steps = path.split(".");
    return steps.map((_, index) => steps.slice(0, steps.length - index).join("."));
  });
  return [...new Set(parents)].sort((a, b) => b.length - a.length).find(isNamed) ?? "";
}

const isObject = (value: HelmValue): value is HelmValues =>
  typeof value === "object" && value !== null && !Array.isArray(value);
