import type {
  V1ConfigMap,
  V1Container,
  V1DaemonSet,
  V1EndpointSlice,
  V1LabelSelector,
  V1Node,
  V1Pod,
  V1Service,
} from "@kubernetes/client-node";
import { AGENT_CONTAINER, AGENT_SELECTOR, CILIUM_NAMESPACE, CONFIG_MAP } from "../../cluster/agents";
import { apiErrorLine } from "../../cluster/apiError";
import type { RecordedCilium } from "../../cluster/helmRecord";
import type { EvidenceCluster } from "../../cluster/read";
import { isIpv6Address } from "../../modes/cidr";
import { nodeAddress, nodeIpv6Address, podCidrsOf } from "../clusterFacts";
import { isReady } from "../readiness";

/** Something that was read, or in one line why it was not. */
export type Reading<T> = { readonly value: T } | { readonly error: string };

/** A node as the API server has it. */
export interface NodeState {
  readonly name: string;
  /** IPv4 address in the nodes' network; empty where there is none. */
  readonly address: string;
  /** IPv6 address there; undefined where there is none. */
  readonly ipv6Address?: string | undefined;
  readonly ready: boolean;
  /** Why it is not ready, or which pressure it is under; empty for a healthy node. */
  readonly trouble: string;
  /** Whether new pods stay away from it: `kubectl cordon`. */
  readonly unschedulable: boolean;
  /** Release of Linux, such as `6.8.0-45-generic`; evidence of earlier versions has none. */
  readonly kernel?: string | undefined;
  /** IPv4 networks that Kubernetes gave its pods; undefined where it gave none. */
  readonly podCidrs?: readonly string[] | undefined;
}

/** A container of a pod. */
export interface ContainerState {
  readonly name: string;
  readonly image: string;
  /** As the pod asks for it. */
  readonly wantedImage: string;
  /** An agent's arguments, as the pod asks for them; undefined for other containers, and in evidence of earlier versions. */
  readonly args?: readonly string[] | undefined;
  /** The variables that the pod's template sets, and not the image; undefined where it takes some from other objects. */
  readonly variables?: readonly string[] | undefined;
  /** As the runtime resolved it. */
  readonly imageId: string;
  readonly ready: boolean;
  readonly restarts: number;
  /** ISO time; undefined while it does not run. */
  readonly startedAt?: string | undefined;
  /** Why it waits or how it ended; undefined while it runs. */
  readonly trouble?: string | undefined;
}

/** A pod as the API server has it. */
export interface PodState {
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly address: string;
  /** Its other address, of a pod in a dual-stack cluster. */
  readonly ipv6Address?: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly hostNetwork: boolean;
  readonly running: boolean;
  readonly ready: boolean;
  readonly deleting: boolean;
  /** ISO time; undefined in evidence of earlier versions, as the next one. */
  readonly createdAt?: string | undefined;
  /** Name of its ServiceAccount. */
  readonly account?: string | undefined;
  /** Without the protocol in evidence of earlier versions. */
  readonly hostPorts: readonly (number | { readonly port: number; readonly protocol: string })[];
  readonly containers: readonly ContainerState[];
  /** Since when it is on its node without a network, in ISO 8601; undefined where it has one, or uses the node's. */
  readonly waitsSince?: string | undefined;
  /** When the init container `config` copied the configuration; undefined where there is none. */
  readonly configuredAt?: string | undefined;
}

/** A pod that its node does not give a network. */
export interface StuckPod {
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  /** How long it has been on its node. */
  readonly seconds: number;
  /** The kubelet's last words about it; empty where it said nothing. */
  readonly said: string;
}

/** A Service as the API server has it. */
export interface ServiceState {
  readonly namespace: string;
  readonly name: string;
  readonly type: string;
  readonly clusterIp: string;
  /** The same with those of the other family; undefined in evidence of earlier versions. */
  readonly clusterIps?: readonly string[] | undefined;
  readonly selector: Readonly<Record<string, string>>;
  readonly ports: readonly {
    readonly protocol: string;
    readonly port: number;
    readonly targetPort: string;
    readonly nodePort?: number | undefined;
  }[];
  readonly externalTrafficPolicy: string;
  readonly internalTrafficPolicy: string;
  readonly sessionAffinity: string;
  /** Whether pods that are not ready are endpoints too; undefined in evidence of earlier versions. */
  readonly publishesNotReady?: boolean | undefined;
  /** Label `service.kubernetes.io/service-proxy-name`: another proxy than the cluster's answers for it. */
  readonly proxyName?: string | undefined;
  /** `loadBalancerSourceRanges`, of a Service with addresses of both families; undefined where there are none. */
  readonly sourceRanges?: readonly string[] | undefined;
  /** Addresses outside the cluster's own at which it is served; none where the reader does not know them. */
  readonly externalAddresses?: readonly string[];
  /** Labels, annotations and fields by which not every node serves it with all of its endpoints. */
  readonly selective: readonly string[];
}

