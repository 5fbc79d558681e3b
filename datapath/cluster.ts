import { Agent } from "node:https";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import {
  ApiException,
  AppsV1Api,
  CoreV1Api,
  createConfiguration,
  CustomObjectsApi,
  DiscoveryV1Api,
  Exec,
  KubeConfig,
  KubernetesObjectApi,
  PatchStrategy,
  PortForward,
  ServerConfiguration,
  setHeaderOptions,
  type KubernetesObject,
  type Middleware,
  type V1ConfigMap,
  type V1DaemonSet,
  type V1Deployment,
  type V1EndpointSlice,
  type V1Namespace,
  type V1Node,
  type V1Pod,
  type V1Secret,
  type V1Service,
} from "@kubernetes/client-node";
import { isIpv4Address } from "../modes/cidr";
import { apiErrorLine } from "./apiError";
import { factsOf } from "./clusterFacts";
import type { ClusterFacts } from "./facts";
import { recordsOf } from "./helmRecord";
import type { OutsideClient } from "../host/outside";
import { execIn, startIn, type ExecResult, type Session } from "./podExec";
import { within } from "./within";

export type { OutsideClient } from "../host/outside";

/** The seam to a running cluster: every check takes one, so that it can be tested on recorded evidence. */
export interface ClusterReader {
  nodes(): Promise<V1Node[]>;
  /** Pods of a namespace by label selector. */
  pods(namespace: string, labelSelector: string): Promise<V1Pod[]>;
  /** The pods of all namespaces. */
  allPods(): Promise<V1Pod[]>;
  daemonSet(namespace: string, name: string): Promise<V1DaemonSet>;
  deployment(namespace: string, name: string): Promise<V1Deployment>;
  /** Node name to the IPv4 networks that Cilium's pool gave it. */
  ciliumPodCidrs(): Promise<Map<string, string[]>>;
  /** Where each node, and the health endpoint that its agent keeps, can be reached. */
  healthAddresses(): Promise<HealthAddress[]>;
  /** Undefined where there is none. */
  configMap(namespace: string, name: string): Promise<V1ConfigMap | undefined>;
  service(namespace: string, name: string): Promise<V1Service | undefined>;
  /** The events of all namespaces, a line each. */
  events(): Promise<string>;
  /** A container's log, from its beginning. @param bytes at most so much of it */
  log(namespace: string, pod: string, container: string, bytes?: number): Promise<string>;
  /** Run a command in a pod's container. */
  exec(namespace: string, pod: string, container: string, command: readonly string[]): Promise<ExecResult>;
  /** Run a command on a node and return what it printed; undefined where nodes are not to be had. */
  readonly onNode?: NodeExec | undefined;
}

/** A cluster that can be verified. */
export interface EvidenceCluster extends ClusterReader {
  /** The Services of all namespaces. */
  services(): Promise<V1Service[]>;
  /** All objects of a kind outside the core API; none where the cluster does not know the kind. */
  list<T>(apiVersion: string, plural: string): Promise<readonly T[]>;
  /** Start a client beside the nodes, outside the cluster; undefined where there is no place for one. */
  readonly startOutside?: ((image: string) => Promise<OutsideClient>) | undefined;
}

/** A cluster in whose pods commands can be left at work for a while. */
export interface AttachableCluster extends EvidenceCluster {
  /** Connect a stream with a port of a pod. */
  forward(namespace: string, pod: string, port: number, stream: Duplex): Promise<void>;
  /** Start a command in a pod's container. */
  start(namespace: string, pod: string, container: string, command: readonly string[]): Session;
}

/** A cluster whose nodes tell what their pods use. */
export interface MeasuredCluster extends ClusterReader {
  /** A kubelet's Summary API: https://kubernetes.io/docs/reference/instrumentation/node-metrics/ */
  nodeSummary(node: string): Promise<unknown>;
}

/** Where a node's agent listens for health probes, and the endpoint in the node's pod network that it keeps for them. */
export interface HealthAddress {
  readonly node: string;
  readonly nodeAddress?: string | undefined;
  /** Undefined while the agent has not made it, or where the configuration has none. */
  readonly endpointAddress?: string | undefined;
}

/** Runs a command on a node. @throws Error when it fails */
export type NodeExec = (node: string, command: readonly string[]) => Promise<string>;

/** The little that is changed in a cluster beside the engine, and what has to be known for that. */
export interface ClusterWriter extends Pick<ClusterReader, "configMap"> {
  /** Create a ConfigMap, or replace what it holds. */
  writeConfigMap(namespace: string, name: string, data: Readonly<Record<string, string>>): Promise<void>;
  /** One that is not there is no error. */
  deleteConfigMap(namespace: string, name: string): Promise<void>;
  namespace(name: string): Promise<V1Namespace | undefined>;
  /** Delete a namespace with all that is in it, and wait until it is gone. @throws Error after 90 s */
  deleteNamespace(name: string): Promise<void>;
  /** Helm's records of a release that are neither replaced by a later one nor uninstalled. */
  helmRecords(namespace: string, release: string): Promise<V1Secret[]>;
  replaceSecret(namespace: string, secret: V1Secret): Promise<void>;
}

