import type {
  RbacV1Subject,
  V1ClusterRole,
  V1ClusterRoleBinding,
  V1Container,
  V1DaemonSet,
  V1Deployment,
  V1PolicyRule,
} from "@kubernetes/client-node";
import { apiErrorLine } from "./apiError";

/** Kinds that are compared with what Helm rendered: without them, or with others, Cilium's pods end, do not come back or lack permissions. */
export const COMPARED_KINDS = {
  ServiceAccount: "v1",
  DaemonSet: "apps/v1",
  Deployment: "apps/v1",
  ClusterRole: "rbac.authorization.k8s.io/v1",
  ClusterRoleBinding: "rbac.authorization.k8s.io/v1",
  Role: "rbac.authorization.k8s.io/v1",
  RoleBinding: "rbac.authorization.k8s.io/v1",
} as const;
/** One of {@link COMPARED_KINDS}. */
export type ComparedKind = keyof typeof COMPARED_KINDS;

/** An object as Helm rendered it, or as it is in the cluster. */
export interface ComparedObject {
  readonly kind: ComparedKind;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    /** Only of the one in the cluster. */
    readonly creationTimestamp?: Date | string;
  };
}

/** What Helm's record has of the objects that are compared. */
export interface RecordedObjects {
  /** The release's name. */
  readonly release: string;
  /** Status of the record. */
  readonly status: string;
  readonly objects: readonly ComparedObject[];
}

/** An object that is not as Helm rendered it. Values of variables are never told: they may be secrets. */
export interface ObjectDrift {
  readonly kind: ComparedKind;
  readonly name: string;
  /** Undefined for an object of the whole cluster. */
  readonly namespace?: string | undefined;
  readonly isMissing: boolean;
  /** What it lacks, or has with another value. */
  readonly changed: readonly string[];
  /** What only the object in the cluster has. */
  readonly added: readonly string[];
}

/** How the objects in a cluster differ from what Helm rendered last. */
export interface HelmDrift {
  /** The release's name. */
  readonly release: string;
  /** Status of Helm's record: while it is not `deployed`, differences are expected. */
  readonly status: string;
  /** How many objects were compared. */
  readonly compared: number;
  readonly drifts: readonly ObjectDrift[];
  /** The ServiceAccounts among them, as they are in the cluster; undefined in evidence of earlier versions. */
  readonly accounts?: readonly AccountState[];
  /** Why objects could not be read, each reason once. */
  readonly unread: readonly string[];
}

