import { DaemonSet } from "@pulumi/kubernetes/apps/v1";
import { Namespace, Pod, Service, ServiceAccount } from "@pulumi/kubernetes/core/v1";
import type { types } from "@pulumi/kubernetes";
import { Image } from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { valueAt } from "../modes/ciliumValues";
import { DEFAULTS } from "../modes/defaults";
import { NODE_PODS, WORKLOAD, WORKLOAD_CONTAINER, type WorkloadNames } from "../modes/workload";
import { OWNERSHIP_RECORDS } from "../modes/ownershipRecords";
import { NodeImages, OwnershipRecord, WorkloadNamespace, WorkloadReadiness } from "../providers/kind/resources";
import { OWNER_ANNOTATION } from "../providers/kind/workloadNamespace";
import type { Cilium } from "./cilium";
import { nettoolImageArgs } from "./nettoolImage";
import { identityOf, inCluster, type TargetCluster } from "./targetCluster";

/** Arguments of the test workload. Those without `pulumi.Input` must be known in previews. */
export interface NettoolWorkloadArgs {
  /** Cluster that the workload runs in. */
  readonly cluster: TargetCluster;
  /** Cilium of the cluster, without which pods have no network. */
  readonly cilium: Cilium;
  /**
   * NodePort of the Service, 30000 to 32767
   * (https://kubernetes.io/docs/concepts/services-networking/service/#type-nodeport). Default: 32000.
   */
  readonly nodePort?: number | undefined;
  /** Debian or Ubuntu that the tools of the image come from, which is built here. Default: debian:12-slim. */
  readonly baseImage?: string | undefined;
  /** Existing image with the tools of `images/nettool`, instead of the build. Default: none. */
  readonly image?: pulumi.Input<string> | undefined;
  /**
   * Load `image` from this machine's Docker into the nodes; with false, the nodes pull it. Default: true in a kind
   * cluster, false in an external one, whose nodes always pull.
   */
  readonly loadImage?: boolean | undefined;
}

/**
 * The test workload: a server with network tools on every node, the NodePort Service `serversvc` of the servers, and the
 * client pod `net`.
 *
 * @example
 * ```ts
 * const workload = new NettoolWorkload("nettool", { cluster, cilium });
 * export const client = workload.names.clientPod;
 * ```
 */
export class NettoolWorkload extends pulumi.ComponentResource {
  /** Names of the workload's objects; resolves when the workload is ready. */
  readonly names: pulumi.Output<WorkloadNames>;
  /** Image of the workload: the existing one, or the one that is built here. */
  readonly image: pulumi.Output<string>;
  /** NodePort of the Service. */
  readonly nodePort: number;