/** The ready endpoints of one port of a Service. */
export interface EndpointState {
  readonly namespace: string;
  readonly service: string;
  readonly protocol: string;
  readonly port: number;
  readonly addresses: readonly string[];
  /** Name of the EndpointSlice that has them; undefined in evidence of earlier versions. */
  readonly slice?: string | undefined;
}

/** Who leads the instances of a part of the control plane. */
export interface LeaseState {
  /** `kube-controller-manager` or `kube-scheduler`. */
  readonly name: string;
  /** Null where nobody does. */
  readonly holder: string | null;
  /** How much older its renewal is than the latest one of all leases, in seconds. */
  readonly behindSeconds: number;
}

/** A Cilium node object. */
export interface CiliumNodeState {
  readonly name: string;
  readonly address: string;
  readonly podCidrs: readonly string[];
  /** Its pods' IPv6 networks; undefined where it has none. */
  readonly ipv6PodCidrs?: readonly string[] | undefined;
  readonly healthAddress: string;
  /** Address of `cilium_host`; undefined in evidence of earlier versions. */
  readonly routerAddress?: string | undefined;
}

/** A Cilium endpoint object. */
export interface CiliumEndpointState {
  readonly namespace: string;
  readonly name: string;
  readonly address: string;
  /** Undefined where it has none. */
  readonly ipv6Address?: string | undefined;
  readonly identity: number;
}

/** `cilium-config`, and who changed its data when. */
export interface ConfigState {
  readonly data: Readonly<Record<string, string>>;
  /** The writers of its data, the last one first. Labels and annotations do not count. */
  readonly writers: readonly { readonly manager: string; readonly time: string; readonly keys: readonly string[] }[];
}

/** A CiliumNodeConfig: configuration of some nodes only. */
export interface NodeConfigState {
  readonly namespace: string;
  readonly name: string;
  readonly defaults: Readonly<Record<string, string>>;
  /** The nodes that it selects; undefined in evidence of earlier versions, and where the nodes are unknown. */
  readonly nodes?: readonly string[] | undefined;
}

/** An agent's container as its DaemonSet asks for it: pods from before a change run on with another one. */
export interface AgentTemplate {
  readonly image: string;
  readonly args: readonly string[];
  /** `RollingUpdate`, or `OnDelete`: pods are replaced when somebody deletes them. */
  readonly strategy: string;
}

/** A Deployment or DaemonSet: how many pods it wants and how many are ready. */
export interface ReplicaState {
  readonly wanted: number;
  readonly ready: number;
}

/** What the API server says of a cluster. */
export interface ApiEvidence {
  readonly nodes: Reading<readonly NodeState[]>;
  readonly pods: Reading<readonly PodState[]>;
  readonly services: Reading<readonly ServiceState[]>;
  readonly endpoints: Reading<readonly EndpointState[]>;
  /** Those with IPv6 addresses; undefined where there are none. */
  readonly ipv6Endpoints?: Reading<readonly EndpointState[]> | undefined;
  readonly config: Reading<ConfigState>;
  /** Null where Helm did not install Cilium. */
  readonly rendered: Reading<RecordedCilium | null>;
  readonly nodeConfigs: Reading<readonly NodeConfigState[]>;
  /** Undefined in evidence of earlier versions. */
  readonly stuckPods?: Reading<readonly StuckPod[]> | undefined;
  /** Undefined in evidence of earlier versions. */
  readonly template?: Reading<AgentTemplate> | undefined;
  readonly ciliumNodes: Reading<readonly CiliumNodeState[]>;
  readonly ciliumEndpoints: Reading<readonly CiliumEndpointState[]>;
  /** Of every kind, as `Kind namespace/name`. */
  readonly policies: Reading<readonly string[]>;
  /** Those of them that Cilium does not accept, with its words; undefined in evidence of earlier versions. */
  readonly invalidPolicies?: Reading<readonly { readonly policy: string; readonly said: string }[]> | undefined;
  readonly operator: Reading<ReplicaState>;
  /** Who leads the operators; null where nobody does. Evidence of earlier versions has none. */
  readonly operatorLease: Reading<string | null>;
  /** The control plane's leases, as far as there are any; undefined in evidence of earlier versions. */
  readonly leases?: Reading<readonly LeaseState[]> | undefined;
  readonly coreDns: Reading<ReplicaState>;
  /** The datapath's values that the user gave to Helm, where `rendered` is unknown, as in a sysdump. */
  readonly values?: Readonly<Record<string, string>> | undefined;
}

