import type { Duplex } from "node:stream";
import {
  AppsV1Api,
  CoreV1Api,
  CustomObjectsApi,
  DiscoveryV1Api,
  Exec,
  PortForward,
  type V1ConfigMap,
  type V1DaemonSet,
  type V1Deployment,
  type V1EndpointSlice,
  type V1Node,
  type V1Pod,
  type V1Service,
} from "@kubernetes/client-node";
import type { OutsideClient } from "../host/outside";
import { OWNERSHIP_RECORDS } from "../modes/ownershipRecords";
import { apiErrorLine } from "./apiError";
import { COMPARED_KINDS, helmDrift, type ComparedObject, type HelmDrift } from "./helmDrift";
import { CURRENT_RECORDS, renderedCilium, renderedObjects, type RecordedCilium } from "./helmRecord";
import { load, timely, undefinedIfNotFound } from "./client";
import { reach } from "./reach";
import { execIn, startIn, type ExecResult, type Conversation } from "./podExec";
import { PodShells } from "./podShells";

export type { OutsideClient } from "../host/outside";

/** Read access to a running cluster; tests replace it with recorded answers. */
export interface ClusterReader {
  /** Milliseconds since 1970; those of a recorded cluster are the recording's. Probes derive their marks from it. */
  now(): number;
  nodes(): Promise<V1Node[]>;
  /** Pods of a namespace by label selector. */
  pods(namespace: string, labelSelector: string): Promise<V1Pod[]>;
  /** The pods of all namespaces. @param labelSelector default: every pod */
  allPods(labelSelector?: string): Promise<V1Pod[]>;
  daemonSet(namespace: string, name: string): Promise<V1DaemonSet>;
  deployment(namespace: string, name: string): Promise<V1Deployment>;
  /** Node name to the networks that Cilium's pool gave it: IPv4 ones, then IPv6 ones. */
  ciliumPodCidrs(): Promise<Map<string, string[]>>;
  /** Undefined if it does not exist. */
  configMap(namespace: string, name: string): Promise<V1ConfigMap | undefined>;
  /** Cilium as Helm rendered it last in this namespace; undefined if Helm did not. */
  renderedCilium(namespace: string): Promise<RecordedCilium | undefined>;
  /** Undefined if it does not exist. */
  service(namespace: string, name: string): Promise<V1Service | undefined>;
  /** Events of all namespaces, one line each. */
  events(): Promise<string>;
  /** A container's log from its start. @param bytes maximum size */
  log(namespace: string, pod: string, container: string, bytes?: number): Promise<string>;
  /** Run a command in a pod's container. @param seconds after which it is killed there. Default: never */
  exec(
    namespace: string,
    pod: string,
    container: string,
    command: readonly string[],
    seconds?: number,
  ): Promise<ExecResult>;
  /** Run a command on a node and return its output; undefined if nodes cannot be reached. */
  readonly onNode?: NodeExec | undefined;
}

/** A cluster that can be verified. */
export interface EvidenceCluster extends ClusterReader {
  /** Services of all namespaces. */
  services(): Promise<V1Service[]>;
  /** All objects of a kind outside the core API; none if the cluster does not know the kind. */
  list<T>(apiVersion: string, plural: string): Promise<readonly T[]>;
  /** How Cilium's objects differ from what Helm rendered last in this namespace; undefined if Helm did not. */
  helmDrift(namespace: string): Promise<HelmDrift | undefined>;
  /** Ask a URL from this machine: `ok` or what went wrong; undefined where this machine is not to be asked. */
  readonly reach?: ((url: string) => Promise<string>) | undefined;
  /**
   * Let `exec` run scripts (`sh -c`) in shells that stay open, until the returned function is called; a script whose shell
   * ends meanwhile runs again. Undefined where every command is a process of its own.
   */
  readonly keepShells?: (() => () => void) | undefined;
  /** Start a client in the nodes' network, outside the cluster; undefined if there is no place for one. */
  readonly startOutside?: ((image: string) => Promise<OutsideClient>) | undefined;
}

/** A cluster in whose pods commands can keep running. */
export interface AttachableCluster extends EvidenceCluster {
  /** Connect a stream to a pod's port. */
  forward(namespace: string, pod: string, port: number, stream: Duplex): Promise<void>;
  /** Start a command in a pod's container. */
  start(namespace: string, pod: string, container: string, command: readonly string[]): Conversation;
}

/** A cluster whose kubelets report what pods use. */
export interface MeasuredCluster extends ClusterReader {
  /** A kubelet's Summary API: https://kubernetes.io/docs/reference/instrumentation/node-metrics/ */
  nodeSummary(node: string): Promise<unknown>;
}

/** Runs a command on a node. @throws Error if it fails */
export type NodeExec = (node: string, command: readonly string[]) => Promise<string>;

