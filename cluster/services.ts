import { Agent } from "node:https";
import {
  CoreV1Api,
  createConfiguration,
  DiscoveryV1Api,
  ServerConfiguration,
  type Middleware,
  type V1EndpointSlice,
  type V1Namespace,
  type V1Service,
} from "@kubernetes/client-node";
import { load, timely, undefinedIfNotFound } from "./client";
import { connectWriter, type ClusterWriter } from "./write";

/** Creates, changes and removes thousands of Services with their EndpointSlices. */
export interface ServiceWriter extends Pick<ClusterWriter, "namespace" | "deleteNamespace"> {
  createNamespace(namespace: V1Namespace): Promise<void>;
  /** ClusterIPs of all namespaces' Services; `None` for headless ones. */
  serviceAddresses(): Promise<string[]>;
  /** Names of a namespace's Services. */
  serviceNames(namespace: string): Promise<string[]>;
  createService(service: V1Service): Promise<void>;
  createEndpoints(slice: V1EndpointSlice): Promise<void>;
  replaceEndpoints(slice: V1EndpointSlice): Promise<void>;
  /** Delete a Service and the EndpointSlice of the same name; missing ones are not an error. */
  deleteService(namespace: string, name: string): Promise<void>;
  /** Delete the Services and EndpointSlices with a label. @throws if the API server has no collections of Services (before 1.23) */
  deleteServices(namespace: string, labelSelector: string): Promise<void>;
}

/** Seconds to wait for a list of all Services, or for one change among thousands. */
const CROWD_SECONDS = 60;

/** Connect to a cluster to create many Services in it. */
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
  const patiently = <T>(answer: Promise<T>) => timely(answer, CROWD_SECONDS);
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
      const service = core.deleteNamespacedService({ namespace, name }).catch(undefinedIfNotFound);
      const slice = discovery.deleteNamespacedEndpointSlice({ namespace, name }).catch(undefinedIfNotFound);
      await patiently(Promise.all([service, slice]));
    },
    async deleteServices(namespace, labelSelector) {
      const services = core.deleteCollectionNamespacedService({ namespace, labelSelector });
      const slices = discovery.deleteCollectionNamespacedEndpointSlice({ namespace, labelSelector });
      await patiently(Promise.all([services, slices]));
    },
  };
}

/** Reuse connections: by default the client opens one for every request, which costs more than most requests. */
function keepConnections(): Middleware {
  let kept: Agent | undefined;
  return {
    async pre(request) {
      const agent = request.getAgent();
      // a proxy's agent has another class
      if (agent?.constructor === Agent) {
        kept ??= new Agent({ ...(agent as Agent).options, keepAlive: true });
        request.setAgent(kept);
      }
      return request;
    },
    post: async (response) => response,
  };
}