/** Something that follows from the API server's evidence and is needed for every node: it is worked out once. */
export function derived<T>(from: (api: ApiEvidence) => T): (api: ApiEvidence) => T {
  const known = new WeakMap<ApiEvidence, { readonly value: T }>();
  return (api) => {
    const found = known.get(api) ?? { value: from(api) };
    known.set(api, found);
    return found.value;
  };
}

const [AGENT_LABEL, AGENT_VALUE] = AGENT_SELECTOR.split("=") as [string, string];

/**
 * Nodes of which Cilium keeps no CiliumNode, although a ready agent manages them: other nodes do not know their pods' network.
 * None where no node has one.
 */
export const nodesWithoutCiliumNode = derived(({ nodes, pods, ciliumNodes }): readonly NodeState[] => {
  const known = new Set(valueOf(ciliumNodes, []).map(({ name }) => name));
  const managed = new Set(
    valueOf(pods, [])
      .filter(({ labels, ready, deleting }) => labels[AGENT_LABEL] === AGENT_VALUE && ready && !deleting)
      .map(({ node }) => node),
  );
  return known.size === 0 ? [] : valueOf(nodes, []).filter(({ name }) => managed.has(name) && !known.has(name));
});

/** CiliumNodes by whether there is a Node of their name: all have one where the nodes could not be read. None where they were not read themselves. */
export const ciliumNodesByNode = derived(({ nodes, ciliumNodes }) => {
  const names = "value" in nodes ? new Set(nodes.value.map(({ name }) => name)) : undefined;
  const hasNode = ({ name }: CiliumNodeState) => names?.has(name) ?? true;
  const all = valueOf(ciliumNodes, []);
  return { with: all.filter(hasNode), without: all.filter((each) => !hasNode(each)) };
});

/** Pod networks and addresses that several CiliumNodes have, with the names of these. */
export const sharedByCiliumNodes = derived(({ ciliumNodes }) => {
  const owners = new Map<string, string[]>();
  for (const { name, address, podCidrs } of valueOf(ciliumNodes, []))
    for (const each of address === "" ? podCidrs : [...podCidrs, address])
      owners.set(each, [...(owners.get(each) ?? []), name]);
  return [...owners].filter(([, names]) => names.length > 1);
});

/** Whether nodes and pods have addresses of both families. */
export const isDualStack = derived(
  ({ nodes, ciliumNodes }) =>
    valueOf(nodes, []).some(({ ipv6Address }) => ipv6Address !== undefined) &&
    valueOf(ciliumNodes, []).some(({ ipv6PodCidrs }) => ipv6PodCidrs !== undefined),
);

/** Why nothing of IPv6 is verified although Cilium has it turned on; undefined where it is verified, or off. */
export function ipv6Unverified(api: ApiEvidence): string | undefined {
  const { data = {} } = valueOf(api.config, undefined) ?? {};
  if (data["enable-ipv6"] !== "true" || isDualStack(api)) return undefined;
  if (!valueOf(api.nodes, []).some(({ ipv6Address }) => ipv6Address !== undefined))
    return "no node has an IPv6 address in the nodes' network";
  return `no CiliumNode has an IPv6 network for its pods in spec.ipam.podCIDRs (ipam ${data["ipam"] ?? "cluster-pool"})`;
}

/** The value of a reading, or `otherwise` where it could not be read. */
export function valueOf<T, D>(reading: Reading<T>, otherwise: D): T | D {
  return "value" in reading ? reading.value : otherwise;
}

/** What was read. @throws Error saying why it was not: a check that needs it then has no evidence, instead of an empty list */
export function readingOf<T>(reading: Reading<T>): T {
  if ("error" in reading) throw new Error(reading.error);
  return reading.value;
}