/** Objects that describe a cluster before anything is installed in it. */
export interface ClusterOverview {
  /** Uid of the namespace kube-system. */
  readonly identity: string;
  /** URL of the API server. */
  readonly endpoint: string;
  readonly nodes: readonly V1Node[];
  /** Pods of kube-system. */
  readonly systemPods: readonly V1Pod[];
  readonly daemonSets: readonly V1DaemonSet[];
  /** EndpointSlices of the service `kubernetes`. */
  readonly apiServers: readonly V1EndpointSlice[];
  /** ClusterIP of the service `kubernetes`. */
  readonly serviceAddress: string;
  /** `cilium-config` as the cluster's Cilium was installed; undefined if there is none. */
  readonly ciliumConfig?: Readonly<Record<string, string | null>> | undefined;
  /** IPv4 networks of the pods of Cilium's nodes. Default: none. */
  readonly ciliumPodCidrs?: readonly string[] | undefined;
}

/** Read a cluster's overview. @throws Error if the cluster does not answer */
export async function readOverview(kubeconfig: string): Promise<ClusterOverview> {
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
    readCiliumConfig(core),
    ciliumNodes(config.makeApiClient(CustomObjectsApi)),
  ]);
  const [system, nodes, systemPods, daemonSets, apiServers, service, ciliumConfig, ofCilium] = await timely(read).catch(
    (error: Error) => {
      throw new Error(`The cluster at ${endpoint} cannot be read: ${apiErrorLine(error)}`);
    },
  );
  return {
    identity: system.metadata!.uid!,
    endpoint,
    nodes: nodes.items,
    systemPods: systemPods.items,
    daemonSets: daemonSets.items,
    apiServers: apiServers.items,
    serviceAddress: service.spec!.clusterIP!,
    ciliumConfig,
    ciliumPodCidrs: ofCilium.flatMap(ipv4PodCidrs),
  };
}

/** The configuration that a stack recorded, which nobody edits, or that of another owner's Cilium. */
async function readCiliumConfig(core: CoreV1Api): Promise<ClusterOverview["ciliumConfig"]> {
  const [config, record] = await Promise.all(
    ["cilium-config", OWNERSHIP_RECORDS.cilium].map((name) =>
      core.readNamespacedConfigMap({ namespace: OWNERSHIP_RECORDS.namespace, name }).catch(undefinedIfNotFound),
    ),
  );
  const recorded = record?.data?.["config"];
  if (config?.data === undefined || recorded === undefined) return config?.data;
  return JSON.parse(recorded) as ClusterOverview["ciliumConfig"];
}

/** Connect to a cluster's API server, and to its nodes through `onNode`. */
export function connect(kubeconfig: string, onNode?: NodeExec): AttachableCluster & MeasuredCluster {
  const config = load(kubeconfig);
  const core = config.makeApiClient(CoreV1Api);
  const apps = config.makeApiClient(AppsV1Api);
  const custom = config.makeApiClient(CustomObjectsApi);
  let shells: PodShells | undefined;
  const helmRecords = async (namespace: string) =>
    (await timely(core.listNamespacedSecret({ namespace, labelSelector: CURRENT_RECORDS }))).items;
  return {
    now: () => Date.now(),
    nodes: () => everyPage((page) => core.listNode(page), smallNode),
    pods: (namespace, labelSelector) =>
      everyPage((page) => core.listNamespacedPod({ namespace, labelSelector, ...page }), smallPod),
    allPods: (labelSelector) =>
      everyPage(
        (page) => core.listPodForAllNamespaces({ ...(labelSelector !== undefined && { labelSelector }), ...page }),
        smallPod,
      ),
    daemonSet: (namespace, name) => timely(apps.readNamespacedDaemonSet({ namespace, name })),
    deployment: (namespace, name) => timely(apps.readNamespacedDeployment({ namespace, name })),
    ciliumPodCidrs: async () =>
      new Map((await ciliumNodes(custom)).map((node) => [node.metadata.name, podCidrsByFamily(node)])),
    configMap: (namespace, name) =>
      timely(core.readNamespacedConfigMap({ namespace, name }).catch(undefinedIfNotFound)),
    renderedCilium: async (namespace) => renderedCilium(await helmRecords(namespace)),
    async helmDrift(namespace) {
      const rendered = renderedObjects(await helmRecords(namespace), namespace);
      return rendered && helmDrift(rendered, (object) => comparedObject(core, custom, object));
    },
    services: () => everyPage((page) => core.listServiceForAllNamespaces(page)),
    list: <T>(apiVersion: string, plural: string) => everyCustomObject<T>(custom, apiVersion, plural),
    service: (namespace, name) => timely(core.readNamespacedService({ namespace, name }).catch(undefinedIfNotFound)),
    // typed as text, but the client has parsed it
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
    exec(namespace, pod, container, command, seconds) {
      const [shell, option, script, ...more] = command;
      const isScript = shell === "sh" && option === "-c" && script !== undefined && more.length === 0;
      if (shells === undefined || !isScript)
        return execIn(new Exec(config), namespace, pod, container, command, seconds);
      return shells.run(namespace, pod, container, script, seconds);
    },
    keepShells() {
      const own = (shells = new PodShells(new Exec(config)));
      return () => {
        own.end();
        if (shells === own) shells = undefined;
      };
    },
    async forward(namespace, pod, port, stream) {
      const socket = await new PortForward(config).portForward(namespace, pod, [port], stream, null, stream);
      stream.once("close", () => (socket as { close(): void }).close());
    },
    start: (...where) => startIn(new Exec(config), ...where),
    onNode,
    reach,
  };
}