/** A ServiceAccount in the cluster. */
export interface AccountState {
  readonly namespace: string;
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** Compare every object that Helm rendered with the one in the cluster. @param read undefined for an object that does not exist */
export async function helmDrift(
  { release, status, objects }: RecordedObjects,
  read: (object: ComparedObject) => Promise<object | undefined>,
): Promise<HelmDrift> {
  const unread = new Set<string>();
  const accounts: AccountState[] = [];
  const found = await Promise.all(
    objects.map(async (rendered) => {
      try {
        const live = (await read(rendered)) as ComparedObject | undefined;
        const { name, namespace = "", creationTimestamp } = live?.metadata ?? {};
        if (rendered.kind === "ServiceAccount" && name !== undefined && creationTimestamp !== undefined)
          accounts.push({ namespace, name, createdAt: new Date(creationTimestamp).getTime() });
        return [driftOf(rendered, live)];
      } catch (error) {
        const isForbidden = (error as { readonly code?: unknown }).code === 403;
        unread.add(isForbidden ? `reading a ${rendered.kind} is forbidden` : apiErrorLine(error as Error));
        return [];
      }
    }),
  );
  const drifts = found.flat();
  const isDrift = ({ isMissing, changed, added }: ObjectDrift) => isMissing || changed.length + added.length > 0;
  return { release, status, compared: drifts.length, drifts: drifts.filter(isDrift), accounts, unread: [...unread] };
}

/** What another's controllers add is left out: annotations, labels, tolerations and fields with a default. */
function driftOf(rendered: ComparedObject, live: ComparedObject | undefined): ObjectDrift {
  const { kind, metadata } = rendered;
  const { changed, added } = live === undefined ? NOTHING : differences(kind, rendered, live);
  const { name, namespace } = metadata;
  return { kind, name, namespace, isMissing: live === undefined, changed, added };
}

type Differences = Pick<ObjectDrift, "changed" | "added">;

const NOTHING: Differences = { changed: [], added: [] };

function differences(kind: ComparedKind, rendered: object, live: object): Differences {
  switch (kind) {
    case "ServiceAccount":
      return NOTHING;
    case "DaemonSet":
    case "Deployment":
      return workloadDifferences(rendered as V1DaemonSet, live as V1DaemonSet);
    case "ClusterRole":
    case "Role":
      return lacking("permission", permissions(rendered as V1ClusterRole), permissions(live as V1ClusterRole));
    case "ClusterRoleBinding":
    case "RoleBinding":
      return lacking("", grants(rendered as V1ClusterRoleBinding), grants(live as V1ClusterRoleBinding));
  }
}

const lacking = (what: string, rendered: readonly string[], live: readonly string[]): Differences => {
  const known = new Set(live);
  return {
    changed: rendered.filter((each) => !known.has(each)).map((each) => `lacks ${what} ${each}`.replace("  ", " ")),
    added: [],
  };
};

const permissions = ({ rules }: V1ClusterRole) => (rules ?? []).flatMap(permissionsOf);

function permissionsOf({ apiGroups, resources, nonResourceURLs, resourceNames, verbs }: V1PolicyRule): string[] {
  const named = resourceNames === undefined ? [""] : resourceNames.map((name) => `/${name}`);
  const what = [
    ...(apiGroups ?? []).flatMap((group) =>
      (resources ?? []).flatMap((each) => named.map((name) => `${each}${group === "" ? "" : `.${group}`}${name}`)),
    ),
    ...(nonResourceURLs ?? []),
  ];
  return what.flatMap((each) => verbs.map((verb) => `${verb} ${each}`));
}

function grants({ roleRef, subjects }: V1ClusterRoleBinding): string[] {
  const nameOf = ({ kind, namespace, name }: RbacV1Subject) =>
    `subject ${kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
  return [`role ${roleRef.kind} ${roleRef.name}`, ...(subjects ?? []).map(nameOf)];
}

/** A DaemonSet, or a Deployment as far as it has the same fields. */
function workloadDifferences(rendered: V1DaemonSet, live: V1DaemonSet): Differences {
  const [wanted, own] = [rendered.spec!.template.spec!, live.spec!.template.spec!];
  const strategy = ({ spec }: V1DaemonSet) =>
    spec!.updateStrategy?.type ?? (spec as unknown as V1Deployment["spec"])!.strategy?.type ?? "RollingUpdate";
  const fields: readonly (readonly [name: string, wanted: unknown, own: unknown])[] = [
    ["update strategy", strategy(rendered), strategy(live)],
    ["hostNetwork", wanted.hostNetwork ?? false, own.hostNetwork ?? false],
    ["serviceAccountName", wanted.serviceAccountName ?? "default", own.serviceAccountName ?? "default"],
    ["nodeSelector", pairs(wanted.nodeSelector), pairs(own.nodeSelector)],
  ];
  const all = (spec: typeof wanted) => [...(spec.initContainers ?? []), ...spec.containers];
  const containers = all(wanted).map((each) => {
    const same = all(own).find(({ name }) => name === each.name);
    return same === undefined
      ? { changed: [`lacks container ${each.name}`], added: [] }
      : containerDifferences(each, same);
  });
  const strange = all(own).filter(({ name }) => !all(wanted).some((each) => each.name === name));
  return {
    changed: [
      ...fields.flatMap(([name, asked, is]) =>
        asked === is ? [] : [`${name} ${String(is) || "none"}, Helm rendered ${String(asked) || "none"}`],
      ),
      ...containers.flatMap(({ changed }) => changed),
    ],
    added: [...strange.map(({ name }) => `container ${name}`), ...containers.flatMap(({ added }) => added)],
  };
}

const pairs = (map: Readonly<Record<string, string>> = {}) =>
  Object.entries(map)
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(",");

function containerDifferences(rendered: V1Container, live: V1Container): Differences {
  const { name } = rendered;
  const words = ({ command, args }: V1Container) => [...(command ?? []), ...(args ?? [])].map((each) => String(each));
  const [wanted, own] = [words(rendered), words(live)];
  const [less, more] = [wanted.filter((each) => !own.includes(each)), own.filter((each) => !wanted.includes(each))];
  const isMoved = less.length + more.length === 0 && wanted.join("\n") !== own.join("\n");
  const variables = rendered.env ?? [];
  const capabilities = ({ securityContext }: V1Container) => [
    ...(securityContext?.privileged === true ? ["privileged"] : []),
    ...(securityContext?.capabilities?.add ?? []).map((each) => `capability ${each}`),
  ];
  const mounts = ({ volumeMounts }: V1Container) => (volumeMounts ?? []).map(({ mountPath }) => `mount ${mountPath}`);
  const missing = lacking(
    "",
    [...capabilities(rendered), ...mounts(rendered)],
    [...capabilities(live), ...mounts(live)],
  ).changed;
  return {
    changed: [
      ...(rendered.image === live.image ? [] : [`image ${live.image}, Helm rendered ${rendered.image}`]),
      ...less.map((each) => `lacks argument ${short(each)}`),
      ...more.map((each) => `argument ${short(each)} is not Helm's`),
      ...(isMoved ? ["arguments in another order"] : []),
      ...variables.flatMap((each) => {
        const same = (live.env ?? []).find((one) => one.name === each.name);
        if (same === undefined) return [`lacks variable ${each.name}`];
        const isSame = each.valueFrom !== undefined || String(each.value ?? "") === (same.value ?? "");
        return isSame ? [] : [`variable ${each.name} has another value`];
      }),
      ...missing,
    ].map((each) => `${name}: ${each}`),
    added: (live.env ?? [])
      .filter((each) => !variables.some((one) => one.name === each.name))
      .map((each) => `variable ${each.name} of ${name}`),
  };
}

/** A script may be an argument. */
const short = (argument: string) =>
  (argument.length > 80 ? `${argument.slice(0, 79)}…` : argument).replace(/\s+/g, " ");