/** What of a cluster is read for it. */
export type ApiReader = Pick<
  EvidenceCluster,
  "nodes" | "allPods" | "services" | "configMap" | "renderedCilium" | "daemonSet" | "deployment" | "list"
>;

/** Read what an inspection alone wants to know of the API server: nodes, and Cilium's own objects. */
export async function readCiliumApi(cluster: EvidenceCluster): Promise<ApiEvidence> {
  const [nodes, pods, config, rendered, nodeConfigs, ciliumNodes, template] = await Promise.all([
    reading(async () => (await cluster.nodes()).map(nodeState)),
    reading(async () => (await cluster.pods(CILIUM_NAMESPACE, AGENT_SELECTOR)).map(podState)),
    ...ofCilium(cluster),
  ]);
  const unread = { error: "an inspection does not read it" };
  return {
    ...{ nodes, pods, config, rendered, nodeConfigs, ciliumNodes, template },
    ...{ services: unread, endpoints: unread, ciliumEndpoints: unread, policies: unread },
    ...{ operator: unread, operatorLease: unread, coreDns: unread },
  };
}

/** Cilium's configuration, and the nodes as it knows them. */
const ofCilium = (cluster: ApiReader) =>
  [
    reading(async () => configState(await cluster.configMap(CILIUM_NAMESPACE, CONFIG_MAP))),
    reading(async () => (await cluster.renderedCilium(CILIUM_NAMESPACE)) ?? null),
    reading(async () => {
      const configs = await readNodeConfigs(cluster);
      const nodes = configs.length === 0 ? undefined : await cluster.nodes().catch(() => undefined);
      return configs.map((config) => nodeConfigState(config, nodes));
    }),
    reading(async () => (await cluster.list<CiliumNode>("cilium.io/v2", "ciliumnodes")).map(ciliumNodeState)),
    reading(async () => agentTemplate(await cluster.daemonSet(CILIUM_NAMESPACE, "cilium"))),
  ] as const;

/** Read everything that verification wants to know of the API server; what cannot be read says why. */
export async function readApi(cluster: ApiReader): Promise<ApiEvidence> {
  const [nodes, pods, services, slices, ciliumEndpoints, policies, ...cilium] = await Promise.all([
    reading(async () => (await cluster.nodes()).map(nodeState)),
    reading(() => readPods(cluster)),
    reading(() => readServices(cluster)),
    reading(() => readSlices(cluster)),
    reading(async () =>
      (await cluster.list<CiliumEndpoint>("cilium.io/v2", "ciliumendpoints")).map(ciliumEndpointState),
    ),
    reading(() => readPolicies(cluster)),
    ...ofCilium(cluster),
  ]);
  const [config, rendered, nodeConfigs, ciliumNodes, template] = cilium;
  const [operator, leases, coreDns] = await Promise.all([
    reading(() => replicas(cluster, "cilium-operator")),
    reading(() => cluster.list<Lease>("coordination.k8s.io/v1", "leases")),
    reading(() => replicas(cluster, "coredns")),
  ]);
  const endpoints = mapped(slices, (all) => all.flatMap((slice) => endpointStates(slice)));
  const ipv6Endpoints = valueOf(slices, []).flatMap((slice) => endpointStates(slice, "IPv6"));
  const stuckPods = await reading(() => readStuckPods(cluster, readingOf(pods), readingOf(leases)));
  return {
    ...{ nodes, pods, services, endpoints, config, rendered, nodeConfigs, ciliumNodes, ciliumEndpoints, stuckPods },
    policies: mapped(policies, (all) => all.map(({ policy }) => policy)),
    invalidPolicies: mapped(policies, (all) =>
      all.flatMap(({ policy, invalid: said }) => (said === undefined ? [] : [{ policy, said }])),
    ),
    ...{ operator, coreDns, template },
    ...(ipv6Endpoints.length === 0 ? {} : { ipv6Endpoints: { value: ipv6Endpoints } }),
    operatorLease: mapped(leases, leaderOf),
    leases: mapped(leases, leaseStates),
  };
}

/** Whether pods, Services or EndpointSlices have changed since; false where nobody knows. */
export async function hasChanged(cluster: ApiReader, api: ApiEvidence): Promise<boolean> {
  const before = [api.pods, api.services, api.endpoints];
  const now = await Promise.all([
    reading(() => readPods(cluster)),
    reading(() => readServices(cluster)),
    reading(() => readEndpoints(cluster)),
  ]);
  return [...before, ...now].every((each) => "value" in each) && fingerprint(before) !== fingerprint(now);
}

