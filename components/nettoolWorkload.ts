import { DaemonSet } from "@pulumi/kubernetes/apps/v1";
import { Namespace, Pod, Service } from "@pulumi/kubernetes/core/v1";
import type { types } from "@pulumi/kubernetes";
import { Image } from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { DEFAULTS } from "../modes/defaults";
import { NODE_PODS, WORKLOAD, WORKLOAD_CONTAINER, type WorkloadNames } from "../modes/workload";
import { OWNERSHIP_RECORDS } from "../providers/kind/ownershipRecord";
import { NodeImages, OwnershipRecord, WorkloadNamespace } from "../providers/kind/resources";
import { OWNER_ANNOTATION } from "../providers/kind/workloadNamespace";
import type { Cilium } from "./cilium";
import { nettoolImageArgs } from "./nettoolImage";
import { identityOf, inCluster, type TargetCluster } from "./targetCluster";

/** What the test workload is told. */
export interface NettoolWorkloadArgs {
  /** Where it runs. */
  readonly cluster: TargetCluster;
  /** The cluster's Cilium, before which pods have no network. */
  readonly cilium: Cilium;
  /** The service's port on every node, 30000 to 32767. Default: 32000. */
  readonly nodePort?: number | undefined;
  /** Base of the image that is built here: a Debian or Ubuntu. Default: debian:12-slim. */
  readonly baseImage?: string | undefined;
  /** A ready image with the same tools instead of the build, as `images/nettool` makes one. Default: none. */
  readonly image?: string | undefined;
  /**
   * Bring the ready image from this machine's Docker into the nodes; false: let the nodes pull it. Default: true in
   * clusters of kind, which alone can be given images.
   */
  readonly loadImage?: boolean | undefined;
}

/**
 * The test workload: a server with network tools on every node, the NodePort service `serversvc` before them,
 * and the client pod `net`.
 */
export class NettoolWorkload extends pulumi.ComponentResource {
  /** There when the workload is ready. */
  readonly names: pulumi.Output<WorkloadNames>;
  /** The image that it runs: the ready one, or the one built here. */
  readonly image: string;
  /** The service's port on every node. */
  readonly nodePort: number;

  constructor(name: string, args: NettoolWorkloadArgs, opts?: pulumi.ComponentResourceOptions) {
    super("cilium-modes:index:NettoolWorkload", name, {}, opts);
    const { cluster, loadImage = cluster.isKind } = args;
    const options = inCluster(cluster, this);
    this.nodePort = args.nodePort ?? DEFAULTS.nettool.nodePort;
    const build = args.image === undefined ? nettoolImageArgs(args.baseImage ?? DEFAULTS.nettool.baseImage) : undefined;
    this.image = args.image ?? build!.imageName;
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
    const ground = new WorkloadNamespace(
      `${name}-ground`,
      {
        ...identityOf(cluster),
        namespace: WORKLOAD.namespace,
        ownCluster: cluster.isKind,
      },
      // a cluster that is not the stack's to change is left as it is
      { ...options, dependsOn: args.cilium.installation },
    );
    const generation = pulumi.interpolate`${ground.generation}`;
    const metadata = { namespace: WORKLOAD.namespace, annotations: { "cilium-modes/generation": generation } };
    // what the ground cleared away is made again, not changed
    const remade = { replaceOnChanges: ["metadata.annotations"], deleteBeforeReplace: true };
    const namespace = new Namespace(
      `${name}-namespace`,
      {
        metadata: {
          name: WORKLOAD.namespace,
          annotations: { [OWNER_ANNOTATION]: cluster.owner, "cilium-modes/generation": generation },
          // says to whoever looks, and to clusters that enforce it, what runs here
          labels: { "pod-security.kubernetes.io/enforce": "privileged" },
        },
      },
      { ...options, ...remade, provider: cluster.provider, dependsOn: ground },
    );
    const kubernetes = {
      ...options,
      ...remade,
      provider: cluster.provider,
      dependsOn: [namespace, args.cilium.ready, ...loaded],
    };
    // every node's datapath is looked at; kind's nodes are without taints
    const anywhere = cluster.isKind ? {} : { tolerations: [{ operator: "Exists" }] };
    const labels = { app: WORKLOAD.daemonSet };
    const container = nettoolContainer(this.image);
    const daemonSet = new DaemonSet(
      `${name}-server`,
      {
        metadata: { ...metadata, name: WORKLOAD.daemonSet, labels },
        spec: {
          selector: { matchLabels: labels },
          template: {
            metadata: { labels },
            spec: {
              terminationGracePeriodSeconds: 1,
              ...anywhere,
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
        spec: { terminationGracePeriodSeconds: 1, ...anywhere, containers: [container] },
      },
      kubernetes,
    );
    const nodePods = cluster.isKind ? [] : [nodePod(`${name}-node`, metadata, container, kubernetes)];
    const record = new OwnershipRecord(
      `${name}-mark`,
      {
        ...identityOf(cluster),
        name: OWNERSHIP_RECORDS.workload,
        generation,
      },
      { ...options, dependsOn: [daemonSet, service, client, ...nodePods] },
    );
    // the names are there when the workload is ready
    this.names = record.id.apply(() => WORKLOAD);
    this.registerOutputs({ names: this.names, image: this.image });
  }
}

function nettoolContainer(image: string): types.input.core.v1.Container {
  return {
    name: WORKLOAD_CONTAINER,
    image,
    imagePullPolicy: "IfNotPresent",
    securityContext: { privileged: true },
    env: [{ name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
  };
}

/** A pod in each node's own namespaces: what `docker exec` is for kind's nodes. */
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