/** Makes, changes and removes Services by the thousand, and the EndpointSlices that belong to them. */
export interface ServiceWriter extends Pick<ClusterWriter, "namespace" | "deleteNamespace"> {
  createNamespace(namespace: V1Namespace): Promise<void>;
  /** The addresses of the Services of all namespaces, `None` for those without. */
  serviceAddresses(): Promise<string[]>;
  /** The names of a namespace's Services. */
  serviceNames(namespace: string): Promise<string[]>;
  createService(service: V1Service): Promise<void>;
  createEndpoints(slice: V1EndpointSlice): Promise<void>;
  replaceEndpoints(slice: V1EndpointSlice): Promise<void>;
  /** Delete a Service and the EndpointSlice of its name; what is not there is no error. */
  deleteService(namespace: string, name: string): Promise<void>;
}

/** Creates the workload that a verification brings along, and removes every trace of it. */
export interface ProbeWriter extends Pick<ClusterWriter, "deleteNamespace"> {
  /** Create an object of any kind. */
  create(object: KubernetesObject): Promise<void>;
  /** Namespaces by label selector. */
  namespaces(labelSelector: string): Promise<V1Namespace[]>;
  /** Delete a namespace's pods without waiting for their nodes. */
  forcePodDeletion(namespace: string): Promise<void>;
  /** Delete what Cilium keeps of a namespace's pods after they are gone. */
  deleteCiliumIdentities(namespace: string): Promise<void>;
}

const NAMESPACE_SECONDS = 90;

/** How long a cluster may take to answer a request; a connection to an API server that has gone can hang for ever. */
const ANSWER_SECONDS = 10;

function timely<T>(answer: Promise<T>): Promise<T> {
  return within(ANSWER_SECONDS, answer, "the API server does not answer");
}

/** Reach a cluster to change something in it. @lintignore providers/kind/provider.ts requires it when it first needs it */
export function connectWriter(kubeconfig: string): ClusterWriter {
  const core = load(kubeconfig).makeApiClient(CoreV1Api);
  const find = (name: string) => timely(core.readNamespace({ name }).catch(noneWhenNotFound));
  return {
    configMap: (namespace, name) => timely(core.readNamespacedConfigMap({ namespace, name }).catch(noneWhenNotFound)),
    async writeConfigMap(namespace, name, data) {
      const body = { metadata: { namespace, name }, data };
      const replaced = await timely(core.replaceNamespacedConfigMap({ namespace, name, body }).catch(noneWhenNotFound));
      if (replaced === undefined) await timely(core.createNamespacedConfigMap({ namespace, body }));
    },
    async deleteConfigMap(namespace, name) {
      await timely(core.deleteNamespacedConfigMap({ namespace, name }).catch(noneWhenNotFound));
    },
    namespace: find,
    async deleteNamespace(name) {
      await timely(core.deleteNamespace({ name }).catch(noneWhenNotFound));
      const deadline = Date.now() + NAMESPACE_SECONDS * 1000;
      while ((await find(name)) !== undefined) {
        if (Date.now() > deadline) throw new Error(`The namespace ${name} is not gone after ${NAMESPACE_SECONDS} s`);
        await sleep(500);
      }
    },
    helmRecords: async (namespace, release) =>
      (await timely(core.listNamespacedSecret({ namespace, labelSelector: recordsOf(release) }))).items,
    async replaceSecret(namespace, body) {
      await timely(core.replaceNamespacedSecret({ namespace, name: body.metadata!.name!, body }));
    },
  };
}

/** Reach a cluster to bring a workload along for a while. */
export function connectProbes(kubeconfig: string): ProbeWriter {
  const config = load(kubeconfig);
  const core = config.makeApiClient(CoreV1Api);
  const objects = KubernetesObjectApi.makeApiClient(config);
  const custom = config.makeApiClient(CustomObjectsApi);
  const identities = { group: "cilium.io", version: "v2", plural: "ciliumidentities" };
  return {
    deleteNamespace: connectWriter(kubeconfig).deleteNamespace,
    create: async (object) => void (await timely(objects.create(object))),
    namespaces: async (labelSelector) => (await timely(core.listNamespace({ labelSelector }))).items,
    async forcePodDeletion(namespace) {
      await timely(core.deleteCollectionNamespacedPod({ namespace, gracePeriodSeconds: 0 }));
    },
    async deleteCiliumIdentities(namespace) {
      const labelSelector = `io.kubernetes.pod.namespace=${namespace}`;
      const list = custom.listClusterCustomObject({ ...identities, labelSelector }) as Promise<{
        items: { metadata: { name: string } }[];
      }>;
      const found = (await timely(list.catch(noneWhenNotFound)))?.items ?? [];
      const remove = (name: string) =>
        custom.deleteClusterCustomObject({ ...identities, name }).catch(noneWhenNotFound);
      await timely(Promise.all(found.map(({ metadata }) => remove(metadata.name))));
    },
  };
}