  constructor(name: string, args: NettoolWorkloadArgs, opts?: pulumi.ComponentResourceOptions) {
    super("cilium-modes:index:NettoolWorkload", name, {}, opts);
    const { cluster, loadImage = cluster.isKind } = args;
    const options = inCluster(cluster, this);
    this.nodePort = args.nodePort ?? DEFAULTS.nettool.nodePort;
    const build = args.image === undefined ? nettoolImageArgs(args.baseImage ?? DEFAULTS.nettool.baseImage) : undefined;
    this.image = pulumi.output(args.image ?? build!.imageName);
    const built = build === undefined ? [] : [new Image(`${name}-image`, build, { parent: this })];
    const loaded =
      build !== undefined || loadImage
        ? [
            new NodeImages(
              `${name}-node-images`,
              { clusterName: cluster.clusterName, clusterInstance: cluster.instance, images: [this.image] },
              { ...options, dependsOn: built },
            ),
          ]
        : [];
    const owned = new WorkloadNamespace(
      // the name of a resource is part of its URN, so it stays
      `${name}-ground`,
      {
        ...identityOf(cluster),
        namespace: WORKLOAD.namespace,
        ownCluster: cluster.isKind,
      },
      // a cluster whose Cilium the stack must not change gets no workload
      { ...options, dependsOn: args.cilium.installation },
    );
    const generation = pulumi.interpolate`${owned.generation}`;
    const metadata = { namespace: WORKLOAD.namespace, annotations: { [GENERATION]: generation, ...EXISTS } };
    // objects of an older generation are deleted, so they are recreated and not updated
    const remade = { replaceOnChanges: [`metadata.annotations["${GENERATION}"]`], deleteBeforeReplace: true };
    const ownObject = { ...options, ...remade, provider: cluster.provider };
    const namespace = new Namespace(
      `${name}-namespace`,
      {
        metadata: {
          name: WORKLOAD.namespace,
          annotations: { [OWNER_ANNOTATION]: cluster.owner, [GENERATION]: generation },
          // for clusters that enforce pod security standards
          labels: { "pod-security.kubernetes.io/enforce": "privileged" },
        },
      },
      { ...ownObject, dependsOn: owned },
    );
    const serviceAccount = new ServiceAccount(
      `${name}-service-account`,
      {
        metadata: { ...metadata, name: IDENTITY.serviceAccountName },
        automountServiceAccountToken: false,
      },
      { ...ownObject, dependsOn: namespace },
    );
    const kubernetes = {
      ...ownObject,
      // while agents start, pods wait for their network; in an external cluster they could get another plugin's
      dependsOn: [serviceAccount, cluster.isKind ? args.cilium.release : args.cilium.ready, ...loaded],
    };
    // the verification needs a pod on every node
    const tolerations = [{ operator: "Exists" }];
    const labels = { app: WORKLOAD.daemonSet };
    const container = {
      ...nettoolContainer(this.image),
      // a full node of an external cluster must still take the pods
      ...(cluster.isKind ? { resources: { requests: { cpu: PROCESSOR_SHARE } } } : {}),
    };
    const daemonSet = new DaemonSet(
      `${name}-server`,
      {
        metadata: { ...metadata, name: WORKLOAD.daemonSet, labels },
        spec: {
          selector: { matchLabels: labels },
          template: {
            metadata: { labels },
            spec: {
              ...IDENTITY,
              terminationGracePeriodSeconds: 1,
              tolerations,
              containers: [
                {
                  ...container,
                  ports: [{ containerPort: 80 }, { containerPort: 80, protocol: "UDP" }],
                  readinessProbe: { httpGet: { path: "/", port: 80 }, periodSeconds: 2 },
                },
              ],
            },
          },
        },
      },
      kubernetes,
    );
    const service = new Service(
      `${name}-service`,
      {
        metadata: { ...metadata, name: WORKLOAD.service },
        spec: {
          type: "NodePort",
          ...(hasIpv6(args) ? { ipFamilyPolicy: "PreferDualStack" } : {}),
          selector: labels,
          ports: [
            { name: "cni", port: 80, targetPort: 80, nodePort: this.nodePort },
            { name: "udp", protocol: "UDP", port: 80, targetPort: 80, nodePort: this.nodePort },
          ],
        },
      },
      kubernetes,
    );
    const client = new Pod(
      `${name}-client`,
      {
        metadata: { ...metadata, name: WORKLOAD.clientPod, labels: { run: WORKLOAD.clientPod } },
        spec: { ...IDENTITY, terminationGracePeriodSeconds: 1, tolerations, containers: [container] },
      },
      kubernetes,
    );
    const nodePods = cluster.isKind ? [] : [nodePod(`${name}-node`, metadata, container, kubernetes)];
    const pods = [daemonSet, client, ...nodePods];
    const versions = pulumi
      .all(pods.map((each) => each.metadata))
      .apply((all) => all.map(({ uid, generation }) => `${uid}/${generation}`).join(" "));
    const record = new OwnershipRecord(
      // the name of a resource is part of its URN, so it stays
      `${name}-mark`,
      {
        ...identityOf(cluster),
        name: OWNERSHIP_RECORDS.workload,
        generation,
      },
      { ...options, dependsOn: [...pods, service] },
    );
    const ready = new WorkloadReadiness(
      `${name}-ready`,
      {
        ...identityOf(cluster),
        namespace: WORKLOAD.namespace,
        daemonSets: [WORKLOAD.daemonSet, ...(cluster.isKind ? [] : [NODE_PODS])],
        pods: [WORKLOAD.clientPod],
        timeoutSeconds: TIMEOUT_SECONDS,
        cause: pulumi.interpolate`${cluster.condition} image ${this.image} pods ${versions}`,
      },
      { ...options, dependsOn: [record, args.cilium.ready] },
    );
    this.names = ready.id.apply(() => WORKLOAD);
    this.registerOutputs({ names: this.names, image: this.image });
  }
}

/** Whether pods get IPv6 addresses too: of an external cluster, only the values of its Cilium tell. */
function hasIpv6({ cluster, cilium }: NettoolWorkloadArgs): boolean {
  const { extraValues } = cilium.valuesArgs;
  return cluster.ipv6 !== undefined || (!cluster.isKind && String(valueAt(extraValues, "ipv6.enabled")) === "true");
}

/** Annotation that counts how often the workload was recreated. */
const GENERATION = "cilium-modes/generation";

/** Lets the engine's resources exist as soon as the objects do; `WorkloadReadiness` waits for the pods. */
const EXISTS = { "pulumi.com/waitFor": "jsonpath={.metadata.uid}" };

/**
 * A ServiceAccount of their own, since a namespace's default one may come later than its pods, which the API server would
 * refuse. They need no access to the API server, and no token: while a pod waits for its network, the kubelet retries the
 * token's volume less and less often, and the pod would start up to 16 s after the network is there.
 */
const IDENTITY = { serviceAccountName: WORKLOAD.daemonSet, automountServiceAccountToken: false };

/** Timeout until the pods are ready after Cilium is, of which a pull of the image is the longest part. */
const TIMEOUT_SECONDS = 600;

/** Without a request, servers of a busy machine wait seconds for a processor, and a slow answer looks like a lost packet. */
const PROCESSOR_SHARE = "50m";

function nettoolContainer(image: pulumi.Input<string>): types.input.core.v1.Container {
  return {
    name: WORKLOAD_CONTAINER,
    image,
    imagePullPolicy: "IfNotPresent",
    securityContext: { privileged: true },
    env: [{ name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
  };
}

/** A pod in each node's own namespaces, which replaces `docker exec` on external clusters. */
function nodePod(
  name: string,
  metadata: types.input.meta.v1.ObjectMeta,
  container: types.input.core.v1.Container,
  opts: pulumi.CustomResourceOptions,
): DaemonSet {
  const labels = { app: NODE_PODS };
  const spec: types.input.core.v1.PodSpec = {
    hostPID: true,
    hostNetwork: true,
    terminationGracePeriodSeconds: 1,
    tolerations: [{ operator: "Exists" }],
    containers: [{ ...container, command: ["sleep", "infinity"] }],
  };
  return new DaemonSet(
    name,
    {
      metadata: { ...metadata, name: NODE_PODS, labels },
      spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
    },
    opts,
  );
}
