import { valueAt, type HelmValue, type HelmValues } from "./ciliumValues";
import { leavesOf } from "./tree";
import type { ValueFinding } from "./valueFinding";

/** An object as far as the rules look at it. */
interface Rendered {
  readonly kind?: string | undefined;
  readonly metadata?: { readonly name?: string | undefined } | undefined;
  readonly data?: unknown;
  readonly stringData?: unknown;
  readonly spec?: unknown;
}

/** What is wrong in an object: the key in it, its value, and why. */
type Wrong = readonly [key: string, value: unknown, rule: string];

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
const fieldsOf = (value: unknown): Fields => (isFields(value) ? value : {});

/** Entries that are no strings, where Kubernetes takes only these; Helm reads a date as one. */
const unquoted = (value: unknown): Wrong[] =>
  Object.entries(fieldsOf(value))
    .filter(([, each]) => typeof each === "number" || typeof each === "boolean")
    .map(([key, each]) => [key, each, "which must be a string; put it in quotes"]);

/** https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/ */
const QUANTITY = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:([KMGTPE])i|([numkMGTPE])|[eE]([+-]?\d+))?$/;

/** A quantity as a number; NaN if it is none. */
function amountOf(quantity: unknown): number {
  const [, number, binary, decimal, exponent] = QUANTITY.exec(String(quantity)) ?? [];
  const scale =
    binary === undefined
      ? 1000 ** (decimal === undefined ? 0 : "num.kMGTPE".indexOf(decimal) - 3)
      : 1024 ** ("KMGTPE".indexOf(binary) + 1);
  return number === undefined ? NaN : Number(`${number}e${exponent ?? 0}`) * scale;
}

/** Limits below requests; products of fractions may differ in their last digits. */
const belowRequests = (limits: Fields, requests: Fields): Wrong[] =>
  Object.entries(limits)
    .filter(([key, limit]) => amountOf(limit) < amountOf(requests[key]) * (1 - 1e-9))
    .map(([key, limit]) => [key, limit, `which must not be below the request ${JSON.stringify(requests[key])}`]);

/** A number, or a text that is a percentage. */
const countOrShare =
  (key: string) =>
  (value: unknown): Wrong[] =>
    (value ?? null) === null ||
    (typeof value === "number" ? Number.isInteger(value) && value >= 0 : /^\d+%$/.test(String(value)))
      ? []
      : [[key, value, "which must be a number, or a percentage such as 25%"]];

const oneOf =
  (words: readonly string[]) =>
  (key: string, value: unknown): Wrong[] =>
    (value ?? "") === "" || words.includes(String(value)) ? [] : [[key, value, `which must be ${words.join(", ")}`]];

const effects = oneOf(["NoSchedule", "PreferNoSchedule", "NoExecute"]);
const operators = oneOf(["Exists", "Equal", "Lt", "Gt"]);

/** What Kubernetes refuses, by the field in which it is. */
const FIELDS: Readonly<Record<string, (value: unknown, parent: Fields) => readonly Wrong[]>> = {
  labels: unquoted,
  annotations: unquoted,
  matchLabels: unquoted,
  nodeSelector: unquoted,
  imagePullPolicy: (value) => oneOf(["Always", "IfNotPresent", "Never"])("pullPolicy", value),
  tolerations: (value) =>
    (Array.isArray(value) ? value : [])
      .map(fieldsOf)
      .flatMap(({ operator, effect }) => [...operators("operator", operator), ...effects("effect", effect)]),
  env: (value) =>
    (Array.isArray(value) ? value : [])
      .map(fieldsOf)
      .flatMap(({ name, value: given }) => unquoted({ [String(name)]: given })),
  resources: (value) => {
    const [limits, requests] = [fieldsOf(fieldsOf(value)["limits"]), fieldsOf(fieldsOf(value)["requests"])];
    return [
      ...[limits, requests]
        .flatMap((amounts) => Object.entries(amounts))
        .filter(([, amount]) => amount !== null && !QUANTITY.test(String(amount)))
        .map(([key, amount]): Wrong => [key, amount, "which must be a quantity such as 500m or 1Gi"]),
      ...belowRequests(limits, requests),
    ];
  },
  maxUnavailable: countOrShare("maxUnavailable"),
  maxSurge: countOrShare("maxSurge"),
  minAvailable: countOrShare("minAvailable"),
  schedule: (value) =>
    /^(?:@\w+|@every \S+|(?:TZ=\S+ |CRON_TZ=\S+ )?(?:\S+ +){4}\S+)$/.test(String(value).trim())
      ? []
      : [["schedule", value, "which must be five fields of cron, such as 0 0 1 */4 *"]],
  rollingUpdate: (value, { type }) =>
    type === "Recreate" && isFields(value)
      ? [["type", type, "which excludes the chart's rollingUpdate; set rollingUpdate: null beside it"]]
      : [],
};

function wrongIn(value: unknown): Wrong[] {
  if (Array.isArray(value)) return value.flatMap(wrongIn);
  return Object.entries(fieldsOf(value)).flatMap(([key, each]) => [
    ...(Object.hasOwn(FIELDS, key) ? FIELDS[key]!(each, fieldsOf(value)) : []),
    ...wrongIn(each),
  ]);
}

/** Kinds with pods, or that count them. */
const WORKLOADS = ["DaemonSet", "Deployment", "Job", "CronJob", "Pod", "PodDisruptionBudget"];
const WITH_DATA = ["ConfigMap", "Secret"];

/** What Kubernetes refuses of objects, and no chart and no schema checks. */
export function refusedByKubernetes({ kind = "", metadata, data, stringData, spec }: Rendered): Wrong[] {
  return [
    ...wrongIn(metadata),
    ...(WITH_DATA.includes(kind) ? [...unquoted(data), ...unquoted(stringData)] : []),
    ...(WORKLOADS.includes(kind) ? wrongIn(spec) : []),
  ];
}

/** The same as findings, with the values to blame. */
export function kubernetesFindings(objects: readonly Rendered[], extraValues: HelmValues): ValueFinding[] {
  const found = objects.flatMap((object) =>
    refusedByKubernetes(object).map(([key, value, rule]): ValueFinding => ({
      severity: "error",
      key: pathWith(extraValues, value as HelmValue, key),
      rule: `makes Kubernetes refuse the ${object.kind} ${object.metadata?.name}: it has ${key}: ${JSON.stringify(value)}, ${rule}`,
    })),
  );
  // one value is in several objects
  return [...new Map(found.map((each) => [each.key === "" ? each.rule : each.key, each])).values()];
}

/** Path of the value that is rendered somewhere, whose last step is known; "" if there is none. */
export function pathWith(extraValues: HelmValues, value: HelmValue, last?: string): string {
  const having = leavesOf(extraValues).filter((path) => same(valueAt(extraValues, path), value));
  return having.find((path) => last === undefined || path.split(".").at(-1) === last) ?? having[0] ?? "";
}

/** A list has the value if one of its objects does. */
const same = (given: HelmValue | undefined, value: HelmValue): boolean =>
  given === value || (Array.isArray(given) && given.some((each) => Object.values(fieldsOf(each)).includes(value)));
