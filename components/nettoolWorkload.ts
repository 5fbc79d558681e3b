import { DaemonSet } from "@pulumi/kubernetes/apps/v1";
import { Pod, Service } from "@pulumi/kubernetes/core/v1";
import type { types } from "@pulumi/kubernetes";
import { Image } from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { WORKLOAD } from "../modes/workload";
import { NodeImages } from "../providers/kind/resources";
import type { Cilium } from "./cilium";
import type { KindCluster } from "./kindCluster";
import { builtImageName, NETTOOL_CONTEXT } from "./nettoolImage";

export interface NettoolWorkloadArgs {
  readonly cluster: KindCluster;
  readonly cilium: Cilium;
  readonly clusterName: string;
  readonly nodePort: number;
  /** Base of the image that is built here. */
  readonly baseImage: string;
  /** A ready image instead of the build. */
  readonly image?: string | undefined;
  /** Bring the ready image from this machine's Docker into the nodes. */
  readonly loadImage: boolean;
}

/**
 * The test workload: a server with network tools on every node, the NodePort service `serversvc` before them,
 * and the client pod `net`.
 */
export class NettoolWorkload extends pulumi.ComponentResource {
  readonly names: pulumi.Output<typeof WORKLOAD>;
  readonly image: string;

  constructor(name: string, args: NettoolWorkloadArgs, opts?: pulumi.ComponentResourceOptions) {
    super("cilium-modes:index:NettoolWorkload", name, {}, opts);
    const inCluster = { parent: this, deletedWith: args.cluster.cluster };
    this.image = args.image ?? builtImageName(args.baseImage);
    const built = args.image === undefined ? [buildImage(`${name}-image`, this.image, args.baseImage, this)] : [];
    const loaded =
      args.image === undefined || args.loadImage
        ? [
            new NodeImages(
              `${name}-node-images`,
              { clusterName: args.clusterName, clusterInstance: args.cluster.cluster.id, images: [this.image] },
              { ...inCluster, dependsOn: built },
            ),
          ]
        : [];
    const kubernetes = { ...inCluster, provider: args.cluster.provider, dependsOn: [args.cilium.release, ...loaded] };
    const labels = { app: WORKLOAD.daemonSet };
    const container = nettoolContainer(this.image);
    const daemonSet = new DaemonSet(
      `${name}-server`,
      {
        metadata: { name: WORKLOAD.daemonSet, namespace: WORKLOAD.namespace, labels },
        spec: {
          selector: { matchLabels: labels },
          template: {
            metadata: { labels },
            spec: {
              terminationGracePeriodSeconds: 1,
              containers: [
                {
                  ...container,
                  ports: [{ containerPort: 80 }],
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
        metadata: { name: WORKLOAD.service, namespace: WORKLOAD.namespace },
        spec: {
          type: "NodePort",
          selector: labels,
          ports: [{ name: "cni", port: 80, targetPort: 80, nodePort: args.nodePort }],
        },
      },
      kubernetes,
    );
    const client = new Pod(
      `${name}-client`,
      {
        metadata: { name: WORKLOAD.clientPod, namespace: WORKLOAD.namespace, labels: { run: WORKLOAD.clientPod } },
        spec: { terminationGracePeriodSeconds: 1, containers: [container] },
      },
      kubernetes,
    );
    // the names are there when the workload is ready
    this.names = pulumi.all([daemonSet.id, service.id, client.id]).apply(() => WORKLOAD);
    this.registerOutputs({ names: this.names, image: this.image });
  }
}

function nettoolContainer(image: string): types.input.core.v1.Container {
  return {
    name: "nettool",
    image,
    imagePullPolicy: "IfNotPresent",
    securityContext: { privileged: true },
    env: [{ name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
  };
}

function buildImage(name: string, imageName: string, baseImage: string, parent: pulumi.Resource): Image {
  return new Image(
    name,
    {
      imageName,
      build: {
        context: NETTOOL_CONTEXT,
        dockerfile: `${NETTOOL_CONTEXT}/Dockerfile`,
        args: { BASE_IMAGE: baseImage },
        platform: process.arch === "arm64" ? "linux/arm64" : "linux/amd64",
      },
      skipPush: true,
    },
    { parent },
  );
}
