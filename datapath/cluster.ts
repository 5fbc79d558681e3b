import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import {
  ApiException,
  AppsV1Api,
  CoreV1Api,
  CustomObjectsApi,
  Exec,
  KubeConfig,
  type V1ConfigMap,
  type V1DaemonSet,
  type V1Deployment,
  type V1Node,
  type V1Pod,
  type V1Service,
  type V1Status,
} from "@kubernetes/client-node";
import { isIpv4Address } from "../modes/cidr";

/** What a command in a pod left. */
export interface ExecResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

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
  /** A container's log. */
  log(namespace: string, pod: string, container: string): Promise<string>;
  /** Run a command in a pod's container. */
  exec(namespace: string, pod: string, container: string, command: readonly string[]): Promise<ExecResult>;
  /** Run a command on a node and return what it printed; undefined where nodes are not to be had. */
  readonly onNode?: NodeExec | undefined;
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

/** Read a cluster through its API server, and its nodes by `onNode`. */
export function connect(kubeconfig: string, onNode?: NodeExec): ClusterReader {
  const config = new KubeConfig();
  try {
    config.loadFromString(kubeconfig);
  } catch {
    // the parser's own words repeat parts of the text
    throw new Error("The kubeconfig cannot be read: it is no YAML, or names no cluster");
  }
  const core = config.makeApiClient(CoreV1Api);
  const apps = config.makeApiClient(AppsV1Api);
  const custom = config.makeApiClient(CustomObjectsApi);
  return {
    nodes: async () => (await core.listNode()).items,
    pods: async (namespace, labelSelector) => (await core.listNamespacedPod({ namespace, labelSelector })).items,
    allPods: async () => (await core.listPodForAllNamespaces()).items,
    daemonSet: (namespace, name) => apps.readNamespacedDaemonSet({ namespace, name }),
    deployment: (namespace, name) => apps.readNamespacedDeployment({ namespace, name }),
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
    configMap: (namespace, name) => core.readNamespacedConfigMap({ namespace, name }).catch(noneWhenNotFound),
    service: (namespace, name) => core.readNamespacedService({ namespace, name }).catch(noneWhenNotFound),
    events: async () =>
      (await core.listEventForAllNamespaces()).items
        .map(({ lastTimestamp, eventTime, involvedObject, reason, message }) => {
          const time = (lastTimestamp ?? eventTime)?.toISOString() ?? "";
          return `${time} ${involvedObject.kind}/${involvedObject.name} ${reason}: ${message}`;
        })
        .sort()
        .join("\n"),
    log: (namespace, pod, container) => core.readNamespacedPodLog({ namespace, name: pod, container }),
    exec: (namespace, pod, container, command) => execIn(new Exec(config), namespace, pod, container, command),
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
  const { items } = await nodes.catch((error: unknown) => {
    if (error instanceof ApiException && error.code === 404) return { items: [] };
    throw error;
  });
  return items;
}

async function execIn(
  exec: Exec,
  namespace: string,
  pod: string,
  container: string,
  command: readonly string[],
): Promise<ExecResult> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const status = new Promise<V1Status>((resolve, reject) => {
    exec.exec(namespace, pod, container, [...command], stdout, stderr, null, false, resolve).catch(reject);
  });
  const [{ status: outcome, details, message }, out, err] = await Promise.all([
    status.finally(() => {
      stdout.end();
      stderr.end();
    }),
    text(stdout),
    text(stderr),
  ]);
  const code = details?.causes?.find(({ reason }) => reason === "ExitCode")?.message;
  return {
    exitCode: outcome === "Success" ? 0 : Number(code ?? -1),
    stdout: out,
    stderr: err || (code === undefined ? (message ?? "") : ""),
  };
}