/** What of some lists decides how packets go. */
const fingerprint = (lists: readonly Reading<readonly object[]>[]) =>
  JSON.stringify(
    lists.map((list) =>
      valueOf(list, [])
        .map((each) => JSON.stringify({ ...each, containers: undefined, configuredAt: undefined }))
        .sort(),
    ),
  );

const readPods = async (cluster: ApiReader) => (await cluster.allPods()).map(podState);
const readServices = async (cluster: ApiReader) => (await cluster.services()).map(serviceState);
const readSlices = (cluster: ApiReader) => cluster.list<V1EndpointSlice>("discovery.k8s.io/v1", "endpointslices");
const readEndpoints = async (cluster: ApiReader) =>
  (await readSlices(cluster)).flatMap((slice) => endpointStates(slice));

async function reading<T>(read: () => Promise<T>): Promise<Reading<T>> {
  try {
    return { value: await read() };
  } catch (error) {
    return { error: apiErrorLine(error as Error) };
  }
}

function mapped<T, R>(read: Reading<T>, of: (value: T) => R): Reading<R> {
  return "value" in read ? { value: of(read.value) } : read;
}

async function replicas(cluster: ApiReader, name: string): Promise<ReplicaState> {
  const { spec, status } = await cluster.deployment(CILIUM_NAMESPACE, name);
  return { wanted: spec?.replicas ?? 1, ready: status?.availableReplicas ?? 0 };
}

/** A pod has its network within a few seconds. */
const STUCK_SECONDS = 30;

/** The kubelet reports a volume that it waits for within two minutes. */
const SILENT_SECONDS = 150;

/** Pods that wait for their network, and neither for an image nor a volume. Events are read only where a pod waits. */
async function readStuckPods(
  cluster: ApiReader,
  pods: readonly PodState[],
  leases: readonly Lease[],
): Promise<readonly StuckPod[]> {
  // others may be of a node or an application with another clock
  const now = lastRenewal(leases.filter(isOfControlPlane));
  const secondsOf = ({ waitsSince = "" }: PodState) => Math.round((now - Date.parse(waitsSince)) / 1000);
  const waiting = pods.filter((pod) => !pod.deleting && secondsOf(pod) >= STUCK_SECONDS);
  if (waiting.length === 0) return [];
  const events = (await cluster.list<PodEvent>("events.k8s.io/v1", "events")).filter(
    ({ type, reason }) => type === "Warning" && reason !== "FailedScheduling",
  );
  return waiting.flatMap((pod): StuckPod[] => {
    const { namespace, name, node } = pod;
    const own = events.filter(({ regarding: of }) => of?.namespace === namespace && of.name === name);
    const failure = own.findLast(
      ({ reason, note = "" }) => reason === "FailedCreatePodSandBox" && /network|\bcni\b|deadline/i.test(note),
    );
    const seconds = secondsOf(pod);
    if (failure === undefined && (own.length > 0 || seconds < SILENT_SECONDS)) return [];
    return [{ ...{ namespace, name, node, seconds }, said: failure?.note?.trim() ?? "" }];
  });
}

/** The API server's clock, as far as leases tell. */
const lastRenewal = (leases: readonly Lease[]) =>
  Math.max(...leases.map(({ spec }) => Date.parse(spec?.renewTime ?? "") || 0));

/** The lease for which Cilium's operators compete. */
export const OPERATOR_LEASE = "cilium-operator-resource-lock";

function leaderOf(leases: readonly Lease[]): string | null {
  const own = leases.find(
    ({ metadata: { namespace, name } }) => namespace === CILIUM_NAMESPACE && name === OPERATOR_LEASE,
  );
  return own?.spec?.holderIdentity || null;
}

/** Leases of the parts of the control plane of which one instance works at a time. */
const CONTROL_PLANE_LEASES = ["kube-controller-manager", "kube-scheduler"];

const isOfControlPlane = ({ metadata: { namespace, name } }: Lease) =>
  namespace === "kube-system" && CONTROL_PLANE_LEASES.includes(name);

function leaseStates(leases: readonly Lease[]): LeaseState[] {
  const renewed = ({ spec }: Lease) => Date.parse(spec?.renewTime ?? "") || 0;
  const latest = lastRenewal(leases);
  return leases.filter(isOfControlPlane).map((lease) => ({
    name: lease.metadata.name,
    holder: lease.spec?.holderIdentity || null,
    behindSeconds: Math.round((latest - renewed(lease)) / 1000),
  }));
}