interface CiliumNode {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly ipam?: { readonly podCIDRs?: string[] };
  };
}

function ipv4PodCidrs({ spec }: CiliumNode): string[] {
  return (spec.ipam?.podCIDRs ?? []).filter((cidr) => !cidr.includes(":"));
}

function podCidrsByFamily(node: CiliumNode): string[] {
  const isIpv6 = (cidr: string) => cidr.includes(":");
  return [...ipv4PodCidrs(node), ...(node.spec.ipam?.podCIDRs ?? []).filter(isIpv6)];
}

async function ciliumNodes(custom: CustomObjectsApi): Promise<readonly CiliumNode[]> {
  return everyCustomObject(custom, "cilium.io/v2", "ciliumnodes");
}

/** Objects that one answer of the API server holds at most: as many as kubectl asks for. */
const PAGE = 500;

interface Page {
  readonly limit: number;
  readonly _continue?: string;
}

/** A list of any length, read page by page. @param kept what to keep of each object. Default: everything */
async function everyPage<T>(
  read: (page: Page) => Promise<{ readonly items: T[]; readonly metadata?: { readonly _continue?: string } }>,
  kept: (object: T) => T = (object) => object,
): Promise<T[]> {
  const objects: T[] = [];
  let next: string | undefined;
  do {
    const { items, metadata } = await timely(read({ limit: PAGE, ...(next && { _continue: next }) }));
    for (const item of items) objects.push(kept(item));
    next = metadata?._continue;
  } while (next);
  return objects;
}

/** All objects of a kind outside the core API; none if the cluster does not know the kind: Cilium's operator defines some when it starts. */
async function everyCustomObject<T>(custom: CustomObjectsApi, apiVersion: string, plural: string): Promise<T[]> {
  const [group, version] = apiVersion.split("/") as [string, string];
  return everyPage(async (page) => {
    const list = custom.listClusterCustomObject({ group, version, plural, ...page }) as Promise<CustomObjects<T>>;
    const { items, metadata } = (await list.catch(undefinedIfNotFound)) ?? { items: [] };
    return { items, metadata: { _continue: metadata?.continue ?? "" } };
  });
}

/** An object as the cluster has it; undefined if it does not exist. */
async function comparedObject(
  core: CoreV1Api,
  custom: CustomObjectsApi,
  { kind, metadata: { name, namespace } }: ComparedObject,
): Promise<object | undefined> {
  if (kind === "ServiceAccount")
    return timely(core.readNamespacedServiceAccount({ name, namespace: namespace! }).catch(undefinedIfNotFound));
  const [group, version] = COMPARED_KINDS[kind].split("/") as [string, string];
  const of = { group, version, plural: `${kind.toLowerCase()}s`, name };
  const read =
    namespace === undefined
      ? custom.getClusterCustomObject(of)
      : custom.getNamespacedCustomObject({ ...of, namespace });
  return timely(read.catch(undefinedIfNotFound) as Promise<object | undefined>);
}

/** A list that the client has not converted. */
interface CustomObjects<T> {
  readonly items: T[];
  readonly metadata?: { readonly continue?: string };
}

/** A pod without the large parts that nothing here reads: large clusters have tens of thousands of pods. */
function smallPod({ metadata, spec, status }: V1Pod): V1Pod {
  return {
    metadata: without(metadata!, "managedFields", "annotations"),
    ...(spec && {
      spec: {
        ...without(spec, "volumes", "initContainers", "tolerations", "affinity"),
        containers: spec.containers.map((each) =>
          without(each, "volumeMounts", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle"),
        ),
      },
    }),
    ...(status && { status }),
  };
}

/** A node without the list of its images. */
function smallNode({ metadata, spec, status }: V1Node): V1Node {
  return {
    metadata: without(metadata!, "managedFields"),
    ...(spec && { spec }),
    ...(status && { status: without(status, "images") }),
  };
}

/** A copy of an object without some of its optional fields. */
function without<T extends object, K extends keyof T>(object: T, ...fields: readonly K[]): T {
  return Object.fromEntries(
    Object.entries(object).filter(([name, value]) => value !== undefined && !fields.includes(name as K)),
  ) as T;
}
