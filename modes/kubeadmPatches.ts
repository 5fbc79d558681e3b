import { parseAllDocuments, parseDocument } from "yaml";
import { suggest } from "./suggest";
import { at } from "./tree";

/** What to do instead, by path, where kind or this project sets a value. */
type Fixes = Readonly<Record<string, string>>;

const REMOVE = "remove it";

/** What kind sets for every node. */
const OF_NODES: Fixes = {
  "nodeRegistration.name": REMOVE,
  "nodeRegistration.criSocket": REMOVE,
  "nodeRegistration.kubeletExtraArgs.node-ip": REMOVE,
  "nodeRegistration.kubeletExtraArgs.provider-id": REMOVE,
  // kube-proxy's addon is one of them
  skipPhases: REMOVE,
};

/**
 * The values that kind and this project set in kubeadm's configuration, by kind of its documents:
 * https://github.com/kubernetes-sigs/kind/blob/v0.33.0/pkg/cluster/internal/kubeadm/config.go
 */
const OWN: Readonly<Record<string, Fixes>> = {
  ClusterConfiguration: {
    clusterName: "set cluster.name",
    controlPlaneEndpoint: REMOVE,
    kubernetesVersion: "set cluster.kubernetesVersion",
    "networking.dnsDomain": REMOVE,
    "networking.podSubnet": "set cluster.podCidr",
    "networking.serviceSubnet": "set cluster.serviceCidr",
    "apiServer.extraArgs.service-cluster-ip-range": "set cluster.serviceCidr",
    "controllerManager.extraArgs.allocate-node-cidrs": REMOVE,
    "controllerManager.extraArgs.cluster-cidr": "set cluster.podCidr",
    "controllerManager.extraArgs.service-cluster-ip-range": "set cluster.serviceCidr",
  },
  InitConfiguration: { ...OF_NODES, bootstrapTokens: REMOVE, localAPIEndpoint: REMOVE },
  JoinConfiguration: { ...OF_NODES, controlPlane: REMOVE, discovery: REMOVE },
  KubeletConfiguration: {
    cgroupDriver: REMOVE,
    cgroupRoot: REMOVE,
    clusterDNS: REMOVE,
    clusterDomain: REMOVE,
    failSwapOn: REMOVE,
  },
  KubeProxyConfiguration: {
    clusterCIDR: "set cluster.podCidr",
    "conntrack.maxPerCore": REMOVE,
    mode: "set kubeProxy.mode",
  },
};

/** What kind sets only with these settings. */
const LABELS: Fixes = { "nodeRegistration.kubeletExtraArgs.node-labels": "set cluster.nodeLabels" };
const GATES: Readonly<Record<string, Fixes>> = {
  ClusterConfiguration: Object.fromEntries(
    ["apiServer", "controllerManager", "scheduler"].map((part) => [
      `${part}.extraArgs.feature-gates`,
      "set cluster.featureGates",
    ]),
  ),
};

/** Other settings that kind puts into the same documents. */
export interface PatchedSettings {
  readonly hasNodeLabels: boolean;
  readonly hasFeatureGates: boolean;
  /** Address in the kubeconfig, for which the API server's certificate must be valid. */
  readonly apiServerAddress: string;
  /** The same as messages may show it. */
  readonly shownAddress: string;
}

const words = (text: string) => text.split(/\s+/);

/** Numbers, switches and texts in a KubeletConfiguration: https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/ */
const KUBELET_NUMBERS = words(
  `containerLogMaxFiles eventBurst eventRecordQPS healthzPort imageGCHighThresholdPercent imageGCLowThresholdPercent
  kubeAPIBurst kubeAPIQPS maxOpenFiles maxParallelImagePulls maxPods nodeLeaseDurationSeconds nodeStatusMaxImages oomScoreAdj
  podPidsLimit podsPerCore port readOnlyPort registryBurst registryPullQPS`,
);
const KUBELET_SWITCHES = words(
  `cgroupsPerQOS cpuCFSQuota enableContentionProfiling enableControllerAttachDetach enableDebugFlagsHandler
  enableDebuggingHandlers enableProfilingHandler enableServer enableSystemLogHandler failSwapOn localStorageCapacityIsolation
  makeIPTablesUtilChains protectKernelDefaults registerNode rotateCertificates runOnce seccompDefault serializeImagePulls
  serverTLSBootstrap`,
);
const KUBELET_TEXTS = words(
  `evictionHard evictionMinimumReclaim evictionSoft evictionSoftGracePeriod kubeReserved qosReserved systemReserved`,
);

