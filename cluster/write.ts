import { setTimeout as sleep } from "node:timers/promises";
import {
  AppsV1Api,
  CoreV1Api,
  CustomObjectsApi,
  KubernetesObjectApi,
  PatchStrategy,
  setHeaderOptions,
  type KubernetesObject,
  type V1Namespace,
  type V1Secret,
} from "@kubernetes/client-node";
import { load, timely, undefinedIfNotFound } from "./client";
import { recordsOf } from "./helmRecord";
import type { ClusterReader } from "./read";

/** The few objects that are written outside the Pulumi engine, and the reads that this needs. */
export interface ClusterWriter extends Pick<ClusterReader, "configMap"> {
  /** Create a ConfigMap, or replace its data. */
  writeConfigMap(namespace: string, name: string, data: Readonly<Record<string, string>>): Promise<void>;
  /** Delete a ConfigMap; a missing one is not an error. */
  deleteConfigMap(namespace: string, name: string): Promise<void>;
  namespace(name: string): Promise<V1Namespace | undefined>;
  /** Delete a namespace with everything in it, and wait until it is gone. @throws Error after 90 s */
  deleteNamespace(name: string): Promise<void>;
  /** Helm's records of a release that are neither superseded nor uninstalled. */
  helmRecords(namespace: string, release: string): Promise<V1Secret[]>;
  replaceSecret(namespace: string, secret: V1Secret): Promise<void>;
}

/** Creates the probe workload of a verification, and removes every trace of it. */
export interface ProbeWriter extends Pick<ClusterWriter, "deleteNamespace"> {
  /** Create an object of any kind. */
  create(object: KubernetesObject): Promise<void>;
  /** Namespaces by label selector. */
  namespaces(labelSelector: string): Promise<V1Namespace[]>;
  /** Delete a namespace's pods without waiting for their nodes. */
  forcePodDeletion(namespace: string): Promise<void>;
  /** Delete the identities that Cilium keeps after a namespace's pods are gone. */
  deleteCiliumIdentities(namespace: string): Promise<void>;
}

const NAMESPACE_SECONDS = 90;

/** Connect to a cluster for writing. */
export function connectWriter(kubeconfig: string): ClusterWriter {
  const core = load(kubeconfig).makeApiClient(CoreV1Api);
  const find = (name: string) => timely(core.readNamespace({ name }).catch(undefinedIfNotFound));
  return {
    configMap: (namespace, name) =>
      timely(core.readNamespacedConfigMap({ namespace, name }).catch(undefinedIfNotFound)),
    async writeConfigMap(namespace, name, data) {
      const body = { metadata: { namespace, name }, data };
      const replaced = await timely(
        core.replaceNamespacedConfigMap({ namespace, name, body }).catch(undefinedIfNotFound),
      );
      if (replaced === undefined) await timely(core.createNamespacedConfigMap({ namespace, body }));
    },
    async deleteConfigMap(namespace, name) {
      await timely(core.deleteNamespacedConfigMap({ namespace, name }).catch(undefinedIfNotFound));
    },
    namespace: find,
    async deleteNamespace(name) {
      await timely(core.deleteNamespace({ name }).catch(undefinedIfNotFound));
      const deadline = Date.now() + NAMESPACE_SECONDS * 1000;
      while ((await find(name)) !== undefined) {
        if (Date.now() > deadline) throw new Error(`The namespace ${name} still exists after ${NAMESPACE_SECONDS} s`);
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

/** Connect to a cluster to create and remove a probe workload. */
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
      const found = (await timely(list.catch(undefinedIfNotFound)))?.items ?? [];
      const remove = (name: string) =>
        custom.deleteClusterCustomObject({ ...identities, name }).catch(undefinedIfNotFound);
      await timely(Promise.all(found.map(({ metadata }) => remove(metadata.name))));
    },
  };
}

/** Restart a DaemonSet's pods one after the other, by its update strategy: `kubectl rollout restart`. */
export async function restartDaemonSet(kubeconfig: string, namespace: string, name: string): Promise<void> {
  const annotations = { "kubectl.kubernetes.io/restartedAt": new Date().toISOString() };
  const body = { spec: { template: { metadata: { annotations } } } };
  const asMerge = setHeaderOptions("Content-Type", PatchStrategy.StrategicMergePatch);
  const apps = load(kubeconfig).makeApiClient(AppsV1Api);
  await timely(apps.patchNamespacedDaemonSet({ namespace, name, body }, asMerge));
}