/** How long the API server may take for the list of all Services, or for one change while thousands are made. */
const CROWD_SECONDS = 60;

/** Reach a cluster to fill it with Services. */
export function connectServices(kubeconfig: string): ServiceWriter {
  const config = load(kubeconfig);
  const keepingConnections = createConfiguration({
    baseServer: new ServerConfiguration(config.getCurrentCluster()!.server, {}),
    authMethods: { default: config },
    promiseMiddleware: [keepConnections()],
  });
  const core = new CoreV1Api(keepingConnections);
  const discovery = new DiscoveryV1Api(keepingConnections);
  const { namespace, deleteNamespace } = connectWriter(kubeconfig);
  const patiently = <T>(answer: Promise<T>) => within(CROWD_SECONDS, answer, "the API server does not answer");
  return {
    namespace,
    deleteNamespace,
    createNamespace: async (body) => void (await patiently(core.createNamespace({ body }))),
    serviceAddresses: async () =>
      (await patiently(core.listServiceForAllNamespaces())).items.flatMap(
        ({ spec }) => spec?.clusterIPs ?? spec?.clusterIP ?? [],
      ),
    serviceNames: async (namespace) =>
      (await patiently(core.listNamespacedService({ namespace }))).items.map(({ metadata }) => metadata!.name!),
    async createService(body) {
      await patiently(core.createNamespacedService({ namespace: body.metadata!.namespace!, body }));
    },
    async createEndpoints(body) {
      await patiently(discovery.createNamespacedEndpointSlice({ namespace: body.metadata!.namespace!, body }));
    },
    async replaceEndpoints(body) {
      const { namespace, name } = body.metadata as { namespace: string; name: string };
      await patiently(discovery.replaceNamespacedEndpointSlice({ namespace, name, body }));
    },
    async deleteService(namespace, name) {
      const service = core.deleteNamespacedService({ namespace, name }).catch(noneWhenNotFound);
      const slice = discovery.deleteNamespacedEndpointSlice({ namespace, name }).catch(noneWhenNotFound);
      await patiently(Promise.all([service, slice]));
    },
  };
}

/** The client opens a connection for every request, which costs more than most requests themselves. */
function keepConnections(): Middleware {
  let kept: Agent | undefined;
  return {
    async pre(request) {
      const agent = request.getAgent();
      // that of a proxy is of another class
      if (agent?.constructor === Agent) {
        kept ??= new Agent({ ...(agent as Agent).options, keepAlive: true });
        request.setAgent(kept);
      }
      return request;
    },
    post: async (response) => response,
  };
}

/** Start a DaemonSet's pods anew, one after the other as its strategy has it: what `kubectl rollout restart` does. */
export async function restartDaemonSet(kubeconfig: string, namespace: string, name: string): Promise<void> {
  const annotations = { "kubectl.kubernetes.io/restartedAt": new Date().toISOString() };
  const body = { spec: { template: { metadata: { annotations } } } };
  const asMerge = setHeaderOptions("Content-Type", PatchStrategy.StrategicMergePatch);
  const apps = load(kubeconfig).makeApiClient(AppsV1Api);
  await timely(apps.patchNamespacedDaemonSet({ namespace, name, body }, asMerge));
}

/** Read what is known of a cluster before anything is installed in it. @throws Error when it does not answer */
export async function readFacts(kubeconfig: string): Promise<ClusterFacts> {
  const config = load(kubeconfig);
  const core = config.makeApiClient(CoreV1Api);
  const discovery = config.makeApiClient(DiscoveryV1Api);
  const endpoint = config.getCurrentCluster()?.server ?? "";
  const api = { namespace: "default", name: "kubernetes" };
  const read = Promise.all([
    core.readNamespace({ name: "kube-system" }),
    core.listNode(),
    core.listNamespacedPod({ namespace: "kube-system" }),
    config.makeApiClient(AppsV1Api).listDaemonSetForAllNamespaces(),
    discovery.listNamespacedEndpointSlice({
      namespace: api.namespace,
      labelSelector: `kubernetes.io/service-name=${api.name}`,
    }),
    core.readNamespacedService(api),
  ]);
  const [system, nodes, systemPods, daemonSets, apiServers, service] = await timely(read).catch((error: Error) => {
    throw new Error(`The cluster at ${endpoint} cannot be looked at: ${apiErrorLine(error)}`);
  });
  return factsOf({
    identity: system.metadata!.uid!,
    endpoint,
    nodes: nodes.items,
    systemPods: systemPods.items,
    daemonSets: daemonSets.items,
    apiServers: apiServers.items,
    serviceAddress: service.spec!.clusterIP!,
  });
}