/** Values that the kubelet cannot read, which ends kubeadm. @param content as YAML 1.1, which kind reads */
function unreadByKubelet(content: Record<string, unknown>): string[] {
  const entriesOf = (key: string) =>
    Object.entries(isObject(content[key]) ? content[key] : {}).map(
      ([step, value]) => [`${key}.${step}`, value] as const,
    );
  const own = (keys: readonly string[]) => keys.map((key) => [key, content[key]] as const);
  const not = (type: string, wanted: string, entries: readonly (readonly [path: string, value: unknown])[]) =>
    entries
      .filter(([, value]) => (value ?? null) !== null && typeof value !== type)
      .map(([path]) => `must have ${wanted} in ${path}: the kubelet cannot read anything else there`);
  return [
    ...not("number", "a number without quotes", own(KUBELET_NUMBERS)),
    ...not("boolean", "true or false without quotes", [...own(KUBELET_SWITCHES), ...entriesOf("featureGates")]),
    ...not("string", "a text in quotes", KUBELET_TEXTS.flatMap(entriesOf)),
  ];
}

/** The arguments of kubelets, of which a list in a patch replaces kind's. */
const KUBELET_ARGUMENTS = "nodeRegistration.kubeletExtraArgs";

/** What is wrong with a merge patch of kubeadm's configuration: each rule with its fix. */
export function kubeadmPatchProblems(patch: string, settings: PatchedSettings): string[] {
  const documents = parseAllDocuments(patch);
  const [error] = documents.flatMap((document) => document.errors);
  if (error !== undefined) return [`is not YAML: ${error.message.split("\n")[0]!.replace(/:$/, "")}`];
  if (documents.length !== 1) return ["must be one YAML document; make a patch of each"];
  let content: unknown;
  try {
    content = documents[0]!.toJS();
  } catch (thrown) {
    return [`is not YAML: ${(thrown as Error).message}`];
  }
  const kinds = Object.keys(OWN);
  const { kind } = isObject(content) ? content : {};
  if (typeof kind !== "string" || !kinds.includes(kind)) {
    const meant = typeof kind === "string" ? suggest(kind, kinds) : undefined;
    const rule = `must have a kind, one of ${kinds.join(", ")}: kind ignores other patches`;
    return [meant === undefined ? rule : `${rule}; did you mean "${meant}"?`];
  }
  const fixes = {
    ...OWN[kind],
    ...(settings.hasNodeLabels && kind !== "ClusterConfiguration" ? LABELS : {}),
    ...(settings.hasFeatureGates ? GATES[kind] : {}),
  };
  const found = Object.entries(fixes).flatMap(([path, fix]) => {
    const set = setAt(content, path.split("."));
    if (set === undefined) return [];
    const above = set === KUBELET_ARGUMENTS ? "patch KubeletConfiguration instead" : "set only what is below it";
    return [[set, set === path ? fix : above] as const];
  });
  const names = at(content, ["apiServer", "certSANs"]);
  const { apiServerAddress } = settings;
  const lacksAddress = names !== undefined && !(Array.isArray(names) && names.includes(apiServerAddress));
  const invalid = `must list ${settings.shownAddress} in apiServer.certSANs, by which this machine reaches the API server; add it`;
  const asRead: unknown = kind === "KubeletConfiguration" ? parseDocument(patch, { version: "1.1" }).toJS() : undefined;
  return [
    ...(isObject(asRead) ? unreadByKubelet(asRead) : []),
    ...(isOfKind(kind, at(content, ["apiVersion"]))
      ? []
      : ["must have an apiVersion that kind writes, since it ignores other patches; remove apiVersion"]),
    ...(kind === "ClusterConfiguration" && lacksAddress ? [invalid] : []),
    ...[...new Map(found)].map(
      ([path, fix]) => `must not set ${path} of ${kind}, which kind or this project sets; ${fix}`,
    ),
  ];
}

/** Whether kind may write documents of such a version; without one, a patch is for each. */
function isOfKind(kind: string, apiVersion: unknown): boolean {
  const versions =
    kind === "KubeletConfiguration"
      ? /^kubelet\.config\.k8s\.io\/v1beta1$/
      : kind === "KubeProxyConfiguration"
        ? /^kubeproxy\.config\.k8s\.io\/v1alpha1$/
        : /^kubeadm\.k8s\.io\/v1beta[234]$/;
  return apiVersion === undefined || versions.test(String(apiVersion));
}

/** The path, or the part of it, that a merge patch replaces; undefined if it keeps what is there. */
function setAt(patch: unknown, steps: readonly string[]): string | undefined {
  let inner: unknown = patch;
  for (const [index, step] of steps.entries()) {
    const above = steps.slice(0, index).join(".");
    // newer kubeadm lists arguments, and a merge patch replaces kind's list
    if (Array.isArray(inner) && above !== KUBELET_ARGUMENTS) inner = argumentsOf(inner);
    if (!isObject(inner)) return above;
    if (!(step in inner)) return undefined;
    inner = inner[step];
  }
  return steps.join(".");
}

/** Listed arguments by name. */
function argumentsOf(list: readonly unknown[]): Record<string, unknown> {
  return Object.fromEntries(list.map((each) => (isObject(each) ? [String(each["name"]), each["value"]] : [])));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