/** Conditions that are bad when they are True. */
const PRESSURES = ["MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable"];

function nodeState({ metadata, spec, status }: V1Node): NodeState {
  const conditions = status?.conditions ?? [];
  const ready = conditions.find(({ type }) => type === "Ready");
  const isReady = ready?.status === "True";
  const pressures = conditions.filter(({ type, status: value }) => PRESSURES.includes(type) && value === "True");
  const said = (condition: { reason?: string; message?: string } | undefined) =>
    [condition?.reason, condition?.message].filter(Boolean).join(": ");
  const trouble = [
    ...(isReady ? [] : [said(ready) || "no Ready condition"]),
    ...pressures.map((each) => `${each.type}: ${said(each)}`),
  ];
  return {
    name: metadata!.name!,
    address: nodeAddress(status) ?? "",
    ...withIpv6("ipv6Address", nodeIpv6Address(status)),
    ready: isReady,
    trouble: trouble.join("; "),
    unschedulable: spec?.unschedulable ?? false,
    kernel: status?.nodeInfo?.kernelVersion,
    podCidrs: podCidrsOf(spec),
  };
}

function agentTemplate({ spec }: V1DaemonSet): AgentTemplate {
  const container = spec?.template.spec?.containers.find(({ name }) => name === AGENT_CONTAINER);
  if (container === undefined) throw new Error(`the DaemonSet has no container ${AGENT_CONTAINER}`);
  return {
    image: container.image ?? "",
    args: container.args ?? [],
    strategy: spec?.updateStrategy?.type ?? "RollingUpdate",
  };
}

function variablesOf(container: V1Container | undefined): readonly string[] | undefined {
  return container === undefined || (container.envFrom ?? []).length > 0
    ? undefined
    : (container.env ?? []).map(({ name }) => name);
}

/** Since when a pod is on its node and has no sandbox with a network, which the kubelet makes after it has mounted the volumes. */
function waitsSince({ spec, status }: V1Pod): string | undefined {
  const conditionOf = (wanted: string) => status?.conditions?.find(({ type }) => type === wanted);
  const isWaiting =
    status?.phase === "Pending" &&
    spec?.hostNetwork !== true &&
    !status.podIP &&
    // Kubernetes before 1.29 does not have it
    conditionOf("PodReadyToStartContainers")?.status === "False" &&
    status.containerStatuses?.some(({ state }) =>
      /^(?:ContainerCreating|PodInitializing)$/.test(state?.waiting?.reason ?? ""),
    );
  return isWaiting === true ? iso(conditionOf("PodScheduled")?.lastTransitionTime) : undefined;
}

function podState(pod: V1Pod): PodState {
  const { metadata, spec, status } = pod;
  const configured = status?.initContainerStatuses?.find(({ name }) => name === "config")?.state?.terminated?.startedAt;
  const statuses = status?.containerStatuses ?? [];
  return {
    namespace: metadata!.namespace ?? "",
    name: metadata!.name!,
    node: spec?.nodeName ?? "",
    address: status?.podIP ?? "",
    ...withIpv6("ipv6Address", status?.podIPs?.find(({ ip }) => isIpv6Address(ip))?.ip),
    labels: metadata!.labels ?? {},
    hostNetwork: spec?.hostNetwork ?? false,
    running: status?.phase === "Running",
    ready: isReady(pod),
    deleting: metadata!.deletionTimestamp !== undefined,
    createdAt: iso(metadata!.creationTimestamp),
    account: spec?.serviceAccountName,
    hostPorts: (spec?.containers ?? []).flatMap(({ ports }) =>
      (ports ?? []).flatMap(({ hostPort, protocol = "TCP" }) => (hostPort ? { port: hostPort, protocol } : [])),
    ),
    containers: [...(status?.initContainerStatuses ?? []).filter(({ state }) => state?.waiting), ...statuses].map(
      ({ name, image, imageID, ready, restartCount, state }) => {
        const wanted = spec?.containers.find((each) => each.name === name);
        return {
          name,
          image,
          wantedImage: wanted?.image ?? image,
          args: name === AGENT_CONTAINER ? (wanted?.args ?? []) : undefined,
          variables: variablesOf(wanted),
          imageId: imageID,
          ready,
          restarts: restartCount,
          startedAt: iso(state?.running?.startedAt),
          trouble:
            state?.waiting?.reason ??
            (state?.terminated === undefined ? undefined : `ended with exit code ${state.terminated.exitCode}`),
        };
      },
    ),
    waitsSince: waitsSince(pod),
    configuredAt: iso(configured),
  };
}