function load(kubeconfig: string): KubeConfig {
  const config = new KubeConfig();
  try {
    config.loadFromString(kubeconfig);
  } catch {
    // the parser's own words repeat parts of the text
    throw new Error("The kubeconfig cannot be read: it is no YAML, or names no cluster");
  }
  return config;
}

/** Read a cluster through its API server, and its nodes by `onNode`. */
export function connect(kubeconfig: string, onNode?: NodeExec): AttachableCluster & MeasuredCluster {
  const config = load(kubeconfig);
  const core = config.makeApiClient(CoreV1Api);
  const apps = config.makeApiClient(AppsV1Api);
  const custom = config.makeApiClient(CustomObjectsApi);
  return {
    nodes: async () => (await timely(core.listNode())).items,
    pods: async (namespace, labelSelector) =>
      (await timely(core.listNamespacedPod({ namespace, labelSelector }))).items,
    allPods: async () => (await timely(core.listPodForAllNamespaces())).items,
    daemonSet: (namespace, name) => timely(apps.readNamespacedDaemonSet({ namespace, name })),
    deployment: (namespace, name) => timely(apps.readNamespacedDeployment({ namespace, name })),
    ciliumPodCidrs: async () =>
      new Map(
        (await ciliumNodes(custom)).map(({ metadata, spec }) => [
          metadata.name,
          (spec.ipam?.podCIDRs ?? []).filter((cidr) => !cidr.includes(":")),
        ]),
      ),
    healthAddresses: async () =>
      (await ciliumNodes(custom)).map(({ metadata, spec }) => ({
        node: metadata.name,
        nodeAddress: spec.addresses?.find(({ type, ip }) => type === "InternalIP" && isIpv4Address(ip))?.ip,
        endpointAddress: isIpv4Address(spec.health?.ipv4 ?? "") ? spec.health!.ipv4 : undefined,
      })),
    configMap: (namespace, name) => timely(core.readNamespacedConfigMap({ namespace, name }).catch(noneWhenNotFound)),
    services: async () => (await timely(core.listServiceForAllNamespaces())).items,
    async list<T>(apiVersion: string, plural: string) {
      const [group, version] = apiVersion.split("/") as [string, string];
      const objects = custom.listClusterCustomObject({ group, version, plural }) as Promise<{ items: T[] }>;
      return (await timely(objects.catch(noneWhenNotFound)))?.items ?? [];
    },
    service: (namespace, name) => timely(core.readNamespacedService({ namespace, name }).catch(noneWhenNotFound)),
    // its type says text, and the client has parsed it
    nodeSummary: (name) => timely<unknown>(core.connectGetNodeProxyWithPath({ name, path: "stats/summary" })),
    events: async () =>
      (await core.listEventForAllNamespaces()).items
        .map(({ lastTimestamp, eventTime, involvedObject, reason, message }) => {
          const time = (lastTimestamp ?? eventTime)?.toISOString() ?? "";
          return `${time} ${involvedObject.kind}/${involvedObject.name} ${reason}: ${message}`;
        })
        .sort()
        .join("\n"),
    log: (namespace, pod, container, bytes) =>
      core.readNamespacedPodLog({
        namespace,
        name: pod,
        container,
        ...(bytes === undefined ? {} : { limitBytes: bytes }),
      }),
    exec: (...where) => execIn(new Exec(config), ...where),
    async forward(namespace, pod, port, stream) {
      const socket = await new PortForward(config).portForward(namespace, pod, [port], stream, null, stream);
      stream.once("close", () => (socket as { close(): void }).close());
    },
    start: (...where) => startIn(new Exec(config), ...where),
    onNode,
  };
}

function noneWhenNotFound(error: unknown): undefined {
  if (error instanceof ApiException && error.code === 404) return undefined;
  throw error;
}

interface CiliumNode {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly addresses?: readonly { readonly type: string; readonly ip: string }[];
    readonly health?: { readonly ipv4?: string };
    readonly ipam?: { readonly podCIDRs?: string[] };
  };
}

async function ciliumNodes(custom: CustomObjectsApi): Promise<readonly CiliumNode[]> {
  const nodes = custom.listClusterCustomObject({
    group: "cilium.io",
    version: "v2",
    plural: "ciliumnodes",
  }) as Promise<{ items: CiliumNode[] }>;
  // the operator defines the kind of object only when it starts
  return (await timely(nodes.catch(noneWhenNotFound)))?.items ?? [];
}