/** https://docs.cilium.io/en/stable/network/kubernetes/kubeproxy-free/, https://kubernetes.io/docs/concepts/services-networking/topology-aware-routing/ */
const SELECTIVE =
  /^service\.cilium\.io\/|^io\.cilium\/(?:global|shared)|^service\.kubernetes\.io\/(?:topology|headless)/;

function serviceState({ metadata, spec, status }: V1Service): ServiceState {
  return {
    namespace: metadata!.namespace!,
    name: metadata!.name!,
    type: spec?.type ?? "ClusterIP",
    clusterIp: spec?.clusterIP ?? "",
    clusterIps: spec?.clusterIPs,
    selector: spec?.selector ?? {},
    ports: (spec?.ports ?? []).map(({ protocol, port, targetPort, nodePort }) => ({
      protocol: protocol ?? "TCP",
      port,
      targetPort: String(targetPort ?? port),
      nodePort,
    })),
    externalTrafficPolicy: spec?.externalTrafficPolicy ?? "Cluster",
    internalTrafficPolicy: spec?.internalTrafficPolicy ?? "Cluster",
    sessionAffinity: spec?.sessionAffinity ?? "None",
    publishesNotReady: spec?.publishNotReadyAddresses ?? false,
    ...((spec?.ipFamilies ?? []).length < 2 ? {} : withIpv6("sourceRanges", spec?.loadBalancerSourceRanges)),
    proxyName: metadata?.labels?.["service.kubernetes.io/service-proxy-name"],
    externalAddresses: [
      ...(spec?.externalIPs ?? []),
      ...(status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []),
    ],
    selective: [
      ...Object.keys({ ...metadata?.annotations, ...metadata?.labels }).filter((key) => SELECTIVE.test(key)),
      ...(spec?.trafficDistribution === undefined ? [] : [`trafficDistribution ${spec.trafficDistribution}`]),
    ],
  };
}

function endpointStates(
  { metadata, endpoints, ports, addressType }: V1EndpointSlice,
  family: "IPv4" | "IPv6" = "IPv4",
): EndpointState[] {
  const service = metadata?.labels?.["kubernetes.io/service-name"];
  if (service === undefined || addressType !== family) return [];
  const addresses = (endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready !== false)
    .flatMap((endpoint) => endpoint.addresses);
  return (ports ?? []).map(({ protocol, port }) => ({
    namespace: metadata!.namespace!,
    service,
    protocol: protocol ?? "TCP",
    port: port ?? 0,
    addresses,
    slice: metadata!.name!,
  }));
}

function configState(configMap: V1ConfigMap | undefined): ConfigState {
  if (configMap?.data === undefined) throw new Error(`ConfigMap cilium-config not found in ${CILIUM_NAMESPACE}`);
  const writers = (configMap.metadata?.managedFields ?? []).flatMap(({ manager, time, fieldsV1 }) => {
    const data = (fieldsV1 as { readonly "f:data"?: object } | undefined)?.["f:data"];
    if (data === undefined || time === undefined) return [];
    const keys = Object.keys(data).flatMap((key) => (key.startsWith("f:") ? [key.slice(2)] : []));
    return [{ manager: manager ?? "unknown", time: iso(time)!, keys }];
  });
  return { data: configMap.data, writers: writers.sort((a, b) => b.time.localeCompare(a.time)) };
}

/** The kind has been `v2alpha1` before it became `v2` in Cilium 1.16. */
async function readNodeConfigs(cluster: ApiReader): Promise<readonly NodeConfig[]> {
  const now = await cluster.list<NodeConfig>("cilium.io/v2", "ciliumnodeconfigs");
  return now.length > 0 ? now : cluster.list<NodeConfig>("cilium.io/v2alpha1", "ciliumnodeconfigs");
}

async function readPolicies(
  cluster: ApiReader,
): Promise<{ readonly policy: string; readonly invalid?: string | undefined }[]> {
  const kinds = [
    ["CiliumNetworkPolicy", "cilium.io/v2", "ciliumnetworkpolicies"],
    ["CiliumClusterwideNetworkPolicy", "cilium.io/v2", "ciliumclusterwidenetworkpolicies"],
    ["NetworkPolicy", "networking.k8s.io/v1", "networkpolicies"],
  ] as const;
  const lists = kinds.map(async ([kind, version, plural]) =>
    (await cluster.list<CiliumPolicy>(version, plural)).map(({ metadata: { namespace, name }, status }) => {
      const invalid = status?.conditions?.find(({ type, status: value }) => type === "Valid" && value === "False");
      return {
        policy: `${kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`,
        invalid: invalid && (invalid.message ?? invalid.reason ?? "no message"),
      };
    }),
  );
  return (await Promise.all(lists)).flat();
}

/** A field that evidence has only in clusters with IPv6. */
const withIpv6 = <K extends string, T>(key: K, value: T | undefined) =>
  (value === undefined ? {} : { [key]: value }) as { readonly [key in K]?: T };

interface Named {
  readonly metadata: { readonly namespace?: string; readonly name: string };
}

/** An event of `events.k8s.io/v1`. */
interface PodEvent {
  readonly type?: string;
  readonly reason?: string;
  readonly note?: string;
  readonly regarding?: { readonly namespace?: string; readonly name?: string };
}

/** A policy of Cilium's kinds; those of Kubernetes have no status. */
interface CiliumPolicy extends Named {
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
  };
}

interface Lease extends Named {
  readonly spec?: { readonly holderIdentity?: string; readonly renewTime?: string };
}

interface NodeConfig extends Named {
  readonly spec?: { readonly defaults?: Record<string, string>; readonly nodeSelector?: V1LabelSelector };
}

interface CiliumNode extends Named {
  readonly spec: {
    readonly addresses?: readonly { readonly type: string; readonly ip: string }[];
    readonly health?: { readonly ipv4?: string };
    readonly ipam?: { readonly podCIDRs?: readonly string[] };
  };
}

interface CiliumEndpoint extends Named {
  readonly status?: {
    readonly networking?: { readonly addressing?: readonly { readonly ipv4?: string; readonly ipv6?: string }[] };
    readonly identity?: { readonly id?: number };
  };
}

const nodeConfigState = ({ metadata, spec }: NodeConfig, nodes?: readonly V1Node[]): NodeConfigState => ({
  namespace: metadata.namespace ?? "",
  name: metadata.name,
  defaults: spec?.defaults ?? {},
  nodes: nodes?.filter(({ metadata: own }) => isSelected(own?.labels ?? {}, spec?.nodeSelector)).map(nameOf),
});

const nameOf = ({ metadata }: V1Node) => metadata!.name!;

/** Whether a selector takes what has some labels. */
function isSelected(labels: Readonly<Record<string, string>>, selector: V1LabelSelector = {}): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector;
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const isThere = key in labels;
      if (operator === "Exists") return isThere;
      if (operator === "DoesNotExist") return !isThere;
      const isListed = isThere && values.includes(labels[key]!);
      return operator === "In" ? isListed : !isListed;
    })
  );
}

function ciliumNodeState({ metadata, spec }: CiliumNode): CiliumNodeState {
  const ipv6PodCidrs = (spec.ipam?.podCIDRs ?? []).filter((cidr) => cidr.includes(":"));
  const address = (wanted: string) =>
    spec.addresses?.find(({ type, ip }) => type === wanted && ip.includes("."))?.ip ?? "";
  return {
    name: metadata.name,
    address: address("InternalIP"),
    podCidrs: (spec.ipam?.podCIDRs ?? []).filter((cidr) => !cidr.includes(":")),
    ...withIpv6("ipv6PodCidrs", ipv6PodCidrs.length === 0 ? undefined : ipv6PodCidrs),
    healthAddress: spec.health?.ipv4 ?? "",
    routerAddress: address("CiliumInternalIP"),
  };
}

const ciliumEndpointState = ({ metadata, status }: CiliumEndpoint): CiliumEndpointState => ({
  namespace: metadata.namespace ?? "",
  name: metadata.name,
  address: status?.networking?.addressing?.find(({ ipv4 }) => ipv4 !== undefined)?.ipv4 ?? "",
  ...withIpv6("ipv6Address", status?.networking?.addressing?.find(({ ipv6 }) => ipv6 !== undefined)?.ipv6),
  identity: status?.identity?.id ?? 0,
});

const iso = (time: Date | undefined) => (time === undefined ? undefined : new Date(time).toISOString());
